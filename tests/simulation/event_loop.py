"""An event loop whose time jumps to the next timer.

`looptime` from the package index does not fit: it polls the real selector 42 times before every
jump and counts time in whole microseconds. A month of a thousand clients is millions of timers, so
a jump has to be free.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """A selector that returns at once and adds the timeout to `now`; no file is ever ready."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits and there is no timer")
        if timeout > 0:
            self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order without waiting; `time()` is in simulated seconds from 0.

    It supports no sockets, threads or subprocesses, which would have to wake it from outside.
    """

    def __init__(self) -> None:
        self._selector = _JumpingSelector()
        super().__init__(self._selector)
        # Adding floats for a month accumulates an error above the nanosecond of a real clock.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._selector.now
