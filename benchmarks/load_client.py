"""One client under load, in a process of its own: how much it can do, and how long it takes at half of that.

    python -m benchmarks.load_client KIND URL

Prints one line of JSON. CPU time is that of the closed loop: the open one polls the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.open_loop import Recorder, arrive, arrive_in_threads, timetable
from benchmarks.prompt_peers import official_sdk
from benchmarks.prompt_server import CREDENTIALS
from scope_async import ScopeClient, ScopeError

AT_ONCE = 50
THREADS = 16
HIGHEST_RATE = 5_000.0
"""Arrivals per second beyond which the timetable itself would be what is measured."""

Fetch = Callable[[], Awaitable[object]]


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Fetch]:
    """Give what aiohttp alone does for the same reply: read it as JSON, with a fixed token."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer fixed"}) as session:

        async def fetch() -> Any:
            async with session.get(f"{url}/api/v1/prompts/greeting/production") as response:
                return json.loads(await response.read())

        yield fetch


@asynccontextmanager
async def uncached(url: str) -> AsyncIterator[Fetch]:
    async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
        yield lambda: scope.get_prompt_version("greeting", cache=False)


@asynccontextmanager
async def cached(url: str) -> AsyncIterator[Fetch]:
    async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
        yield lambda: scope.get_prompt_version("greeting")


KINDS = {"bare": bare, "uncached": uncached, "cached": cached}


async def saturate(fetch: Fetch, requests: int) -> tuple[float, float]:
    """Return requests per second of 50 at once that never pause, and microseconds of CPU for each."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await fetch()

    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    taken, used = time.perf_counter() - started, time.process_time() - cpu
    return requests / taken, used / requests * 1e6


async def measure(kind: str, url: str, requests: int, seconds: float) -> dict[str, Any]:
    """Return what one of `KINDS` does."""
    recorder = Recorder(time.perf_counter)
    async with KINDS[kind](url) as fetch:

        async def request(due_at: float) -> None:
            try:
                await fetch()
            except (ScopeError, aiohttp.ClientError):
                recorder.failed += 1
            recorder.answered(due_at)

        await saturate(fetch, max(1, requests // 5))  # connections are opened, the token is there
        speed, cpu = await saturate(fetch, requests)
        due = timetable(min(speed / 2, HIGHEST_RATE), seconds)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        gc.collect()
        await arrive(due, request, recorder.clock)
    return result(recorder, len(due), seconds, speed=speed, cpu=cpu, memory=memory)


def measure_threads(url: str, requests: int, seconds: float) -> dict[str, Any]:
    """Return what the official SDK does in 16 threads."""
    client = official_sdk(url, cache_enabled=False)
    recorder = Recorder(time.perf_counter)

    def request(due_at: float) -> None:
        try:
            client.get_prompt_version("greeting")
        except Exception:  # noqa: BLE001 - whatever its errors are called, it is a failure
            recorder.failed += 1
        recorder.answered(due_at)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: client.get_prompt_version("greeting"), range(max(1, requests // 5))))
        started, cpu = time.perf_counter(), time.process_time()
        list(threads.map(lambda _: client.get_prompt_version("greeting"), range(requests)))
        taken, used = time.perf_counter() - started, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    due = timetable(min(requests / taken / 2, HIGHEST_RATE), seconds)
    arrive_in_threads(due, request, recorder.clock, THREADS)
    speed, cpu = requests / taken, used / requests * 1e6
    return result(recorder, len(due), seconds, speed=speed, cpu=cpu, memory=memory)


def result(
    recorder: Recorder, arrivals: int, seconds: float, *, speed: float, cpu: float, memory: int
) -> dict[str, Any]:
    """Return plain data; `memory` is in kilobytes, as Linux counts it."""
    return {
        "speed": speed,
        "cpu": cpu,
        "rate": arrivals / seconds,
        "arrivals": arrivals,
        "answered": recorder.histogram.get_total_count(),
        "failed": recorder.failed,
        "milliseconds": recorder.milliseconds(),
        "memory": memory / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Load one client.")
    parser.add_argument("kind", choices=[*KINDS, "official"])
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    if options.kind == "official":
        found = measure_threads(options.url, options.requests, options.seconds)
    else:
        found = asyncio.run(measure(options.kind, options.url, options.requests, options.seconds))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
