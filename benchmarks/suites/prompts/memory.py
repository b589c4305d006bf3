"""Memory stays flat however many prompts pass through the cache."""

from __future__ import annotations

import gc
import sys

import anyio

from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, server_process
from scope_async import ScopeClient

ENTRIES = 1000
CONNECTIONS = 50


async def memory(*, names: int) -> list[Result]:
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
        Result(
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
