"""A thread with an event loop of its own, for code that has none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from scope_async._core.concurrency.futures import running_loop
from scope_async._core.concurrency.loop_thread import LoopThread

T = TypeVar("T")


class ServerThread:
    """Runs coroutines for callers with and without an event loop, until `close`."""

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name)
        self.is_open = True

    def wait_for(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a coroutine that is made and run on the thread; blocks until then.

        Raises:
            RuntimeError: the thread was closed.
        """
        self._check_open()
        return self._thread.submit(make).result()

    def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the same; inside a running event loop, return at once something to await instead.

        An event loop that were blocked could not answer a request that this thread waits for.
        """
        if running_loop() is None:
            return self.wait_for(make)
        self._check_open()
        # The caller awaits it, as it would await the coroutine of the asynchronous twin.
        return cast("T", asyncio.wrap_future(self._thread.submit(make)))

    def close(self) -> None:
        """Cancel what still runs, and end the thread. Idempotent."""
        self.is_open = False
        self._thread.close()

    def _check_open(self) -> None:
        if not self.is_open:
            raise RuntimeError("this thread was closed")
