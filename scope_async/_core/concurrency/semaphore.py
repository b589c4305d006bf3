"""A semaphore that serves its waiters in order of arrival."""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class FifoSemaphore:
    """A FIFO semaphore with `limit` permits.

    A released permit goes straight to the first waiter, so that a later caller cannot take it.
    `asyncio.Semaphore` does the same, and costs every call more. Cancelling a waiter loses no permit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        # In a deque, ten thousand cancelled waiters would be searched for one by one.
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def in_use(self) -> bool:
        """True while a permit is taken."""
        return self._free < self._limit

    def acquire_nowait(self) -> bool:
        """Take a permit if one is free, and return True if so; never waits."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def acquire(self) -> None:
        """Wait for a permit, behind all other waiters; call it after `acquire_nowait` returned False."""
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[permit] = None
        try:
            await permit
        except asyncio.CancelledError:
            if permit.cancelled():
                self._waiters.pop(permit, None)
            else:
                self.release()
            raise

    def release(self) -> None:
        """Give a permit back."""
        while self._waiters:
            permit, _ = self._waiters.popitem(last=False)
            if not permit.done():
                permit.set_result(None)
                return
        self._free += 1
