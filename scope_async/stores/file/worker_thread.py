"""One daemon thread that runs blocking calls in order, for callers of any event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from scope_async._core.concurrency.threads import settle

Result = TypeVar("Result")

_CLOSE_TIMEOUT = 0.5
"""Seconds in which the calls that are waiting may end when the thread is closed."""

_Job = Callable[[], None]


class WorkerThread:
    """Runs blocking functions apart from the event loop and from every shared thread pool.

    A call that hangs holds up this thread alone. Started at the first need, again after a
    fork; a caller that is cancelled or times out before its turn is passed over.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()

    async def run(self, function: Callable[[], Result]) -> Result:
        """Return what `function` returns in the thread, or raise what it raises."""
        future: Future[Result] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                settle(future, function)

        self._ensure()
        self._jobs.put(job)
        return await asyncio.wrap_future(future)

    async def close_with(self, function: Callable[[], object]) -> None:
        """Run `function` last and let the thread end; one that hangs is not waited for."""
        if self._pid != os.getpid():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.run(function)
        self._pid = 0
        self._jobs.put(None)

    def _ensure(self) -> None:
        if self._pid == os.getpid():
            return
        # The queue of a forked process has the parent's waiting calls, and perhaps a held lock.
        jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._jobs = jobs
        self._pid = os.getpid()
        threading.Thread(target=_work, args=(jobs,), name=self._name, daemon=True).start()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
