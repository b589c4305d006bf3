"""The clocks of one simulated machine."""

from __future__ import annotations

import asyncio
from random import Random

from tests.simulation.event_loop import VirtualLoop


class MachineClock:
    """A `Clock` on the loop's time that sleeps in one piece.

    `SystemClock` sleeps in slices of 30 s, which would be a wake-up every 30 s of a month for every
    client. This clock keeps their promise without them: when the wall clock jumps ahead, every sleep
    ends within 30 s.

    Attributes:
        suspended: seconds in which the machine was suspended while the servers' time went on.
    """

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self._loop = loop
        self._random = random
        self._ahead = 1.7e9 + random.uniform(-1e6, 1e6)
        self._sleepers: set[asyncio.Future[None]] = set()
        self.monotonic = loop.time
        self.suspended = 0.0

    def time(self) -> float:
        return self._loop.time() + self._ahead

    async def sleep(self, seconds: float) -> None:
        woken = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, woken)
        self._sleepers.add(woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._sleepers.discard(woken)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, in either direction."""
        self._ahead += seconds
        if seconds > 0:
            self._loop.call_later(self._random.uniform(0.0, 30.0), self._wake_all, [*self._sleepers])

    def suspend(self, seconds: float) -> None:
        """Suspend the machine: `seconds` pass for the servers and on the wall clock only."""
        self.suspended += seconds
        self.step_wall(seconds)

    def _wake_all(self, sleepers: list[asyncio.Future[None]]) -> None:
        for woken in sleepers:
            _wake(woken)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
