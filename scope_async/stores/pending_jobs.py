"""Background jobs that are waited for when the client closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from scope_async._core.concurrency.background import Background
from scope_async.errors import ClientClosedError


class PendingJobs:
    """Runs coroutines in the tasks of `background`; used in its event loop alone."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._pending: set[asyncio.Future[None]] = set()

    def add(self, function: Callable[..., Coroutine[Any, Any, object]], *args: object) -> None:
        """Run `function(*args)`; does nothing when the client was closed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                await function(*args)
            finally:
                self._pending.discard(done)
                done.set_result(None)

        self._pending.add(done)
        with suppress(ClientClosedError):
            self._background.spawn(run)

    async def wait(self, *, at_most: float) -> None:
        """Return when all are done, or after `at_most` seconds."""
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=at_most)

    def forget(self) -> None:
        """Forget all of them: their event loop has ended."""
        self._pending = set()
