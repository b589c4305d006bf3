"""Which prompts the service failed for, and when it may be asked for them again."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from scope_async._core.backoff import equal_jitter
from scope_async._core.bounded_dict import BoundedDict
from scope_async.errors import ApiError, ScopeError
from scope_async.prompts.reference import Key

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0


class FailureState(msgspec.Struct, frozen=True):
    """Failures in a row for one prompt, the last at `failed_at`; not asked again before `retry_at`.

    Both are monotonic seconds.
    """

    failures: int
    retry_at: float
    error: ScopeError
    failed_at: float = float("-inf")


class FailureBackoff:
    """The failures of at most `limit` prompts, the oldest of which go first.

    The delay grows from 1 s to 60 s, each time between half of it and all of it, so that a
    service that recovers is not asked for everything at once; a longer `Retry-After` wins, up to
    60 s.
    """

    def __init__(self, *, limit: int, rng: Callable[[], float] = random.random) -> None:
        self._rng = rng
        self._states: BoundedDict[Key, FailureState] = BoundedDict(limit)

    def get(self, key: Key) -> FailureState | None:
        """Return the failures since the service last answered for `key`; None if there are none."""
        return self._states.get(key)

    def failing(self) -> list[Key]:
        """Return the prompts that the service has failed for since it last answered; for any thread."""
        return list(self._states)

    def record_failure(self, key: Key, error: ScopeError, now: float) -> None:
        """Count a failure, and begin the next delay."""
        state = self._states.get(key)
        failures = 1 if state is None else state.failures + 1
        self._states[key] = FailureState(failures, now + self._delay(failures, error), error, now)

    def record_answer(self, key: Key) -> None:
        """Forget the failures of a prompt."""
        self._states.pop(key, None)

    def clear(self) -> None:
        """Forget all failures."""
        self._states.clear()

    def _delay(self, failures: int, error: ScopeError) -> float:
        delay = equal_jitter(failures, base=FIRST_DELAY, cap=LONGEST_DELAY, random=self._rng())
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        return delay if retry_after is None else max(delay, min(retry_after, LONGEST_DELAY))
