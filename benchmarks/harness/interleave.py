"""Interleaves measurements, so that a busy moment of the machine affects all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

Measure = Callable[[], Awaitable[float]]


async def interleave(measures: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return the values of each measure in `rounds` rounds, after a warm-up round that is discarded.

    Every other round is reversed, so that no measure always follows the same other one.
    """
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name in list(measures)[:: -1 if number % 2 else 1]:
            value = await measures[name]()
            if number:
                taken[name].append(value)
    return taken
