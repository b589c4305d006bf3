"""So many coroutines that ask again as soon as they are answered, and what one request costs them."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import attrs

from benchmarks.harness.interleave import Measure

Fetch = Callable[[], Awaitable[object]]


@attrs.frozen
class Taken:
    """What some requests took of the clock and of the CPU, in seconds."""

    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu(self) -> float:
        """Microseconds of CPU time per request."""
        return self.cpu_seconds / self.requests * 1e6


async def closed_loop(fetch: Fetch, *, requests: int, at_once: int) -> Taken:
    """Fetch so often, so many at once; starting the coroutines is part of it."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await fetch()

    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return Taken(requests, time.perf_counter() - started, time.process_time() - cpu)


def cost(fetch: Fetch, coroutines: int, requests: int) -> Measure:
    """Return a measure of the microseconds of CPU per request, tasks included."""

    async def measure() -> float:
        return (await closed_loop(fetch, requests=requests, at_once=coroutines)).cpu

    return measure


def bare_session() -> aiohttp.ClientSession:
    """Return a session with a fixed token and without cookies, as ours is."""
    return aiohttp.ClientSession(
        headers={"Authorization": "Bearer fixed"}, cookie_jar=aiohttp.DummyCookieJar()
    )


def bare_fetch(session: aiohttp.ClientSession, url: str, name: str) -> Fetch:
    """Return what aiohttp alone does for a prompt: ask, and read the reply as JSON."""
    address = f"{url}/api/v1/prompts/{name}/production"

    async def fetch() -> object:
        async with session.get(address) as response:
            found: object = json.loads(await response.read())
            return found

    return fetch
