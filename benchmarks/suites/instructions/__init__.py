"""The instructions that one call takes, counted by callgrind, whatever else the machine does.

Each case is counted in a process of its own, after calls that warm it up; the server runs in another
process, and is not counted. A count differs a little from one Python to the next, so what is insisted on
is that the ratio to the floor does not grow, with a margin.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs

from benchmarks.harness.callgrind import is_supported
from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stub_server import server_process

BARE = "bare aiohttp, json.loads"
SAME = "uncached, the same answer"
NEW = "uncached, a new answer"
LOOKUP = "a dict lookup in a coroutine"
CACHED = "cached read"
STORE_CACHED = "cached read beside a store"
SYNC_LOOKUP = "a dict lookup in a function"
SYNC_CACHED = "synchronous cached read"
PLAIN_TOKEN = "a token read in plain Python"  # noqa: S105 - no password
TOKEN = "token read"  # noqa: S105 - as above
JOIN = "a join by hand"
RENDER = "render"
JSON = "json.loads"
DECODING = "decoding"
DEPENDENCIES = "import of the dependencies"
IMPORT = "from scope_async import ScopeClient"

MARGIN = 1.05
"""How much above the last count a ratio may be before the suite fails: Python and aiohttp change as well."""


@attrs.frozen
class Limit:
    """A case, and how many times the instructions of its floor it takes: at most, and when last counted."""

    name: str
    floor: str
    goal: float
    counted: float


LIMITS = (
    Limit(SAME, BARE, goal=0.98, counted=0.98),
    Limit(NEW, BARE, goal=1.05, counted=1.05),
    Limit(CACHED, LOOKUP, goal=3.5, counted=2.95),
    # The store is polled meanwhile, the more often a busy machine lets a call wait: 1.00 to 1.06.
    Limit(STORE_CACHED, CACHED, goal=1.05, counted=1.06),
    Limit(SYNC_CACHED, SYNC_LOOKUP, goal=5.1, counted=4.57),
    Limit(TOKEN, PLAIN_TOKEN, goal=1.05, counted=1.01),
    Limit(RENDER, JOIN, goal=2.0, counted=1.89),
    Limit(DECODING, JSON, goal=0.55, counted=0.51),
    Limit(IMPORT, DEPENDENCIES, goal=0.05, counted=0.050),
)

NAMES = tuple(dict.fromkeys(name for limit in LIMITS for name in (limit.floor, limit.name)))

IMPORTS = {
    DEPENDENCIES: ("", "import aiohttp, anyio, attrs, jwt, msgspec"),
    IMPORT: ("import aiohttp, anyio, attrs, jwt, msgspec", "from scope_async import ScopeClient"),
}
"""What is imported before the counting, and what is counted."""

CALLS = {BARE: 300, SAME: 300, NEW: 300}
MORE_CALLS = 2000


def run(*, quick: bool) -> SuiteResult:
    """Return the instructions of every case; nothing but what is missing without valgrind."""
    valgrind = shutil.which("valgrind")
    if valgrind is None or not is_supported():
        return SuiteResult([], missing=["valgrind on x86-64, which counts instructions"])
    counts = instructions(valgrind, NAMES, share=0.25 if quick else 1.0)
    return SuiteResult([result(limit, counts) for limit in LIMITS])


def instructions(valgrind: str, names: Sequence[str], *, share: float = 1.0) -> dict[str, float]:
    """Return the instructions of one call of each case; `share` of the usual number of calls is made."""
    with (
        server_process() as url,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tempfile.TemporaryDirectory() as bytecode,
    ):
        for statement in IMPORTS.values():
            # Writes the bytecode, as an installed package has it.
            subprocess.run(_import_command(*statement), env=_environment(bytecode), check=True)  # noqa: S603 - our own words

        def count(name: str) -> float:
            if name in IMPORTS:
                return _count(valgrind, _import_command(*IMPORTS[name]), bytecode)
            calls = int(CALLS.get(name, MORE_CALLS) * share)
            module = "benchmarks.suites.instructions.worker"
            return _count(valgrind, [sys.executable, "-m", module, name, str(calls), url], bytecode) / calls

        return dict(zip(names, pool.map(count, names), strict=True))


def _import_command(before: str, statement: str) -> list[str]:
    counting = f"{before}\nfrom benchmarks.harness.callgrind import counted\nwith counted():\n    {statement}"
    return [sys.executable, "-c", counting]


def _environment(bytecode: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": bytecode}


def _count(valgrind: str, command: Sequence[str], bytecode: str) -> int:
    """Return the instructions of the block that `command` counts."""
    tool = [valgrind, "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    done = subprocess.run(  # noqa: S603 - our own words
        [*tool, *command], env=_environment(bytecode), capture_output=True, text=True, check=False
    )
    found = re.search(r"refs:\s+([\d,]+)", done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"counting {command[-1]!r} failed: {done.stderr[-2000:]}")
    return int(found[1].replace(",", ""))


def result(limit: Limit, counts: dict[str, float]) -> Result:
    """Return a case next to its floor; wrong if above the goal, and above the last count by the margin."""
    count, floor = counts[limit.name], counts[limit.floor]
    ratio = Spread.exactly(count / floor)
    detail = f"{count:,.0f} instructions next to {floor:,.0f}"
    told = Result.at_most(limit.name, ratio, limit.goal, floor=limit.floor, detail=detail)
    return attrs.evolve(told, counted=ratio.median > limit.counted * MARGIN)
