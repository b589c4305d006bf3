"""Daemon threads for blocking calls.

The shared pools of the application may be full just when a token has to be renewed, and a call
that hangs in one of them would keep the process from ending.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from scope_async._core.tracebacks import drop_frames

Result = TypeVar("Result")


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """Return what `function` returns, run in a new daemon thread.

    Cancelling the caller leaves the thread running. An exception loses its frames: the locals of
    a secret manager's client hold secrets.
    """
    return await asyncio.wrap_future(start_thread(function))


class SharedThread(Generic[Result]):
    """Runs one blocking function, at most once at a time; concurrent callers share the result.

    So a function that hangs holds one thread, however often it is called. A forked child
    starts anew.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._running: Future[Result] | None = None
        self._process = 0

    async def __call__(self) -> Result:
        running = self._running
        if running is None or running.done() or self._process != os.getpid():
            self._running, self._process = running, _ = start_thread(self._function), os.getpid()
        return await asyncio.wrap_future(running)


def start_thread(function: Callable[[], Result]) -> Future[Result]:
    """Run `function` in a new daemon thread and return its future, which cannot be cancelled."""
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()  # from here on no caller's cancellation ends it

    threading.Thread(target=settle, args=(future, function), name="scope-async", daemon=True).start()
    return future


def settle(future: Future[Result], function: Callable[[], Result]) -> None:
    """Set the result or the exception of `function()` on `future`, a `BaseException` included."""
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - raised by the waiter
        drop_frames(error)
        future.set_exception(error)
    else:
        future.set_result(result)
