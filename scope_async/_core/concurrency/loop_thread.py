"""A daemon thread with an event loop, in which connections outlive the loops of their callers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from scope_async._core.concurrency.fork_pause import pause_while_forking

Result = TypeVar("Result")

_CLOSE_TIMEOUT = 1.0
"""Seconds for the connections to close when the thread is closed."""


class LoopThread:
    """Runs coroutines in one event loop, whatever loop asks for them.

    Connections belong to the event loop that opened them; here they outlive the callers' loops.
    Started at the first use, again after a fork; a daemon thread, so that the process can end while
    connections are open. Cancelling a caller cancels its coroutine.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # The parent's loop is neither used nor closed in a child: its sockets are the parent's.
        self._abandoned: list[asyncio.AbstractEventLoop] = []

    @property
    def is_running(self) -> bool:
        return self._loop is not None and self._pid == os.getpid()

    async def run(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of `call()`, awaited in the thread, or raise its exception."""
        return await asyncio.wrap_future(self.submit(call))

    def submit(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> Future[Result]:
        """Start `call()` in the thread; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(call_in_loop(call), self._ensure())

    async def close_with(self, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Cancel the running coroutines, await `call()` last, and end the thread."""
        if not self.is_running or self._loop is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.run(partial(_finish, call))
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(loop.stop)

    def close(self) -> None:
        """Cancel the running coroutines, and return when the thread has ended. Idempotent."""
        if not self.is_running or self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()

    def _ensure(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None and self._pid == os.getpid():
            return self._loop
        if self._loop is not None:
            self._abandoned.append(self._loop)
        self._loop = loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=_serve, args=(loop,), name=self._name, daemon=True)
        pause_while_forking(loop, self._thread)
        self._thread.start()
        return loop


async def call_in_loop(call: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Return the result of `call()`, awaited in this loop, or raise its exception.

    A call that fails after it was cancelled counts as cancelled: its caller has stopped waiting, and
    asyncio would log the exception as never retrieved.
    """
    try:
        return await call()
    except Exception:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from None
        raise


async def _finish(call: Callable[[], Coroutine[Any, Any, object]]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await call()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        # What was cancelled may start to close its connections.
        while left := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
