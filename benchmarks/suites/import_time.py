"""What `import scope_async` costs beyond the packages it is made of; the goal is 15 ms.

Public names are imported lazily, so importing the client is measured as well.

Each run is a new process with the bytecode already written, as for an installed package. CPU time is
compared, which is the same when other processes have the processor meanwhile. The order of the statements
rotates, so that a busy moment of the machine and warm caches affect all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks.harness.result import Result, Spread

DEPENDENCIES = "import aiohttp, anyio, attrs, jwt, msgspec"
PACKAGE = f"{DEPENDENCIES}; import scope_async"
CLIENT = f"{DEPENDENCIES}; from scope_async import ScopeClient"
KINDS = [DEPENDENCIES, PACKAGE, CLIENT]
GOAL_MS = 15.0
TIMED = "import time; started = time.process_time(); {statement}; print(time.process_time() - started)"


def measure(statement: str, bytecode: str) -> float:
    """Return the milliseconds of CPU time that `statement` takes in a new process."""
    command = [sys.executable, "-c", TIMED.format(statement=statement)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return float(done.stdout) * 1000


def results(runs: int) -> list[Result]:
    """Return the results of `runs` imports of each kind."""
    with tempfile.TemporaryDirectory() as bytecode:
        measure(CLIENT, bytecode)  # writes the bytecode for the later runs
        taken: dict[str, list[float]] = {what: [] for what in KINDS}
        for number in range(runs):
            for what in KINDS[number % 3 :] + KINDS[: number % 3]:
                taken[what].append(measure(what, bytecode))
    dependencies, package, client = (taken[what] for what in KINDS)
    # The difference of medians, since the time of a new process varies by more than the difference.
    bare = statistics.median(dependencies)
    ours = Spread.of([value - bare for value in package])
    return [
        Result(
            "import scope_async",
            f"<= {GOAL_MS:g} ms",
            f"{ours.show(1)} ms",
            reached=ours.median <= GOAL_MS,
            detail=f"CPU time beyond the dependencies: {Spread.of(dependencies).show(1)} ms; names are lazy",
            quantity=ours,
            unit="ms",
            floor="dependencies",
        ),
        Result.informative(
            "from scope_async import ScopeClient",
            Spread.of([value - bare for value in client]),
            "ms",
            digits=1,
            detail="as much beyond the dependencies",
        ),
    ]
