"""Measures that take turns, so that a busy moment of the machine falls on all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

Measure = Callable[[], Awaitable[float]]


async def take_turns(measures: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return what each measure says in each of `rounds` rounds; the first round is thrown away.

    Every other round goes backwards, so that none is always measured after the same other one.
    """
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name in list(measures)[:: -1 if number % 2 else 1]:
            value = await measures[name]()
            if number:
                taken[name].append(value)
    return taken
