"""How the cost of a request grows with the number of coroutines that make them at once."""

from __future__ import annotations

from benchmarks.harness.closed_loop import Fetch, bare_fetch, bare_session, cost
from benchmarks.harness.interleave import interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, SAME, server_process
from benchmarks.reporting.line_chart import Axis, Line, LineChart
from scope_async import ScopeClient

NUMBERS = (1, 10, 100, 1_000, 10_000)
OURS, BARE = "scope_async, uncached", "bare aiohttp"


async def coroutine_scaling(*, quick: bool) -> tuple[list[Result], LineChart]:
    """Return CPU time per request for 1 to 10,000 coroutines over 100 connections, and its chart."""
    least, rounds = (200, 2) if quick else (5_000, 5)
    numbers = NUMBERS[:-1] if quick else NUMBERS
    with server_process() as url:
        async with (
            bare_session() as session,
            ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope,
        ):
            fetches: dict[str, Fetch] = {
                OURS: lambda: scope.get_prompt_version(SAME, cache=False),
                BARE: bare_fetch(session, url, SAME),
            }
            measures = {
                f"{number} {name}": cost(fetch, number, max(least, number))
                for number in numbers
                for name, fetch in fetches.items()
            }
            taken = await interleave(measures, rounds)
            exchanges = scope.tokens.status().exchanges
    spreads = {name: Spread.of(values) for name, values in taken.items()}
    results = [
        Result.informative(
            f"{number:,} coroutines: CPU time per uncached request",
            spreads[f"{number} {OURS}"],
            "µs",
            digits=0,
            detail=f"bare aiohttp {spreads[f'{number} {BARE}'].show(0)} µs",
        )
        for number in numbers
    ]
    results.append(Result.count("1 to 10,000 coroutines: exchanges", exchanges, 1, unit="exchanges"))
    lines = [
        Line(name, [(number, spreads[f"{number} {name}"].median) for number in numbers], dots=True)
        for name in fetches
    ]
    return results, _chart(lines)


def _chart(lines: list[Line]) -> LineChart:
    highest = max(value for line in lines for _, value in line.points)
    last = max(number for line in lines for number, _ in line.points)
    return LineChart(
        "What a request costs with more and more coroutines",
        Axis("coroutines at once (logarithmic), over 100 connections", 1, last, log=True),
        Axis("CPU time per request (µs)", 0, 1.15 * highest),
        lines,
    )
