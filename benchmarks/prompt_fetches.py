"""What an uncached fetch costs beyond bare aiohttp, client and server in separate processes."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import anyio
import attrs
from anyio import to_thread

from benchmarks.interleaved import Figure, Spread, take_turns
from benchmarks.prompt_peers import official_sdk
from benchmarks.prompt_server import CREDENTIALS, server_process
from scope_async import ScopeClient

AT_ONCE = 50
THREADS = 16
OURS = "scope_async, the same answer"
CHANGING = "scope_async, an answer that changes"
BARE = "bare aiohttp"
BARE_CHANGING = "bare aiohttp, an answer that changes"
OFFICIAL = "scope_client, 16 threads"


@attrs.define
class Load:
    """Runs a fetch `requests` times, 50 at once, and notes requests per second and CPU time."""

    fetch: Callable[[], Awaitable[object]]
    requests: int
    cpu: list[float] = attrs.field(factory=list)

    async def __call__(self) -> float:
        left = iter(range(self.requests))

        async def work() -> None:
            for _ in left:
                await self.fetch()

        gc.collect()
        started, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(work)
        self.cpu.append((time.process_time() - cpu) / self.requests * 1e6)
        return self.requests / (time.perf_counter() - started)


async def fetches(*, rounds: int, requests: int) -> list[Figure]:
    """Return the figures of uncached fetches: throughput next to bare aiohttp's, and CPU time."""
    with server_process() as url:
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer fixed"}) as session,
            ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope,
        ):

            async def bare(name: str) -> Any:
                async with session.get(f"{url}/api/v1/prompts/{name}/production") as response:
                    return json.loads(await response.read())

            loads = {
                BARE: Load(lambda: bare("greeting"), requests),
                OURS: Load(lambda: scope.get_prompt_version("greeting", cache=False), requests),
                BARE_CHANGING: Load(lambda: bare("changing"), requests),
                CHANGING: Load(lambda: scope.get_prompt_version("changing", cache=False), requests),
            }
            speeds = await take_turns(loads, rounds)
        official = await _official(url, requests)
    figures = [
        _figure(loads, speeds, OURS, BARE, goal=0.85),
        _figure(loads, speeds, CHANGING, BARE_CHANGING, goal=None),
    ]
    if official is not None:
        figures.append(
            Figure.told("uncached fetch, " + OFFICIAL, Spread.exactly(official), "requests/s", digits=0)
        )
    return figures


def _figure(
    loads: dict[str, Load], speeds: dict[str, list[float]], ours: str, bare: str, *, goal: float | None
) -> Figure:
    ratios = Spread.of_ratios(speeds[ours], speeds[bare])
    # The first round is thrown away there, too.
    cpu, floor = loads[ours].cpu[1:], loads[bare].cpu[1:]
    of_cpu = Spread.of_ratios(floor, cpu)
    return Figure(
        f"uncached fetch, {ours.removeprefix('scope_async, ')}",
        f">= {goal:g} x bare aiohttp" if goal is not None else "-",
        f"{ratios.show()} x",
        reached=goal is None or ratios.median >= goal,
        detail=f"requests/s {Spread.of(speeds[ours]).show(0)}, bare {Spread.of(speeds[bare]).show(0)}; "
        f"CPU per request {Spread.of(cpu).show(0)} µs, bare {Spread.of(floor).show(0)} µs, "
        f"{of_cpu.show()} x by CPU time",
        quantity=ratios,
        unit="x",
        floor="bare aiohttp",
    )


async def _official(url: str, requests: int) -> float | None:
    """Return the requests per second of the official SDK in threads; None when it is not installed."""
    client = official_sdk(url, cache_enabled=False)
    if client is None:
        return None

    def run() -> float:
        with ThreadPoolExecutor(THREADS) as threads:
            started = time.perf_counter()
            list(threads.map(lambda _: client.get_prompt_version("greeting"), range(requests)))
            return requests / (time.perf_counter() - started)

    return await to_thread.run_sync(run)
