"""The tasks that live as long as a client does, independent of the tasks that open and close it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import anyio.abc

from scope_async.errors import ClientClosedError

_logger = logging.getLogger("scope_async")

_Job = tuple[Callable[..., Coroutine[Any, Any, Any]], tuple[Any, ...]]


async def _run_job(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
    """Run one of the tasks; what it raises is logged, and leaves the others alone."""
    try:
        await function(*args)
    except Exception:
        _logger.exception("a background task of a client failed")


class _TaskGroupRunner:
    """One asyncio task that holds one anyio task group.

    The group is entered and left in this task, so it does not matter which task starts or
    stops it, and an exception of the user's own code is never wrapped in a group.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._waiting: list[_Job] = []
        self._group: anyio.abc.TaskGroup | None = None
        # An empty context: background work belongs to no request, so it must not
        # inherit the trace or the transaction of the caller that happened to come first.
        self.task = self.loop.create_task(self._run(), name="scope-async", context=Context())
        self.task.add_done_callback(_report)

    async def _run(self) -> None:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                while self._waiting:
                    function, args = self._waiting.pop(0)
                    group.start_soon(_run_job, function, *args)
                await self._stop.wait()
                group.cancel_scope.cancel()
        finally:
            self._stop.set()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        if self._group is None:
            self._waiting.append((function, args))
        else:
            group = self._group
            Context().run(lambda: group.start_soon(_run_job, function, *args))

    def stop(self) -> None:
        self._stop.set()

    @property
    def usable(self) -> bool:
        """False when stopped or cancelled, after a fork, and in another event loop."""
        group = self._group
        return (
            not self._stop.is_set()
            and not self.task.done()
            and self.task.cancelling() == 0
            and not (group is not None and group.cancel_scope.cancel_called)
            and self.pid == os.getpid()
            and self.loop is asyncio.get_running_loop()
        )


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("the background tasks of a client ended: %r", error, exc_info=error)


class Background:
    """Background tasks with an owner: started and closed from any task, any number of times.

    When the tasks were cancelled from outside, or belong to a closed event loop or to the parent
    of a fork, the next `ensure` or `spawn` starts anew; after `aclose` only `start` does.
    """

    def __init__(self) -> None:
        self._services: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stop_callbacks: list[Callable[[], None]] = []
        self._runner: _TaskGroupRunner | None = None
        self._abandoned: list[_TaskGroupRunner] = []
        self._closed = False

    @property
    def running(self) -> bool:
        """True while the tasks run in the current event loop; call it from a running loop."""
        return self._runner is not None and self._runner.usable

    def add_service(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `function` as a long-lived task whenever the background is started. It must not return."""
        self._services.append(function)

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the tasks have ended or are given up, whatever the reason."""
        self._stop_callbacks.append(callback)

    def start(self) -> None:
        """Start unless running, also after `aclose`; does not wait and does no I/O."""
        self._closed = False
        self.ensure()

    def ensure(self) -> None:
        """Start unless running.

        Raises:
            ClientClosedError: closed, and not started since.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        if self.running:
            return
        if self._runner is not None:
            self._discard(self._runner)
        self._runner = runner = _TaskGroupRunner()
        runner.task.add_done_callback(lambda _: self._discard(runner))
        for service in self._services:
            runner.spawn(service)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Run `function(*args)` in the background, in an empty `contextvars.Context`.

        Raises:
            ClientClosedError: closed, and not started since.
        """
        self.ensure()
        assert self._runner is not None  # noqa: S101 - ensure has just set it
        self._runner.spawn(function, *args)

    async def aclose(self, grace: float = 5.0) -> None:
        """Cancel all tasks and wait until they have ended, at most `grace` seconds.

        Idempotent, and correct when called twice at once or cancelled half-way: a later
        call waits for what is left.
        """
        self._closed = True
        runner = self._runner
        if runner is None:
            return
        if runner.pid == os.getpid() and runner.loop is asyncio.get_running_loop():
            runner.stop()
            await asyncio.wait({runner.task}, timeout=grace)
            if not runner.task.done():
                _logger.warning("background tasks did not end within %.1f s of their cancellation", grace)
        self._discard(runner)

    def _discard(self, runner: _TaskGroupRunner) -> None:
        if self._runner is not runner:
            return
        self._runner = None
        if runner.pid != os.getpid():
            # Destroying the parent's tasks would run their clean-up a second time here.
            self._abandoned.append(runner)
        for callback in self._stop_callbacks:
            callback()
