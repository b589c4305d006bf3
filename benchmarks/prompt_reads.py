"""What a cached read costs, and that memory stays flat however many prompts pass through."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio import to_thread

from benchmarks.interleaved import Figure, Measure, Spread, take_turns
from benchmarks.prompt_peers import langfuse, official_sdk
from benchmarks.prompt_server import CREDENTIALS, server_process
from scope_async import ScopeClient

ENTRIES = 1000
CONNECTIONS = 50
OURS = "scope_async"
FLOOR = "a dict lookup in a coroutine"
OFFICIAL, LANGFUSE = "scope_client (not async)", "langfuse (not async)"
# 480 ns where the floor takes 110 ns, the official SDK 940 ns and Langfuse 1,310 ns.
GOALS = {FLOOR: 4.36, OFFICIAL: 0.51, LANGFUSE: 0.37}


def awaited(read: Callable[[str], Awaitable[object]], times: int) -> Measure:
    """Return a measure of the nanoseconds of one awaited read."""

    async def measure() -> float:
        started = time.perf_counter_ns()
        for _ in range(times):
            await read("greeting")
        return (time.perf_counter_ns() - started) / times

    return measure


def called(read: Callable[[str], object], times: int) -> Measure:
    """Return the same for a plain function."""

    async def measure() -> float:
        started = time.perf_counter_ns()
        for _ in range(times):
            read("greeting")
        return (time.perf_counter_ns() - started) / times

    return measure


async def cached_reads(*, rounds: int, times: int) -> list[Figure]:
    """Return the figure of a cached read, next to its floor and to what else there is."""
    with server_process() as url:
        peers = {OFFICIAL: official_sdk(url), LANGFUSE: langfuse(url)}
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
            floor = {"greeting": await scope.get_prompt_version("greeting")}

            async def bare(name: str) -> Any:
                return floor[name]

            measures = {FLOOR: awaited(bare, times), OURS: awaited(scope.get_prompt_version, times)}
            for name, client in peers.items():
                if client is not None:
                    read = client.get_prompt if name == LANGFUSE else client.get_prompt_version
                    await to_thread.run_sync(read, "greeting")
                    measures[name] = called(read, times)
            taken = await take_turns(measures, rounds)
    figures: list[Figure] = []
    for name, values in taken.items():
        if name != OURS:
            ratios = Spread.of_ratios(taken[OURS], values)
            detail = f"{Spread.of(taken[OURS]).show(0)} ns, against {Spread.of(values).show(0)} ns"
            figures.append(
                Figure.at_most("cached get_prompt_version", ratios, GOALS[name], floor=name, detail=detail)
            )
    return figures


async def memory(*, names: int) -> list[Figure]:
    """Return how much memory grows while `names` prompts pass through a cache of 1,000 entries."""
    with server_process() as url:
        async with ScopeClient(
            CREDENTIALS,
            base_url=url,
            auth_api_url=url,
            cache_max_entries=ENTRIES,
            max_connections=CONNECTIONS,
        ) as scope:
            await _read_all(scope, range(2 * ENTRIES))
            gc.collect()
            before = sys.getallocatedblocks()
            await _read_all(scope, range(2 * ENTRIES, names))
            gc.collect()
            grown = sys.getallocatedblocks() - before
    return [
        Figure(
            f"{names:,} names through {ENTRIES:,} entries",
            "memory flat",
            f"{grown:+,} objects",
            reached=grown < CONNECTIONS * 10,
            detail=f"{before:,} objects after the first {2 * ENTRIES:,} names",
            quantity=Spread.exactly(grown),
            unit="objects",
        )
    ]


async def _read_all(scope: ScopeClient, numbers: range) -> None:
    left = iter(numbers)

    async def work() -> None:
        for number in left:
            await scope.get_prompt_version(f"prompt-{number}")

    async with anyio.create_task_group() as group:
        for _ in range(CONNECTIONS):
            group.start_soon(work)
