"""Exponential backoff with jitter, so that clients which failed together do not return together.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ names the kinds. Every
function takes the number of failures in a row, counted from 1, and returns seconds; `random` is a
random number in [0, 1).
"""

from __future__ import annotations

_MOST_DOUBLINGS = 60
"""More make no difference below any cap, and would overflow a float at last."""


def capped_exponential(failures: int, *, base: float, cap: float) -> float:
    """Return `base`, doubled after each failure, at most `cap`."""
    return min(cap, base * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))


def full_jitter(failures: int, *, base: float, cap: float, random: float) -> float:
    """Return a delay between 0 and the capped exponential one: spreads the load best."""
    return random * capped_exponential(failures, base=base, cap=cap)


def equal_jitter(failures: int, *, base: float, cap: float, random: float) -> float:
    """Return a delay between half of the capped exponential one and all of it: never close to 0."""
    return (0.5 + 0.5 * random) * capped_exponential(failures, base=base, cap=cap)
