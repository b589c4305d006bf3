"""The one place that reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from scope_async._core.concurrency.futures import resolve

SLICE = 30.0
"""Longest single sleep, in seconds: what a suspended machine oversleeps at most."""

_SUSPENDED = 1.0
"""How far the wall clock runs ahead, in seconds, before that is taken for a suspension."""


class Clock(Protocol):
    """A clock with two ways to tell the time, and a sleep.

    Durations and deadlines are only ever computed from `monotonic`; `time` is for
    dates that people read and for noticing that the machine was suspended.
    """

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def time(self) -> float:
        """Seconds since the Unix epoch; may be stepped in either direction."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, or within 30 s of the machine's return from suspension."""
        ...


def boot_time() -> float:
    """Return the seconds since the machine started, suspended ones included; Linux only.

    The one clock that all processes of a machine share and that is never stepped.
    """
    if sys.platform != "linux":
        raise OSError(f"{sys.platform} has no CLOCK_BOOTTIME")
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SuspendDetector:
    """Detects that the machine was suspended since the detector was made.

    Its wall clock went on then and its monotonic one stood still. A wall clock that was
    stepped forward looks the same.
    """

    __slots__ = ("_ahead", "_clock")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = clock.time() - clock.monotonic()

    def suspended(self) -> bool:
        """Return True if the wall clock ran ahead of the monotonic one by more than a second."""
        return self._clock.time() - self._clock.monotonic() - self._ahead > _SUSPENDED


class SystemClock:
    """The machine's own clocks.

    The loop's timers stand still with the monotonic clock while a machine is suspended,
    so a long sleep goes in slices: when the wall clock ran ahead of the monotonic one
    during a slice, the sleep ends and its caller looks at the time again. A wall clock
    that was stepped forward looks the same; that costs one early look and nothing else.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.monotonic = monotonic
        self.time = wall
        self._sleep = sleep

    async def sleep(self, seconds: float) -> None:
        deadline = self.monotonic() + seconds
        while True:
            started, started_wall = self.monotonic(), self.time()
            await self._sleep(max(0.0, min(deadline - started, SLICE)))
            now = self.monotonic()
            overslept = (self.time() - started_wall) - (now - started)
            if now >= deadline or overslept > _SUSPENDED:
                return


class FakeClock:
    """A clock that can be moved: real time plus what `advance` added.

    For tests, and for Local Scope: one instance shared by a server and its clients lets
    an hour pass in a millisecond. With `ticking=False` it stands still between moves.
    It can be moved and slept on from several threads.
    """

    def __init__(self, *, ticking: bool = True) -> None:
        self._ticking = ticking
        self._wall_start = time.time()
        self._real_start = time.monotonic()
        self._moved = 0.0
        self._stepped = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self._moved + (time.monotonic() - self._real_start if self._ticking else 0.0)

    def time(self) -> float:
        return self._wall_start + self._stepped + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        with self._lock:
            heappush(self._sleepers, (self.monotonic() + seconds, next(self._order), woken))
        timer = loop.call_later(seconds, self._ring, woken) if self._ticking else None
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once and wake every sleep that is due by then.

        Raises:
            ValueError: `seconds` is negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"time only goes forward, got {seconds!r} seconds")
        with self._lock:
            self._moved += seconds
        self._wake_due()

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, in either direction, as an administrator or NTP does."""
        self._stepped += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: the wall clock goes on, the monotonic one stands still.

        Every sleep ends at once, which is within the slice that `Clock.sleep` promises.
        """
        self._stepped += seconds
        self._wake(before=float("inf"))

    def _ring(self, woken: asyncio.Future[None]) -> None:
        # Not by the deadline: a loop counts time more coarsely than the clock (uvloop in
        # milliseconds), and a sleep whose only timer fired a hair too early would never end.
        if not woken.done():
            woken.set_result(None)
        self._wake_due()

    def _wake_due(self) -> None:
        self._wake(before=self.monotonic())

    def _wake(self, before: float) -> None:
        due: list[asyncio.Future[None]] = []
        with self._lock:
            while self._sleepers and self._sleepers[0][0] <= before:
                due.append(heappop(self._sleepers)[2])
        for woken in due:
            resolve(woken)
