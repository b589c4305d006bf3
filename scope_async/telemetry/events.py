"""The events that hooks get: frozen data, never a secret, a token or a prompt's text."""

# ruff: noqa: PLC0414 - an alias of the same name is how type checkers know what is exported again
from __future__ import annotations

from scope_async.telemetry.event import Event as Event
from scope_async.telemetry.hooks import AttemptWrapper as AttemptWrapper
from scope_async.telemetry.hooks import Emit as Emit
from scope_async.telemetry.hooks import Hook as Hook
from scope_async.telemetry.hooks import PerClientHook as PerClientHook
from scope_async.telemetry.hooks import Propagator as Propagator
from scope_async.telemetry.store_events import LeaseLost as LeaseLost
from scope_async.telemetry.store_events import LeaseTaken as LeaseTaken
from scope_async.telemetry.store_events import SharedPromptTaken as SharedPromptTaken
from scope_async.telemetry.store_events import SharedTokenTaken as SharedTokenTaken
from scope_async.telemetry.store_events import StoreAvailable as StoreAvailable
from scope_async.telemetry.store_events import StoreUnavailable as StoreUnavailable


class ClientStarted(Event, frozen=True, kw_only=True):
    """The client's background tasks run; `environment` is the option of that name."""

    base_url: str
    environment: str


class ClientClosed(Event, frozen=True, kw_only=True):
    """The client has closed, and nothing follows; async hooks have a second for it."""


class RequestStarted(Event, frozen=True, kw_only=True):
    """A call begins, in the task that makes it; one of `ResponseReceived` and `RequestFailed` follows.

    `operation` is `prompts.get`, `prompts.ping`, `exchange`, or of an `ApiKeyAdmin` `keys.create` and
    so on; `template` is the URL's path without what varies.
    """

    operation: str
    request_id: str
    method: str
    url: str
    template: str
    prompt: str | None = None


class RequestRetried(Event, frozen=True, kw_only=True):
    """An attempt failed and another one follows after `delay_ms`; `attempt` counts from 1."""

    operation: str
    request_id: str
    attempt: int
    delay_ms: float
    error: str
    status: int | None = None


class ResponseReceived(Event, frozen=True, kw_only=True):
    """A call was answered; `duration_ms` is that of all its `attempts`, with the pauses between."""

    operation: str
    request_id: str
    status: int
    attempts: int
    duration_ms: float


class RequestFailed(Event, frozen=True, kw_only=True):
    """A call failed for good, or was cancelled; `status` is None when there was no reply."""

    operation: str
    request_id: str
    error: str
    status: int | None
    attempts: int
    duration_ms: float


class PromptFetched(Event, frozen=True, kw_only=True):
    """The reply to a request was read as this version of a prompt.

    `not_modified` when the reply was a 304: the version in the cache is current.
    """

    request_id: str
    prompt: str
    selector: str
    version_id: str
    version_number: int
    not_modified: bool = False


class TokenExchanged(Event, frozen=True, kw_only=True):
    """A token was obtained; it lives `lifetime_ms` in all, and `expires_in_ms` from now on."""

    generation: int
    lifetime_ms: float
    expires_in_ms: float
    duration_ms: float
    request_id: str | None = None


class TokenWaited(Event, frozen=True, kw_only=True):
    """A caller had no valid token and waited for the exchange of `request_id`."""

    duration_ms: float
    request_id: str | None = None


class RenewalFailed(Event, frozen=True, kw_only=True):
    """An exchange failed for a transient reason; the next one is tried after `retry_in_ms`."""

    error: str
    failures: int
    retry_in_ms: float
    request_id: str | None = None


class CredentialsRefused(Event, frozen=True, kw_only=True):
    """The auth API refused the credentials; it is asked again after `retry_in_ms`."""

    error: str
    retry_in_ms: float
    request_id: str | None = None


class CredentialsChanged(Event, frozen=True, kw_only=True):
    """The provider returned other credentials than before."""

    api_key: str


class BufferClamped(Event, frozen=True, kw_only=True):
    """`token_refresh_buffer` is more than half of the token's life, so half is used."""

    wanted_ms: float
    used_ms: float


class CacheHit(Event, frozen=True, kw_only=True):
    """A prompt version came from memory; when not `fresh`, it is being renewed meanwhile.

    `prompt` is the name that was asked for, `selector` is `production`, `latest` or a version
    id, `request_id` that of the renewal.
    """

    prompt: str
    selector: str
    fresh: bool
    request_id: str | None = None


class CacheMiss(Event, frozen=True, kw_only=True):
    """A caller begins to wait, in its own task, for the fetch of `request_id`.

    `shared` when the fetch was under way already. `FetchWaited` of the same `call_id` follows.
    """

    call_id: str
    prompt: str
    selector: str
    request_id: str
    shared: bool


class FetchWaited(Event, frozen=True, kw_only=True):
    """A caller has waited for a fetch, and got what `outcome` says.

    It is `fetched`, `stale`, `fallback` or `failed`; then `error` says with what.
    """

    call_id: str
    prompt: str
    selector: str
    request_id: str
    outcome: str
    duration_ms: float
    version_number: int | None = None
    error: str | None = None


class Revalidated(Event, frozen=True, kw_only=True):
    """The service answered for a prompt that is in the cache; `changed` when with another version.

    `not_modified` when it answered a conditional request with 304.
    """

    prompt: str
    selector: str
    changed: bool
    request_id: str
    not_modified: bool = False


class StaleServed(Event, frozen=True, kw_only=True):
    """The last good version was served since the service could not answer."""

    prompt: str
    selector: str
    age_ms: float
    error: str
    request_id: str | None = None


class FallbackUsed(Event, frozen=True, kw_only=True):
    """The caller's fallback was used: neither the service nor a stale copy could answer."""

    prompt: str
    selector: str
    error: str
    request_id: str | None = None


class PrefetchDone(Event, frozen=True, kw_only=True):
    """A prefetch ended; `failed` of its `prompts` could not be fetched."""

    prompts: int
    failed: int
    duration_ms: float
