"""`HomeLoop`: the event loop that a client lives in, and the tasks in it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

from scope_async._core.clock import SystemClock
from scope_async._core.concurrency.futures import running_loop
from scope_async._core.foreign import ENDINGS

if TYPE_CHECKING:
    import anyio.abc

_logger = logging.getLogger("scope_async")

_monotonic = SystemClock().monotonic

_Job = tuple[Callable[..., Coroutine[Any, Any, Any]], tuple[Any, ...]]
_Cleanup = Callable[[], Awaitable[None]]

_CLEANUP_TIMEOUT = 1.0
"""Seconds for the clean-up in an event loop that is about to end."""

_UNRESPONSIVE = 2.0
"""Seconds without an answer after which an event loop counts as blocked."""

CHECK_INTERVAL = 0.1
"""Seconds between two looks of a waiter at the event loop that works for it."""


class HomeLoop:
    """The event loop that a client lives in: one asyncio task there that holds one anyio task group.

    The group is entered and left in this task, so any task may start or stop it, and an
    exception of the user's own code is never wrapped in a group. Everything but
    the constructor may be called from any thread.
    """

    def __init__(self, *, on_stopping: Callable[[HomeLoop], None], cleanups: list[_Cleanup]) -> None:
        self._pid = os.getpid()
        self.loop = asyncio.get_running_loop()
        self._on_stopping = on_stopping
        self._cleanups = cleanups
        self._stop = asyncio.Event()
        self._stopping = False
        self._waiting: list[_Job] = []
        self._group: anyio.abc.TaskGroup | None = None
        self._numbers = count(1)
        self._unstarted: dict[int, Coroutine[Any, Any, None]] = {}
        self._unanswered_since: float | None = None
        self.finished: concurrent.futures.Future[None] = concurrent.futures.Future()
        # An empty context: background work belongs to no request, so it must not
        # inherit the trace or the transaction of the caller that happened to come first.
        self.task = self.loop.create_task(self._run(), name="scope-async", context=Context())
        self.task.add_done_callback(self._finish)

    async def _run(self) -> None:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                while self._waiting:
                    self._start(group, *self._waiting.pop(0))
                await self._stop.wait()
                group.cancel_scope.cancel()
        finally:
            self._stopping = True
            for job in self._unstarted.values():
                job.close()  # anyio leaves a task that is cancelled before its first step with a warning
            # First, so that waiters of other loops need not wait for the rest.
            self._on_stopping(self)
            with anyio.move_on_after(_CLEANUP_TIMEOUT, shield=True):
                for cleanup in self._cleanups:
                    await cleanup()

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._stopping = True
        self._on_stopping(self)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("the background tasks of a client ended: %r", error, exc_info=error)
        if not self.finished.done():
            self.finished.set_result(None)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run `function(*args)` in this loop, in an empty `contextvars.Context`.

        Raises:
            RuntimeError: the loop is closed.
        """
        self.call_soon(self._spawn, function, *args)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback(*args)` in this loop: at once in its own thread, else as soon as it can.

        Raises:
            RuntimeError: the loop is closed.
        """
        if running_loop() is self.loop:
            callback(*args)
        else:
            self.loop.call_soon_threadsafe(callback, *args)

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        if self._group is None:
            self._waiting.append((function, args))
        elif not self._stopping:
            Context().run(self._start, self._group, function, args)

    def _start(
        self,
        group: anyio.abc.TaskGroup,
        function: Callable[..., Coroutine[Any, Any, Any]],
        args: tuple[Any, ...],
    ) -> None:
        number = next(self._numbers)
        job = self._unstarted[number] = self._run_job(number, function, args)
        name = getattr(function, "__qualname__", type(function).__qualname__)
        group.start_soon(lambda: job, name=f"scope-async {name} {number}")

    async def _run_job(
        self, number: int, function: Callable[..., Coroutine[Any, Any, Any]], args: tuple[Any, ...]
    ) -> None:
        del self._unstarted[number]
        try:
            await function(*args)
        except ENDINGS:
            raise
        except BaseException:
            # Logged, so that a task that fails leaves the others alone.
            _logger.exception("a background task of a client failed")

    def stop(self) -> None:
        """Cancel all tasks; does not wait."""
        self._stopping = True
        if self.is_of_this_process and not self.loop.is_closed():
            self.call_soon(self._stop.set)

    @property
    def is_of_this_process(self) -> bool:
        """False after a fork, in the child."""
        return self._pid == os.getpid()

    @property
    def usable(self) -> bool:
        """False when stopped, cancelled or blocked, after a fork, and when the loop does not run."""
        group = self._group
        return not (
            self._stopping  # set before the task is done, unless it was cancelled
            or self.task.cancelling()
            or (group is not None and group.cancel_scope.cancel_called)
            or self._pid != os.getpid()
            or not self.loop.is_running()
        )

    def check(self) -> bool:
        """Return True if the loop is usable and still answers; for waiters in other loops.

        A loop that synchronous code blocks for two seconds is abandoned: the client moves to another.
        """
        if not self.usable:
            return False
        if self._unanswered_since is None:
            self._unanswered_since = _monotonic()
            try:
                self.loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return False
        elif _monotonic() - self._unanswered_since > _UNRESPONSIVE:
            self.stop()
        return self.usable

    def _answer(self) -> None:
        self._unanswered_since = None
