"""The events of what processes share."""

from __future__ import annotations

import attrs

from scope_async.telemetry.event import Event


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SharedTokenTaken(Event):
    """A token came from the shared store: another process exchanged it.

    It lives `lifetime_ms` in all, and `expires_in_ms` from now on.
    """

    generation: int
    lifetime_ms: float
    expires_in_ms: float
    duration_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SharedPromptTaken(Event):
    """A prompt version came from the shared store: another process fetched it `age_ms` ago."""

    prompt: str
    selector: str
    age_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class LeaseTaken(Event):
    """The client asks for all that share the store; `kind` is `token` or `prompt`."""

    kind: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class LeaseLost(Event):
    """What was asked for under a lease was not shared: the lease had ended, or it was invalidated."""

    kind: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StoreUnavailable(Event):
    """The shared store cannot be used; the client goes on alone. Once for each outage."""

    error: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StoreAvailable(Event):
    """The shared store can be used again, after `down_for_ms`."""

    down_for_ms: float
