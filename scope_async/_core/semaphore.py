"""Turns at something that only so many may use at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class FifoSemaphore:
    """At most `limit` at a time; whoever came first is first.

    A turn that is given back goes straight to the first who waits, so that nobody who comes
    later can take it. `asyncio.Semaphore` does the same, and costs every call more.
    Cancelling a waiter loses no turn.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        # Not a deque, in which ten thousand cancelled waiters would be looked for one by one.
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    def take(self) -> bool:
        """Take a turn if one is free; tell whether."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Return when a turn was taken."""
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[given] = None
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():
                self.give_back()
            else:
                self._waiting.pop(given, None)
            raise

    def give_back(self) -> None:
        """End a turn."""
        while self._waiting:
            given, _ = self._waiting.popitem(last=False)
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
