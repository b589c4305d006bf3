"""The events of the shared store."""

from __future__ import annotations

from scope_async.telemetry.event import Event


class SharedTokenTaken(Event, frozen=True, kw_only=True):
    """A token came from the shared store: another process exchanged it.

    It lives `lifetime_ms` in all, and `expires_in_ms` from now on.
    """

    generation: int
    lifetime_ms: float
    expires_in_ms: float
    duration_ms: float


class SharedPromptTaken(Event, frozen=True, kw_only=True):
    """A prompt version came from the shared store: another process fetched it `age_ms` ago."""

    prompt: str
    selector: str
    age_ms: float


class LeaseTaken(Event, frozen=True, kw_only=True):
    """The client asks the service on behalf of all that share the store; `kind` is `token` or `prompt`."""

    kind: str


class LeaseLost(Event, frozen=True, kw_only=True):
    """An answer fetched under a lease was not shared: the lease had ended, or the entry was invalidated."""

    kind: str


class StoreUnavailable(Event, frozen=True, kw_only=True):
    """The shared store cannot be used; the client goes on alone. Once for each outage."""

    error: str


class StoreAvailable(Event, frozen=True, kw_only=True):
    """The shared store can be used again, after `down_for_ms`."""

    down_for_ms: float
