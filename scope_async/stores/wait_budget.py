"""How long callers may wait for the store: one budget, whatever a call asks it for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

CALLERS_BUDGET = 0.4
"""Seconds in `_PERIOD`, for all callers together."""

QUICK = 0.1
"""Seconds within which an answer costs none of the budget: with it, half a second for a call."""

LOOK_BUDGET = 0.2
"""Seconds for a look at what another process fetches: the wait before it may have been in vain."""

TOO_LITTLE = 0.05
"""Seconds; a caller with less left does not wait, since the store could not answer in time."""

_PERIOD = 30.0


@attrs.define(eq=False)
class Wait:
    """A wait for one answer; `free` if it cost its caller no time of its own."""

    began_at: float
    free: bool = False


class WaitBudget:
    """What callers have waited for slow answers, and what is left for the next one.

    A call asks for a version, for its token, and for another token after a 401, each in a task that
    it shares with other calls. No deadline goes along with it through all of them: a budget that
    all calls share bounds each of them as well. Waits at the same time cost once.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._waits: dict[Wait, None] = {}
        self._spent: deque[tuple[float, float]] = deque()  # an instant, and the seconds before it

    def left(self) -> float:
        """Return for how many seconds a caller may wait now."""
        now = self._monotonic()
        while self._spent and self._spent[0][0] < now - _PERIOD:
            self._spent.popleft()
        oldest = next(iter(self._waits), None)
        under_way = 0.0 if oldest is None else self._cost(oldest, now)
        return CALLERS_BUDGET - under_way - sum(seconds for _, seconds in self._spent)

    @contextmanager
    def waiting(self) -> Iterator[Wait]:
        """Charge the block to the budget, unless it was quick or is `free` at its end."""
        wait = Wait(self._monotonic())
        self._waits[wait] = None
        try:
            yield wait
        finally:
            self._waits.pop(wait, None)
            now = self._monotonic()
            cost = 0.0 if wait.free else self._cost(wait, now)
            if cost > 0:
                self._spent.append((now, cost))

    def reset(self) -> None:
        """Forget all waits, also those under way."""
        self._waits.clear()
        self._spent.clear()

    def _cost(self, wait: Wait, now: float) -> float:
        """Return the seconds of a wait that have not been charged for another one."""
        if now - wait.began_at <= QUICK:
            return 0.0
        charged_until = self._spent[-1][0] if self._spent else wait.began_at
        return now - max(wait.began_at, charged_until)
