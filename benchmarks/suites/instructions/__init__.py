"""The instructions that one call takes, counted by callgrind, whatever else the machine does.

Each case runs twice in a process of its own, for two numbers of calls; the difference is what a call
takes. The server runs in another process, and is not counted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stub_server import server_process

NAMES = (
    "bare aiohttp, json.loads",
    "uncached, the same answer",
    "uncached, a new answer",
    "cached read",
    "token read",
    "render",
    "decoding",
    "json.loads",
)
BARE, SAME, NEW = NAMES[:3]

GOALS = {SAME: 1.00, NEW: 1.05}
"""At most so many times the instructions of bare aiohttp with `json.loads`."""

CALLS = {BARE: 300, SAME: 300, NEW: 300}
MORE_CALLS = 2000


def run(*, quick: bool) -> SuiteResult:
    """Return the instructions of every case; nothing but what is missing without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return SuiteResult([], missing=["valgrind, which counts instructions"])
    names = ("json.loads", "decoding") if quick else NAMES
    counted = instructions(valgrind, names, calls=20 if quick else None)
    return SuiteResult([_result(name, counted) for name in names])


def instructions(valgrind: str, names: Sequence[str], calls: int | None) -> dict[str, float]:
    """Return the instructions of one call of each case."""
    with server_process() as url, ThreadPoolExecutor(os.cpu_count()) as pool:
        numbers = {name: calls or CALLS.get(name, MORE_CALLS) for name in names}
        runs = [(name, times) for name, more in numbers.items() for times in (0, more)]
        taken = dict(
            zip(runs, pool.map(lambda run: _count(valgrind, run[0], run[1], url), runs), strict=True)
        )
    return {name: (taken[name, more] - taken[name, 0]) / more for name, more in numbers.items()}


def _count(valgrind: str, name: str, calls: int, url: str) -> int:
    """Return the instructions of a process that makes so many calls."""
    command = [
        valgrind,
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        sys.executable,
        "-m",
        "benchmarks.suites.instructions.worker",
        name,
        str(calls),
        url,
    ]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    found = re.search(r"refs:\s+([\d,]+)", done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"counting {name!r} failed: {done.stderr[-2000:]}")
    return int(found[1].replace(",", ""))


def _result(name: str, counted: dict[str, float]) -> Result:
    count = counted[name]
    detail = f"{count:,.0f} instructions"
    if name in GOALS:
        ratio = Spread.exactly(count / counted[BARE])
        return Result.at_most(name, ratio, GOALS[name], floor=BARE, detail=detail)
    return Result.informative(name, Spread.exactly(count), "instructions", digits=0)
