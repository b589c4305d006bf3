"""Waits for what happens, not for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Return once `condition()` is true.

    Raises:
        TimeoutError: it was not within a minute.
    """
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
