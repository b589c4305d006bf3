"""How the cost of a request grows with the number of coroutines that make them at once."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks.chart import Axis, Chart, Line
from benchmarks.interleaved import Figure, Measure, Spread, take_turns
from benchmarks.prompt_server import CREDENTIALS, server_process
from scope_async import ScopeClient

NUMBERS = (1, 10, 100, 1_000, 10_000)
OURS, BARE = "scope_async, uncached", "bare aiohttp"


def cost(fetch: Callable[[], Awaitable[object]], coroutines: int, requests: int, made: list[int]) -> Measure:
    """Return a measure of the microseconds of CPU per request, tasks included."""

    async def measure() -> float:
        left = iter(range(requests))
        done = 0

        async def work() -> None:
            nonlocal done
            for _ in left:
                await fetch()
                done += 1

        gc.collect()
        started = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(coroutines):
                group.create_task(work())
        used = time.process_time() - started
        made.append(requests - done)
        return used / requests * 1e6

    return measure


async def growth(*, quick: bool) -> tuple[list[Figure], Chart]:
    """Return CPU time per request for 1 to 10,000 coroutines over 100 connections, and its chart."""
    missing: list[int] = []
    least, rounds = (200, 2) if quick else (5_000, 7)
    numbers = NUMBERS[:-1] if quick else NUMBERS
    with server_process() as url:
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer fixed"}) as session,
            ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope,
        ):

            async def bare() -> Any:
                async with session.get(f"{url}/api/v1/prompts/greeting/production") as response:
                    return json.loads(await response.read())

            fetches = {OURS: lambda: scope.get_prompt_version("greeting", cache=False), BARE: bare}
            measures = {
                f"{number} {name}": cost(fetch, number, max(least, number), missing)
                for number in numbers
                for name, fetch in fetches.items()
            }
            taken = await take_turns(measures, rounds)
            exchanges = scope.tokens.status().exchanges
    spreads = {name: Spread.of(values) for name, values in taken.items()}
    figures = [
        Figure.told(
            f"{number:,} coroutines: CPU time per uncached request",
            spreads[f"{number} {OURS}"],
            "µs",
            digits=0,
            detail=f"bare aiohttp {spreads[f'{number} {BARE}'].show(0)} µs",
        )
        for number in numbers
    ]
    figures += [
        Figure.count("1 to 10,000 coroutines: requests not made", sum(missing), 0, unit="requests"),
        Figure.count("1 to 10,000 coroutines: exchanges", exchanges, 1, unit="exchanges"),
    ]
    lines = [
        Line(name, [(number, spreads[f"{number} {name}"].median) for number in numbers], dots=True)
        for name in fetches
    ]
    return figures, _chart(lines)


def _chart(lines: list[Line]) -> Chart:
    highest = max(value for line in lines for _, value in line.points)
    last = max(number for line in lines for number, _ in line.points)
    return Chart(
        "What a request costs with more and more coroutines",
        Axis("coroutines at once (logarithmic), over 100 connections", 1, last, log=True),
        Axis("CPU time per request (µs)", 0, 1.15 * highest),
        lines,
    )
