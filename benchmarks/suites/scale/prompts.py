"""What a prompt costs in memory, and a read of it, when 10 to 100,000 of them are cached."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from itertools import cycle, islice

from benchmarks.harness.interleave import Measure, interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, VERSION
from benchmarks.reporting.line_chart import Axis, Line, LineChart
from scope_async import ScopeClient
from scope_async.http.messages import Reply
from scope_async.prompts.conditional import FetchedVersion
from scope_async.prompts.decoding import read_prompt_version

NUMBERS = (10, 100, 1_000, 10_000, 100_000)
NOWHERE = "http://127.0.0.1:1"
HOUR = 3600.0
EVERYTHING = 2**40
"""Bytes that the cache may take: none of its versions has to go."""


async def prompt_scaling(*, quick: bool) -> tuple[list[Result], LineChart]:
    """Return CPU time of a read and memory of a prompt, and the chart of the times."""
    numbers, rounds, reads = (NUMBERS[:-2], 2, 500) if quick else (NUMBERS, 7, 100_000)
    clients: dict[str, ScopeClient] = {}
    memory = {}
    for number in numbers:
        clients[f"{number}"], memory[number] = _filled(number)
    taken = await interleave(
        {name: _measure(scope, int(name), reads) for name, scope in clients.items()}, rounds
    )
    results, points = [], []
    for number in numbers:
        spread = Spread.of(taken[f"{number}"])
        points.append((float(number), spread.median))
        results += [
            Result.informative(f"{number:,} cached prompts: a read of each in turn", spread, "ns", digits=0),
            Result.informative(
                f"{number:,} cached prompts: memory of each",
                Spread.exactly(memory[number]),
                "bytes",
                digits=0,
            ),
        ]
    return results, _chart(points)


def _filled(number: int) -> tuple[ScopeClient, float]:
    """Return a client with `number` cached prompts, each of an answer of its own, and the bytes of each."""
    scope = ScopeClient(
        CREDENTIALS,
        base_url=NOWHERE,
        auth_api_url=NOWHERE,
        cache_max_entries=number,
        cache_max_bytes=EVERYTHING,
    )
    cache = scope._prompts._memory  # noqa: SLF001 - 100,000 requests would take minutes
    gc.collect()
    tracemalloc.start()
    for index in range(number):
        name = f"prompt-{index}"
        body = json.dumps({**VERSION, "name": name, "version_id": f"ver_{index}"}).encode()
        version = read_prompt_version(
            Reply(status=200, headers={}, body=body), name=name, unknown_variables="error"
        )
        cache.put(name, FetchedVersion(version), stored_at=time.monotonic(), ttl=HOUR, sequence=index)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return scope, used / number


def _measure(scope: ScopeClient, number: int, reads: int) -> Measure:
    """Return a measure of the nanoseconds of CPU time of a read; all prompts have their turn."""
    names = cycle([f"prompt-{index}" for index in range(number)])

    async def measure() -> float:
        turns = list(islice(names, reads))
        started = time.thread_time()
        for name in turns:
            await scope.get_prompt_version(name)
        return (time.thread_time() - started) / reads * 1e9

    return measure


def _chart(points: list[tuple[float, float]]) -> LineChart:
    (first, one), (last, most) = points[0], points[-1]
    return LineChart(
        f"A read takes {one:.0f} ns with {first:,.0f} cached prompts, and {most:.0f} ns with {last:,.0f}",
        Axis("cached prompts, each read in turn (logarithmic)", first, last, log=True),
        Axis("CPU time of a read (ns)", 0, 1.2 * max(taken for _, taken in points)),
        [Line("cached read", points, dots=True)],
    )
