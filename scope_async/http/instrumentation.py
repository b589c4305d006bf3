"""Emits telemetry events for each HTTP call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from scope_async.errors import ApiError, ScopeError
from scope_async.http.messages import Reply, Request, merge_headers
from scope_async.http.session import BoundSession
from scope_async.telemetry.events import (
    AttemptWrapper,
    Emit,
    Propagator,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
)

Result = TypeVar("Result")
Send = Callable[[BoundSession, Request], Coroutine[Any, Any, Reply]]


class RequestInstrumentation:
    """Emits one start and one end for each call, however it ends: also when it is cancelled.

    All of it happens in the task that makes the call, so that a hook finds the caller's
    `contextvars`. A header that a hook adds never replaces one of the request or of `headers`,
    which are those of all calls.
    """

    def __init__(self, emit: Emit, *, monotonic: Callable[[], float], headers: Mapping[str, str]) -> None:
        self._emit = emit
        self._inject = emit.inject if isinstance(emit, Propagator) else None
        self._around_attempt = emit.around_attempt if isinstance(emit, AttemptWrapper) else None
        self.monotonic = monotonic
        self._headers = headers

    def observe(self, request: Request) -> ObservedCall:
        """Return a context manager around one call; read every reply through its `read_with`."""
        return ObservedCall(self, request)

    def wrap(self, send: Send) -> Send:
        """Return `send` within what the hooks put around an attempt."""
        around_attempt = self._around_attempt
        if around_attempt is None:
            return send

        async def send_wrapped(bound: BoundSession, request: Request) -> Reply:
            around = around_attempt(request.request_id)
            if around is None:
                return await send(bound, request)
            with around:
                return await send(bound, request)

        return send_wrapped

    def started(self, request: Request) -> None:
        """Report that a call begins, and let the hooks add headers to it."""
        self._emit(
            RequestStarted(
                operation=request.operation,
                request_id=request.request_id,
                method=request.method,
                url=str(request.url),
                template=request.template or request.url.raw_path,
                prompt=request.prompt,
            )
        )
        if self._inject is not None:
            added: dict[str, str] = {}
            self._inject(request.request_id, added)
            if added:
                request.headers = merge_headers(added, self._headers, request.headers)

    def ended(self, request: Request, status: int, error: BaseException | None, *, since: float) -> None:
        """Report that a call which started at the instant `since` ended, in `error` if there is one."""
        duration_ms = (self.monotonic() - since) * 1000
        if error is None:
            self._emit(
                ResponseReceived(
                    operation=request.operation,
                    request_id=request.request_id,
                    status=status,
                    attempts=request.attempts,
                    duration_ms=duration_ms,
                )
            )
            return
        self._emit(
            RequestFailed(
                operation=request.operation,
                request_id=request.request_id,
                error=type(error).__name__,
                status=_status_of(error),
                attempts=request.attempts,
                duration_ms=duration_ms,
            )
        )

    def retried(self, request: Request, failure: ScopeError, delay: float) -> None:
        """Report that the last attempt failed and another one follows after `delay` seconds."""
        self._emit(
            RequestRetried(
                operation=request.operation,
                request_id=request.request_id,
                attempt=request.attempts,
                delay_ms=delay * 1000,
                error=type(failure).__name__,
                status=_status_of(failure),
            )
        )


class ObservedCall:
    """One call from its `RequestStarted` to its `ResponseReceived` or `RequestFailed`."""

    __slots__ = ("_instrumentation", "_request", "_started", "_status")

    def __init__(self, instrumentation: RequestInstrumentation, request: Request) -> None:
        self._instrumentation = instrumentation
        self._request = request
        self._started = 0.0
        self._status = 0

    def read_with(self, read: Callable[[Reply], Result]) -> Callable[[Reply], Result]:
        """Return `read` with a note of each reply's status; the last one is that of the call."""

        def read_and_note(reply: Reply) -> Result:
            self._status = reply.status
            return read(reply)

        return read_and_note

    def __enter__(self) -> Self:
        self._started = self._instrumentation.monotonic()
        self._instrumentation.started(self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._instrumentation.ended(self._request, self._status, error, since=self._started)


def _status_of(error: BaseException) -> int | None:
    return error.http_status if isinstance(error, ApiError) else None
