"""The official SDK's tokens next to ours, on Local Scope: what a renewal costs, and how many there are.

It is synchronous, so its requests are made in threads, as many as ours are made in coroutines.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from benchmarks.harness.local_scope import RunningScope, running_scope
from benchmarks.harness.result import Result, Spread
from benchmarks.suites.micro.prompt_peers import official_sdk

AT_ONCE = 4
LIFETIME, BUFFER, RENEWAL = 6.0, 3, 2.0
STORM = 100
PROMPT = "greeting"

Fetch = Callable[[], Awaitable[object]]
Load = Callable[[RunningScope, Fetch], Coroutine[Any, Any, float]]


async def official() -> list[Result]:
    """Return the rows of both clients."""
    return [*await _stall(), *await _storm()]


async def _stall() -> list[Result]:
    options = f"--token-ttl={LIFETIME}", f"--fault=exchange:latency={RENEWAL}"
    taken = await _both(options, _slowest, token_refresh_buffer=BUFFER)
    return [
        Result.informative(
            f"slowest request while a renewal takes {RENEWAL:g} s, {name}",
            Spread.exactly(seconds * 1000),
            "ms",
            digits=0,
            detail=f"{AT_ONCE} at a time for {LIFETIME:g} s",
        )
        for name, seconds in taken.items()
    ]


async def _storm() -> list[Result]:
    counts = await _both(("--token-ttl=30",), _exchanges)
    return [
        Result.informative(
            f"{STORM} requests with tokens of 30 s, {name}",
            Spread.exactly(count),
            "exchanges",
            digits=0,
            detail=f"{AT_ONCE} at a time; the buffer is the default, 60 s",
        )
        for name, count in counts.items()
    ]


async def _both(serve: tuple[str, ...], load: Load, **options: Any) -> dict[str, float]:
    """Return what `load` measures with each client, each on a Local Scope of its own."""
    found = {}
    async with running_scope(*serve) as local, local.client(**options) as scope:
        found["scope_async"] = await load(local, lambda: scope.get_prompt_version(PROMPT, cache=False))
    async with running_scope(*serve) as local:
        client = official_sdk(local.url, local.credentials, cache_enabled=False, **options)
        found["scope_client"] = await load(
            local, lambda: asyncio.to_thread(client.get_prompt_version, PROMPT)
        )
    return found


async def _slowest(_: RunningScope, fetch: Fetch) -> float:
    """Return the seconds of the slowest request within the life of one token, the first one left out."""
    await fetch()
    ends_at = time.perf_counter() + LIFETIME

    async def requests() -> float:
        slowest = 0.0
        while (started := time.perf_counter()) < ends_at:
            await fetch()
            slowest = max(slowest, time.perf_counter() - started)
        return slowest

    return max(await asyncio.gather(*(requests() for _ in range(AT_ONCE))))


async def _exchanges(local: RunningScope, fetch: Fetch) -> float:
    """Return how often a token was asked for."""
    left = iter(range(STORM))

    async def requests() -> None:
        for _ in left:
            await fetch()

    await asyncio.gather(*(requests() for _ in range(AT_ONCE)))
    return await local.exchanges()
