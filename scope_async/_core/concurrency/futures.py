"""Futures that another thread may resolve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

running_loop: Callable[[], asyncio.AbstractEventLoop | None] = asyncio._get_running_loop  # noqa: SLF001 - in its `__all__`
"""Return the event loop that runs in this thread, or None."""


def resolve(future: asyncio.Future[None]) -> None:
    """Resolve `future` unless it is done: at once on its own event loop, soon from anywhere else.

    Does nothing if that loop is closed, since all of its waiters have ended.
    """
    loop = future.get_loop()
    if loop is running_loop():
        if not future.done():
            future.set_result(None)
        return
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(resolve, future)
