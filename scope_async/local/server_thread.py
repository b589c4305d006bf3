"""A thread with an event loop of its own, for code that has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from scope_async._core.futures import running_loop

T = TypeVar("T")


class ServerThread:
    """Runs coroutines on an event loop in a daemon thread, until `close`."""

    def __init__(self, name: str) -> None:
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        # A daemon: what is left open must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._loop = self._started.result()

    def _run(self) -> None:
        async def serve() -> None:
            self._started.set_result(asyncio.get_running_loop())
            await self._stop.wait()

        asyncio.run(serve())

    def wait_for(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a coroutine that is made and run on the thread; blocks until then."""
        return self._submit(make).result()

    def call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the same; inside a running event loop, return at once something to await instead.

        An event loop that were blocked could not answer a request that this thread waits for.
        """
        if running_loop() is None:
            return self.wait_for(make)
        # The caller awaits it, as it would await the coroutine of the asynchronous twin.
        return cast("T", asyncio.wrap_future(self._submit(make)))

    def _submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        async def run() -> T:
            return await make()

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Cancel what still runs, and end the thread. Idempotent."""
        if self.is_alive:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
