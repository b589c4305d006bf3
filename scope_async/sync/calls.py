"""How a synchronous client runs the coroutines of its asynchronous one, and waits for them."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import aiohttp

from scope_async.errors import ClientClosedError, ConfigurationError, TimeoutError
from scope_async.sync.loop_thread import LOOP_THREAD, Closable

Result = TypeVar("Result")
Item = TypeVar("Item")

_STUCK_AFTER = 0.5
"""Seconds without an answer of the event loop, beyond a call's `timeout`, after which it counts as stuck."""

_END = object()


def in_event_loop() -> bool:
    """Return True if this thread runs an event loop, which waiting would block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def refuse_session(session: aiohttp.ClientSession | None) -> None:
    """Raise if there is a session: it could not be used in the loop's thread.

    Raises:
        ConfigurationError: there is one.
    """
    if session is not None:
        raise ConfigurationError(
            "session: an aiohttp session belongs to the event loop that it was made in; "
            "the synchronous client has sessions of its own"
        )


class ClientCalls:
    """Runs calls of `client` in the loop's thread; hooks see the caller's `contextvars` there.

    The call itself keeps to `timeout` seconds. Its caller counts them too, and gives up when they
    are over and the loop is stuck. A caller that is interrupted stops waiting at once, and its call
    is cancelled.
    """

    def __init__(self, client: Closable, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    def run(
        self,
        call: Callable[[], Coroutine[Any, Any, Result]],
        wait: Callable[[concurrent.futures.Future[Any], float], bool] | None = None,
    ) -> Result:
        """Return what the coroutine of `call` returns, or raise what it raises.

        `wait` is how this thread waits some seconds for the call to be done.

        Raises:
            ConfigurationError: this thread runs an event loop.
            TimeoutError: `timeout` is over, and the loop's thread is stuck.
            ClientClosedError: the client was closed meanwhile.
        """
        if in_event_loop():
            raise ConfigurationError(
                "this call would have to wait, and would block the event loop that runs in this thread: "
                "use scope_async.ScopeClient there, or a thread (asyncio.to_thread)"
            )
        future = self.submit(call)
        try:
            return self._outcome(future, wait or _done)
        except concurrent.futures.CancelledError as error:
            raise ClientClosedError("the client was closed while the call was waiting") from error
        except BaseException:
            future.cancel()
            raise

    def submit(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> concurrent.futures.Future[Result]:
        """Run a call without waiting for it."""
        return LOOP_THREAD.submit(self._client, call)

    def iterate(self, items: AsyncIterator[Item]) -> Iterator[Item]:
        """Yield the items, each asked for when it is needed.

        Raises:
            ScopeError: as `run`, and what the iterator raises.
        """

        async def following() -> Any:
            return await anext(items, _END)

        while (item := self.run(following)) is not _END:
            yield item

    def close(self) -> None:
        """Close the client, and wait for that; inside a running event loop without waiting."""
        if in_event_loop():
            self.submit(self._close)
        else:
            self.run(self._close)

    async def _close(self) -> None:
        await self._client.aclose()
        LOOP_THREAD.forget(self._client)

    def _outcome(
        self,
        future: concurrent.futures.Future[Result],
        wait: Callable[[concurrent.futures.Future[Any], float], bool],
    ) -> Result:
        timeout = self._timeout
        while not wait(future, timeout):
            timeout = _STUCK_AFTER
            if not LOOP_THREAD.answers(timeout) and not future.done():
                raise TimeoutError(
                    f"no answer within {self._timeout:g} s: the thread of the event loop is stuck"
                )
        return future.result()


def _done(future: concurrent.futures.Future[Any], timeout: float) -> bool:
    # Not `result`: a call may fail with a TimeoutError of its own.
    with suppress(builtins.TimeoutError):
        future.exception(timeout)
        return True
    return False
