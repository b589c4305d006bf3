"""Runs a coroutine in the event loop that the client lives in, called from any other one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.futures import resolve, running_loop
from scope_async._core.concurrency.home_loop import CHECK_INTERVAL, HomeLoop

Result = TypeVar("Result")

_MAX_MOVES = 10


def run_at_home(
    background: Background, function: Callable[[], Coroutine[Any, Any, Result]]
) -> Coroutine[Any, Any, Result]:
    """Return (when awaited) the result of `function()`, awaited in the loop of `background`.

    It must be safe to repeat. Call this in the event loop that awaits it.

    It has the caller's `contextvars`. Cancelling the caller cancels this call alone. When that loop
    ends, is blocked or never comes back, the call is made again in the caller's own one.

    Raises:
        ClientClosedError: the background was closed.
    """
    # Not a coroutine itself: nearly every caller is at home.
    if background.ensure().loop is running_loop():
        return function()
    return _run_elsewhere(background, function)


async def _run_elsewhere(
    background: Background, function: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    for _ in range(_MAX_MOVES):
        home = background.ensure()
        if home.loop is running_loop():
            break
        call = _RemoteCall(home, function)
        task = await call.ended()
        if task is not None:
            return task.result()
    return await function()


class _RemoteCall(Generic[Result]):
    """One call in another event loop than its caller's."""

    def __init__(self, home: HomeLoop, function: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._home = home
        self._function = function
        self._context = copy_context()
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[Result] | None = None
        self._cancelled = False

    async def ended(self) -> asyncio.Task[Result] | None:
        """Return the task when it is done; None if it ended with its event loop."""
        if not self._call_at_home(self._start):
            return None
        try:
            while not self._answered.done():
                await asyncio.wait({self._answered}, timeout=CHECK_INTERVAL)
                if not self._answered.done() and not self._home.check():
                    break
        finally:
            if not self._answered.done():
                self._cancelled = True
                self._call_at_home(self._cancel)
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        # An error is no outcome if the loop was ending: the call is made again.
        return task if task.exception() is None or self._home.usable else None

    def _call_at_home(self, callback: Callable[[], None]) -> bool:
        """Return False if the loop was closed."""
        try:
            self._home.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

    def _start(self) -> None:
        # A task that begins in a loop which is cancelling its tasks would never end.
        if self._cancelled or not self._home.usable:
            resolve(self._answered)
            return
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._function(), context=self._context)
        self._task.add_done_callback(self._answer)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _answer(self, task: asyncio.Task[Result]) -> None:
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio logs nothing if the caller was cancelled
        resolve(self._answered)
