"""One client under load in its own process: its throughput, and its latency at half of that.

    python -m benchmarks.suites.load.client KIND URL

Prints one line of JSON. CPU time is that of the closed loop, since the open loop polls the clock.
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

from benchmarks.harness.closed_loop import Fetch, LoadTimes, bare_fetch, bare_session, closed_loop
from benchmarks.harness.open_loop import LatencyRecorder, arrival_times, open_loop, open_loop_in_threads
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, SAME
from benchmarks.suites.micro.prompt_peers import official_sdk
from scope_async import ScopeClient, ScopeError

AT_ONCE = 50
THREADS = 16
HIGHEST_RATE = 5_000.0
"""Arrivals per second above which the generator of the load would be measured."""

Open = Callable[[str], AbstractAsyncContextManager[Fetch]]


def bare(name: str) -> Open:
    """Return a fetch with aiohttp alone: a fixed token, and `json.loads` of the reply."""

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
    """Measure one of `KINDS`."""
    recorder = LatencyRecorder(time.perf_counter)
    async with KINDS[kind](url) as fetch:

        async def request(due_at: float) -> None:
            try:
                await fetch()
            except (ScopeError, aiohttp.ClientError):
                recorder.failed += 1
            recorder.record(due_at)

        # Warm up: open the connections and get the token.
        await closed_loop(fetch, requests=max(1, requests // 5), at_once=AT_ONCE)
        taken = await closed_loop(fetch, requests=requests, at_once=AT_ONCE)
        due = arrival_times(min(taken.per_second / 2, HIGHEST_RATE), seconds)
        memory = peak_memory()
        gc.collect()
        await open_loop(due, request, recorder.clock)
    return as_data(recorder, len(due), seconds, taken=taken, memory=memory)


def measure_threads(url: str, requests: int, seconds: float) -> dict[str, Any]:
    """Measure the official SDK in 16 threads."""
    client = official_sdk(url, cache_enabled=False)
    recorder = LatencyRecorder(time.perf_counter)

    def request(due_at: float) -> None:
        try:
            client.get_prompt_version(SAME)
        except Exception:  # noqa: BLE001 - every error is a failure
            recorder.failed += 1
        recorder.record(due_at)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: client.get_prompt_version(SAME), range(max(1, requests // 5))))
        started, cpu = time.perf_counter(), time.process_time()
        list(threads.map(lambda _: client.get_prompt_version(SAME), range(requests)))
        taken = LoadTimes(requests, time.perf_counter() - started, time.process_time() - cpu)
    memory = peak_memory()
    due = arrival_times(min(taken.per_second / 2, HIGHEST_RATE), seconds)
    open_loop_in_threads(due, request, recorder.clock, THREADS)
    return as_data(recorder, len(due), seconds, taken=taken, memory=memory)


def peak_memory() -> float:
    """Return the peak memory of this process in MB; on Linux `ru_maxrss` may be that of the parent."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, which counts bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = status.read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def as_data(
    recorder: LatencyRecorder, arrivals: int, seconds: float, *, taken: LoadTimes, memory: float
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
