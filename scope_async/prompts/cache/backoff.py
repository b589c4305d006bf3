"""How long a prompt is not asked for again after the service failed to answer."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from scope_async._core.backoff import equal_jitter
from scope_async._core.bounded_dict import BoundedDict
from scope_async.errors import ApiError, ScopeError
from scope_async.prompts.reference import Key

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0


@attrs.define
class FailureState:
    """Failures in a row for one prompt; not asked again before `retry_at` (monotonic seconds)."""

    failures: int
    retry_at: float
    error: ScopeError

    def is_recent(self, now: float) -> bool:
        """Tell whether a reader may still take it for granted that the service fails."""
        return now < self.retry_at + LONGEST_DELAY


class FailureBackoff:
    """The prompts that the service could not answer for last time; at most `limit` of them.

    The delay grows from 1 s to 60 s, each time between half of it and all of it, so that a
    service that comes back is not asked for everything at once; `Retry-After` wins if longer.
    """

    def __init__(self, *, limit: int, rng: Callable[[], float] = random.random) -> None:
        self._rng = rng
        self._outages: BoundedDict[Key, FailureState] = BoundedDict(limit)
        self._reported: BoundedDict[Key, None] = BoundedDict(limit)

    def find(self, key: Key) -> FailureState | None:
        return self._outages.get(key)

    def record(self, key: Key, error: ScopeError, now: float) -> None:
        """Note a failure."""
        outage = self._outages.get(key)
        if outage is None:
            outage = self._outages[key] = FailureState(0, now, error)
        outage.failures += 1
        outage.error = error
        outage.retry_at = now + self._delay(outage.failures, error)

    def report(self, key: Key) -> bool:
        """Note that somebody is told of it; tell whether that is news since the service last answered."""
        if key in self._reported:
            return False
        self._reported[key] = None
        return True

    def end(self, key: Key) -> bool:
        """Forget the failures of a prompt that the service answered for; tell whether they were reported."""
        self._outages.pop(key, None)
        return self._reported.pop(key, True) is None

    def clear(self) -> None:
        self._outages.clear()
        self._reported.clear()

    def _delay(self, failures: int, error: ScopeError) -> float:
        delay = equal_jitter(failures, base=FIRST_DELAY, cap=LONGEST_DELAY, random=self._rng())
        wanted = error.retry_after if isinstance(error, ApiError) else None
        return delay if wanted is None else max(delay, min(wanted, LONGEST_DELAY))
