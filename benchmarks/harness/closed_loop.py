"""A closed loop: coroutines that send the next request as soon as the last is answered, and its cost."""

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
class LoadTimes:
    """How long a number of requests took, in seconds of wall-clock and of CPU time."""

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


async def closed_loop(fetch: Fetch, *, requests: int, at_once: int) -> LoadTimes:
    """Make `requests` requests in `at_once` coroutines; the time to start these is included."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await fetch()

    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return LoadTimes(requests, time.perf_counter() - started, time.process_time() - cpu)


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
    """Return a fetch of a prompt with aiohttp alone: request, and `json.loads` of the reply."""
    address = f"{url}/api/v1/prompts/{name}/production"

    async def fetch() -> object:
        async with session.get(address) as response:
            found: object = json.loads(await response.read())
            return found

    return fetch
