"""What a coroutine costs that waits for a token, when 1 to 100,000 of them wait for the same one."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from benchmarks.harness.result import Result, Spread
from benchmarks.reporting.line_chart import Axis, Line, LineChart, decades
from benchmarks.suites.tokens.waiters import HeldExchange, bytes_of_waiters, new_source

NUMBERS = (1, 10, 100, 1_000, 10_000, 100_000)
OURS, BARE = "await get() of a token source", "await wait() of a bare event"

Wait = Callable[[], Awaitable[object]]


async def waiter_scaling(*, quick: bool) -> tuple[list[Result], LineChart]:
    """Return CPU time and memory of each waiter, and the chart of the times."""
    numbers = NUMBERS[:-2] if quick else NUMBERS
    rounds = 1 if quick else 3
    times: dict[str, list[tuple[float, float]]] = {OURS: [], BARE: []}
    results, asked = [], 0
    await _ours_waiting(10)
    for number in numbers:
        # Few waiters take little time, and are measured more often.
        repeats = rounds * max(1, min(40, 1_000 // number))
        gc.collect()
        ours = Spread.of([await _ours_waiting(number) for _ in range(repeats)])
        bare = Spread.of([await _bare_waiting(number) for _ in range(repeats)])
        memory, bare_memory, exchanges = await _memory(number)
        asked = max(asked, exchanges)
        times[OURS].append((number, ours.median))
        times[BARE].append((number, bare.median))
        results += [
            Result.informative(
                f"{number:,} coroutines that wait for one token: CPU time of each",
                ours,
                "µs",
                digits=1,
                detail=f"on a bare event {bare.show(1)} µs",
            ),
            Result.informative(
                f"{number:,} coroutines that wait for one token: memory of each",
                Spread.exactly(memory),
                "bytes",
                digits=0,
                detail=f"on a bare event {bare_memory:,.0f} bytes; its task included",
            ),
        ]
    results.append(Result.count("most exchanges for all that wait together", asked, 1, unit="exchanges"))
    return results, _chart(times)


async def _ours_waiting(number: int) -> float:
    """Return the microseconds of CPU time of each of `number` waiters."""
    held = HeldExchange()
    tokens = new_source(held)
    taken = await _timed(number, tokens.get, held.answer)
    await tokens.aclose()
    return taken


async def _bare_waiting(number: int) -> float:
    event = asyncio.Event()
    return await _timed(number, event.wait, event)


async def _timed(number: int, wait: Wait, answer: asyncio.Event) -> float:
    started = time.thread_time()
    tasks = [asyncio.ensure_future(wait()) for _ in range(number)]
    await asyncio.sleep(0)
    answer.set()
    await asyncio.gather(*tasks)
    return (time.thread_time() - started) / number * 1e6


async def _memory(number: int) -> tuple[float, float, int]:
    """Return the bytes of each waiter, of each on a bare event, and the exchanges that were made."""
    held = HeldExchange()
    async with new_source(held) as tokens:
        ours = await bytes_of_waiters(number, tokens.get)
        return ours, await bytes_of_waiters(number, asyncio.Event().wait), held.asked


def _chart(times: dict[str, list[tuple[float, float]]]) -> LineChart:
    last, cost = times[OURS][-1]
    low, high = decades([value for points in times.values() for _, value in points])
    return LineChart(
        f"One exchange serves {last:,.0f} coroutines, for {cost:.0f} µs of CPU time each",
        Axis("coroutines that wait for the same token (logarithmic)", 1, last, log=True),
        Axis("CPU time of each (µs, logarithmic)", low, high, log=True),
        [Line(name, points, dots=True) for name, points in times.items()],
    )
