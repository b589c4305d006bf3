"""What a process costs, when 1 to 64 of them share one FileStore."""

from __future__ import annotations

from benchmarks.harness.fleet import OURS, FleetCalls, run_fleet
from benchmarks.harness.limited_service import limited_service
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stores import FILE, store_urls
from benchmarks.harness.stub_server import new_credentials
from benchmarks.reporting.bar_chart import BarChart

NUMBERS = (1, 4, 16, 64)
LIFETIME = 3.0
PAUSE = 0.25
"""Seconds between two calls of a process: 64 of them share the processors of this machine."""
STAGGER = 0.05
"""Seconds between the beginnings of two processes, which cost the processors more than their calls do."""
NO_LIMIT = 1_000_000


async def process_scaling(*, quick: bool) -> tuple[list[Result], BarChart]:
    """Return exchanges and CPU time of each process, and the chart of the exchanges."""
    numbers, seconds = (NUMBERS[:1], 1.5) if quick else (NUMBERS, 6.0)
    results: list[Result] = []
    points: dict[int, tuple[int, float]] = {}
    for number in numbers:
        made, exchanges = await _run(number, seconds)
        name = f"{_processes(number)} on one {FILE}"
        cpu = made.cpu_seconds / seconds * 100
        points[number] = exchanges, cpu
        results += [
            Result.informative(
                f"{name}: exchanges",
                Spread.exactly(exchanges),
                "exchanges",
                digits=0,
                detail=f"in {seconds:g} s, tokens of {LIFETIME:g} s",
            ),
            Result.informative(
                f"{name}: CPU time of each",
                Spread.exactly(cpu),
                "% of a processor",
                detail=f"{1 / PAUSE:g} uncached calls a second, {made.calls:,} in all",
            ),
            Result.count(f"{name}: failed", made.failed, 0, unit="calls", detail="; ".join(made.errors[:1])),
        ]
    return results, _chart(points, seconds)


async def _run(number: int, seconds: float) -> tuple[FleetCalls, int]:
    with store_urls() as urls:
        async with limited_service(lifetime=LIFETIME, limit=NO_LIMIT) as service:
            made = await run_fleet(
                OURS,
                service.url,
                new_credentials(),
                store=urls[FILE],
                processes=number,
                seconds=seconds,
                pause=PAUSE,
                stagger=STAGGER,
            )
            return made, service.granted


def _chart(points: dict[int, tuple[int, float]], seconds: float) -> BarChart:
    (one, _), (most, _) = points[min(points)], points[max(points)]
    return BarChart(
        f"{max(points)} processes that share a FileStore ask for {most} tokens, one alone for {one}",
        f"exchanges in {seconds:g} s, with tokens of {LIFETIME:g} s; in brackets the CPU time of each",
        {
            f"{_processes(number)} ({cpu:.1f} % of a processor)": float(exchanges)
            for number, (exchanges, cpu) in points.items()
        },
        digits=0,
    )


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"
