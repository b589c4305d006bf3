"""A client and a server in two processes: throughput, latency, CPU time and memory.

Every round starts a new process for each kind, one after the other; ratios are taken within a round.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import attrs
import hdrh  # noqa: F401 - report it missing here rather than in a subprocess

from benchmarks.harness.open_loop import PERCENTILES
from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stub_server import server_process

NAMES = {
    "bare": "bare aiohttp",
    "uncached": "scope_async, uncached, the same answer again",
    "bare-new": "bare aiohttp, a new answer",
    "new": "scope_async, uncached, a new answer",
    "cached": "scope_async, cached",
    "official": "scope_client, uncached, 16 threads",
}
TIMES = {"cached": 50}
"""Factor on the number of requests where one takes very little time."""


def run(*, quick: bool) -> SuiteResult:
    """Return throughput at saturation, latency at half of it, CPU time per request, and memory.

    The ratios to bare aiohttp are of consecutive processes; `prompts` has the ratios that are
    interleaved in one process, and their goal.
    """
    here = find_spec("scope_client") is not None
    kinds = [kind for kind in NAMES if kind != "official" or here]
    rounds, requests, seconds = (2, 200, 0.5) if quick else (5, 10_000, 2.0)
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    with server_process() as url:
        for _ in range(rounds):
            for kind in kinds:
                found[kind].append(_client(kind, url, requests * TIMES.get(kind, 1), seconds))
    return SuiteResult(
        [
            _ratio(found, "uncached", "bare"),
            _ratio(found, "new", "bare-new"),
            *(result for kind in kinds for result in _of_kind(NAMES[kind], found[kind])),
        ],
        missing=[] if here else ["scope_client, the official SDK, in threads"],
    )


def _ratio(found: dict[str, list[dict[str, Any]]], ours: str, bare: str) -> Result:
    ratios = Spread.of_ratios(_column(found[ours], "speed"), _column(found[bare], "speed"))
    told = Result.informative(
        f"throughput at saturation, {NAMES[ours]}",
        ratios,
        f"x {NAMES[bare]}",
        detail=f"{len(found[ours])} rounds",
    )
    return attrs.evolve(told, floor=NAMES[bare])


def _client(kind: str, url: str, requests: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.suites.load.client", kind, url]
    command += ["--requests", str(requests), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _column(rounds: list[dict[str, Any]], name: str) -> list[float]:
    return [found[name] for found in rounds]


def _of_kind(name: str, rounds: list[dict[str, Any]]) -> list[Result]:
    arrivals = int(sum(_column(rounds, "arrivals")))
    lost = arrivals - int(sum(_column(rounds, "answered"))) + int(sum(_column(rounds, "failed")))
    rate = Spread.of(_column(rounds, "rate"))
    latencies = [
        (share, [found["milliseconds"][number] for found in rounds])
        for number, share in enumerate(PERCENTILES)
    ]
    return [
        Result.informative(
            f"{name}: throughput at saturation", Spread.of(_column(rounds, "speed")), "requests/s", digits=0
        ),
        *(
            Result.informative(
                f"{name}: latency, {_share(share)}",
                Spread.of(latency),
                "ms",
                digits=3,
                detail="" if number else f"at {rate.show(0)} arrivals/s, from the moment each was due",
            )
            for number, (share, latency) in enumerate(latencies)
        ),
        Result.informative(
            f"{name}: latency, longest of all", Spread.exactly(max(latencies[-1][1])), "ms", digits=3
        ),
        Result.informative(
            f"{name}: CPU time per request", Spread.of(_column(rounds, "cpu")), "µs", digits=1
        ),
        Result.informative(
            f"{name}: memory of the process", Spread.of(_column(rounds, "memory")), "MB", digits=1
        ),
        Result.count(
            f"{name}: lost or failed",
            lost,
            0,
            unit="requests",
            reached=lost == 0 and arrivals > 0,
            detail=f"of {arrivals:,} arrivals",
        ),
    ]


def _share(share: float) -> str:
    return "longest of a round" if share == 100 else f"p{share:g}"  # noqa: PLR2004 - all of them
