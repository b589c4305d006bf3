"""One client under load, in a process of its own: how much it can do, and how long it takes at half of that.

    python -m benchmarks.suites.load.client KIND URL

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
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.harness.closed_loop import Fetch, Taken, bare_fetch, bare_session, closed_loop
from benchmarks.harness.open_loop import Recorder, arrive, arrive_in_threads, timetable
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, SAME
from benchmarks.suites.micro.prompt_peers import official_sdk
from scope_async import ScopeClient, ScopeError

AT_ONCE = 50
THREADS = 16
HIGHEST_RATE = 5_000.0
"""Arrivals per second beyond which the timetable itself would be what is measured."""

Open = Callable[[str], AbstractAsyncContextManager[Fetch]]


def bare(name: str) -> Open:
    """Return how to open what aiohttp alone does for a prompt: read it as JSON, with a fixed token."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Fetch]:
        async with bare_session() as session:
            yield bare_fetch(session, url, name)

    return opened


def ours(name: str, *, cache: bool) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Fetch]:
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
            yield lambda: scope.get_prompt_version(name, cache=cache)

    return opened


KINDS = {
    "bare": bare(SAME),
    "uncached": ours(SAME, cache=False),
    "bare-new": bare(CHANGING),
    "new": ours(CHANGING, cache=False),
    "cached": ours(SAME, cache=True),
}


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

        # Connections are opened, the token is there.
        await closed_loop(fetch, requests=max(1, requests // 5), at_once=AT_ONCE)
        taken = await closed_loop(fetch, requests=requests, at_once=AT_ONCE)
        due = timetable(min(taken.per_second / 2, HIGHEST_RATE), seconds)
        memory = most_memory()
        gc.collect()
        await arrive(due, request, recorder.clock)
    return result(recorder, len(due), seconds, taken=taken, memory=memory)


def measure_threads(url: str, requests: int, seconds: float) -> dict[str, Any]:
    """Return what the official SDK does in 16 threads."""
    client = official_sdk(url, cache_enabled=False)
    recorder = Recorder(time.perf_counter)

    def request(due_at: float) -> None:
        try:
            client.get_prompt_version(SAME)
        except Exception:  # noqa: BLE001 - whatever its errors are called, it is a failure
            recorder.failed += 1
        recorder.answered(due_at)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: client.get_prompt_version(SAME), range(max(1, requests // 5))))
        started, cpu = time.perf_counter(), time.process_time()
        list(threads.map(lambda _: client.get_prompt_version(SAME), range(requests)))
        taken = Taken(requests, time.perf_counter() - started, time.process_time() - cpu)
    memory = most_memory()
    due = timetable(min(taken.per_second / 2, HIGHEST_RATE), seconds)
    arrive_in_threads(due, request, recorder.clock, THREADS)
    return result(recorder, len(due), seconds, taken=taken, memory=memory)


def most_memory() -> float:
    """Return the most memory (MB) that this process ever held; `ru_maxrss` may be the parent's on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, which counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = status.read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def result(
    recorder: Recorder, arrivals: int, seconds: float, *, taken: Taken, memory: float
) -> dict[str, Any]:
    """Return plain data."""
    return {
        "speed": taken.per_second,
        "cpu": taken.cpu,
        "rate": arrivals / seconds,
        "arrivals": arrivals,
        "answered": recorder.histogram.get_total_count(),
        "failed": recorder.failed,
        "milliseconds": recorder.milliseconds(),
        "memory": memory,
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
