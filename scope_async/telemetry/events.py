"""What the client tells the hooks: frozen facts, never a secret, a token or a prompt's text."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

import attrs


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Event:
    """The root of all events; times are in milliseconds.

    Compared and shown here for all of them: a method generated for each is import time, 4 ms.
    """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and attrs.astuple(other) == attrs.astuple(self)

    def __hash__(self) -> int:
        return hash((type(self), attrs.astuple(self)))

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in attrs.asdict(self).items())
        return f"{type(self).__name__}({facts})"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RequestRetried(Event):
    """An attempt failed and another one follows after `delay_ms`; `attempt` counts from 1."""

    operation: str
    request_id: str
    attempt: int
    delay_ms: float
    error: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TokenExchanged(Event):
    """A token was obtained; `lifetime_ms` is what the service promised."""

    generation: int
    lifetime_ms: float
    duration_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TokenWaited(Event):
    """A caller had no valid token and waited for an exchange."""

    duration_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RenewalFailed(Event):
    """An exchange failed for a passing reason; the next one is tried after `retry_in_ms`."""

    error: str
    failures: int
    retry_in_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CredentialsRefused(Event):
    """The auth API refused the credentials; it is asked again after `retry_in_ms`."""

    error: str
    retry_in_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CredentialsChanged(Event):
    """The provider returned other credentials than before."""

    api_key: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class BufferClamped(Event):
    """`token_refresh_buffer` is more than half of the token's life, so half is used."""

    wanted_ms: float
    used_ms: float


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CacheHit(Event):
    """A prompt version came from memory; when not `fresh`, it is being renewed meanwhile.

    `prompt` is the name that was asked for, `wanted` is `production`, `latest` or a version id.
    """

    prompt: str
    wanted: str
    fresh: bool


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CacheMiss(Event):
    """A caller waits for the service, alone or with others."""

    prompt: str
    wanted: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Revalidated(Event):
    """The service answered for a prompt that is in the cache; `changed` when with another version."""

    prompt: str
    wanted: str
    changed: bool


@attrs.frozen(kw_only=True, eq=False, repr=False)
class StaleServed(Event):
    """The last good version was served since the service could not answer."""

    prompt: str
    wanted: str
    age_ms: float
    error: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FallbackUsed(Event):
    """The caller's fallback was used: neither the service nor a stale copy could answer."""

    prompt: str
    wanted: str
    error: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PrefetchDone(Event):
    """A prefetch ended; `failed` of its `prompts` could not be had."""

    prompts: int
    failed: int
    duration_ms: float


class Hook(Protocol):
    """Anything that takes one event. A coroutine it returns runs in the background."""

    def __call__(self, event: Event, /) -> Coroutine[Any, Any, None] | None: ...


class Emit(Protocol):
    """How the parts of the client report an event; returns at once and never raises."""

    def __call__(self, event: Event, /) -> None: ...
