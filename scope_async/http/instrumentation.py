"""Tells the hooks what becomes of each call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from scope_async.errors import ApiError, ScopeError
from scope_async.http.messages import Reply, Request, merge_headers
from scope_async.telemetry.events import (
    Emit,
    Propagator,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
)

Result = TypeVar("Result")


class RequestInstrumentation:
    """Emits one start and one end for each call, whatever becomes of it: also when it is cancelled.

    All of it happens in the task that makes the call, so that a hook finds the caller's
    `contextvars`. What a hook adds to the headers never replaces one of ours, be it of one call or
    of all (`headers`).
    """

    def __init__(self, emit: Emit, *, monotonic: Callable[[], float], headers: Mapping[str, str]) -> None:
        self._emit = emit
        self._inject = emit.inject if isinstance(emit, Propagator) else None
        self._monotonic = monotonic
        self._headers = headers

    async def watch(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        send: Callable[[Callable[[Reply], Result]], Awaitable[Result]],
    ) -> Result:
        """Return what `send` returns; it gets `read`, to be called with every reply.

        Raises:
            ScopeError: what `send` raises.
        """
        started = self._monotonic()
        self._start(request)
        status = 0

        def look(reply: Reply) -> Result:
            nonlocal status
            status = reply.status
            return read(reply)

        try:
            result = await send(look)
        except BaseException as error:
            self._emit(
                RequestFailed(
                    operation=request.operation,
                    request_id=request.request_id,
                    error=type(error).__name__,
                    status=_status_of(error),
                    attempts=request.attempts,
                    duration_ms=(self._monotonic() - started) * 1000,
                )
            )
            raise
        self._emit(
            ResponseReceived(
                operation=request.operation,
                request_id=request.request_id,
                status=status,
                attempts=request.attempts,
                duration_ms=(self._monotonic() - started) * 1000,
            )
        )
        return result

    def _start(self, request: Request) -> None:
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

    def retried(self, request: Request, failure: ScopeError, delay: float) -> None:
        """Tell that the last attempt failed and another one follows after `delay` seconds."""
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


def request_id_of(error: BaseException) -> str | None:
    """Return the id of the request that failed, where the reply named it."""
    return error.request_id if isinstance(error, ApiError) else None


def _status_of(error: BaseException) -> int | None:
    return error.http_status if isinstance(error, ApiError) else None
