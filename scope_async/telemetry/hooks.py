"""What a hook is, and what it may do besides taking events."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from scope_async.telemetry.event import Event


class Hook(Protocol):
    """Anything that takes one event, in the task that it happens in.

    A coroutine it returns runs in the background. A hook may have the methods of `Propagator`,
    `AttemptWrapper` and `PerClientHook` as well.
    """

    def __call__(self, event: Event, /) -> Coroutine[Any, Any, None] | None: ...


@runtime_checkable
class Propagator(Protocol):
    """A hook that also adds headers to requests, such as `traceparent`.

    Called right after the `RequestStarted` of `request_id`, with headers to add to. The client's
    own headers cannot be replaced.
    """

    def inject(self, request_id: str, headers: dict[str, str], /) -> None: ...


@runtime_checkable
class AttemptWrapper(Protocol):
    """A hook that also wraps each attempt of a call, such as to make its span the current one.

    The context manager is entered before a request is sent, a replay after a 401 included, and left
    when its reply was read, in the task that sends it. None wraps nothing.
    """

    def around_attempt(self, request_id: str, /) -> AbstractContextManager[object] | None: ...


@runtime_checkable
class PerClientHook(Protocol):
    """A hook that has a state for each client; the client calls what `for_client` returns instead."""

    def for_client(self, *, base_url: str, environment: str) -> Hook: ...


class Emit(Protocol):
    """How the parts of the client report an event; returns at once and never raises."""

    def __call__(self, event: Event, /) -> None: ...
