"""The tasks that live as long as a client does, independent of the tasks that open and close it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

import anyio.abc

from scope_async._core.clock import SystemClock
from scope_async.errors import ClientClosedError

_logger = logging.getLogger("scope_async")

_monotonic = SystemClock().monotonic

_Job = tuple[Callable[..., Coroutine[Any, Any, Any]], tuple[Any, ...]]
_Cleanup = Callable[[], Awaitable[None]]

_CLEANUP_TIMEOUT = 1.0
"""Seconds for closing what belongs to an event loop that is about to end."""

_UNRESPONSIVE = 2.0
"""Seconds without an answer after which an event loop counts as blocked."""

CHECK_INTERVAL = 0.1
"""Seconds between two looks of a waiter at the event loop that works for it."""


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running event loop of this thread; None without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class HomeLoop:
    """The event loop that a client lives in: one asyncio task there that holds one anyio task group.

    The group is entered and left in this task, so it does not matter which task starts or
    stops it, and an exception of the user's own code is never wrapped in a group. Everything but
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
        self._unstarted: dict[object, Coroutine[Any, Any, None]] = {}
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
        if current_loop() is self.loop:
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
        key = object()
        job = self._unstarted[key] = self._run_job(key, function, args)
        group.start_soon(lambda: job)

    async def _run_job(
        self, key: object, function: Callable[..., Coroutine[Any, Any, Any]], args: tuple[Any, ...]
    ) -> None:
        del self._unstarted[key]
        await function(*args)

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
        return (
            not self._stopping
            and not self.task.done()
            and self.task.cancelling() == 0
            and not (group is not None and group.cancel_scope.cancel_called)
            and self.is_of_this_process
            and self.loop.is_running()
        )

    def check(self) -> bool:
        """Return `usable`, after a look at whether the loop still answers; for waiters of other loops.

        One that is blocked by synchronous code for two seconds is given up: the client moves.
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


class Background:
    """Background tasks with an owner: started and closed from any task, any number of times.

    They run in one event loop, the client's home, whichever loops the callers are in. When that
    one has ended, or is blocked or the parent of a fork, the next `ensure` or `spawn` moves to the
    caller's loop; after `aclose` only `start` does. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._services: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stop_callbacks: list[Callable[[], None]] = []
        self._cleanups: list[_Cleanup] = []
        self._home: HomeLoop | None = None
        self._abandoned: list[HomeLoop] = []
        self._closed = False
        self._lock, self._lock_pid = threading.RLock(), os.getpid()

    @property
    def running(self) -> bool:
        """True while the tasks run, in whichever event loop."""
        home = self._home
        return home is not None and home.usable

    def add_service(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `function` as a long-lived task whenever the background is started. It must not return."""
        self._services.append(function)

    def add_cleanup(self, function: _Cleanup) -> None:
        """Await `function()` in the loop of the tasks when they have ended, for what belongs to that loop."""
        self._cleanups.append(function)

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the tasks have ended or are given up, whatever the reason."""
        self._stop_callbacks.append(callback)

    def start(self) -> None:
        """Start unless running, also after `aclose`; does not wait and does no I/O."""
        self._closed = False
        self.ensure()

    def ensure(self) -> HomeLoop:
        """Start unless running, and return where the tasks run.

        Raises:
            ClientClosedError: closed, and not started since.
            RuntimeError: not running, and there is no event loop to run in.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        home = self._home
        if home is not None and home.usable:
            return home
        asyncio.get_running_loop()
        with self.lock:
            if self._home is not None:
                if self._home.usable:  # another thread was faster
                    return self._home
                self._discard(self._home)
            home = self._home = HomeLoop(on_stopping=self._discard, cleanups=self._cleanups)
            for service in self._services:
                home.spawn(service)
        return home

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> HomeLoop:
        """Run `function(*args)` in the background, in an empty `contextvars.Context`.

        Raises:
            ClientClosedError: closed, and not started since.
            RuntimeError: not running, and there is no event loop to run in.
        """
        while True:
            home = self.ensure()
            try:
                home.spawn(function, *args)
            except RuntimeError:
                if home.usable:
                    raise
            else:
                return home

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the loop of the tasks; does nothing unless they run."""
        home = self._home
        if home is not None and home.usable:
            try:
                home.call_soon(callback)
            except RuntimeError:
                if home.usable:
                    raise

    async def aclose(self, grace: float = 5.0) -> None:
        """Cancel all tasks and wait until they have ended, at most `grace` seconds.

        Idempotent, and correct when called twice at once, from another event loop, or cancelled
        half-way: a later call waits for what is left.
        """
        self._closed = True
        home = self._home
        if home is None:
            return
        if home.is_of_this_process and home.loop.is_running():
            home.stop()
            await self._wait_for(home, grace)
        self._discard(home)

    async def _wait_for(self, home: HomeLoop, grace: float) -> None:
        ended = asyncio.wrap_future(home.finished)
        left = grace
        while not ended.done() and left > 0 and home.loop.is_running():
            await asyncio.wait({ended}, timeout=min(left, CHECK_INTERVAL))
            left -= CHECK_INTERVAL
        if not ended.done() and home.loop.is_running():
            _logger.warning("background tasks did not end within %.1f s of their cancellation", grace)

    def _discard(self, home: HomeLoop) -> None:
        with self.lock:
            if self._home is not home:
                return
            self._home = None
            if home.is_of_this_process:
                home.stop()
            else:
                # Destroying the parent's tasks would run their clean-up a second time here.
                self._abandoned.append(home)
            for callback in self._stop_callbacks:
                callback()

    @property
    def lock(self) -> threading.RLock:
        """The lock of what the threads of a client share; a new one after a fork."""
        if self._lock_pid != os.getpid():
            # Another thread of the parent may have held it at the moment of the fork.
            self._lock, self._lock_pid = threading.RLock(), os.getpid()
        return self._lock
