"""What `import scope_async` costs beyond the packages it is made of; the goal is 15 ms.

Names are imported when they are first asked for, so what a program pays that uses the client
is measured as well.

    python -m benchmarks.import_time --runs 20

Each run is a new process that finds the bytecode written, as an installed package's is. The
two kinds take turns, so that a busy moment of the machine falls on both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

DEPENDENCIES = "import aiohttp, anyio, attrs, jwt"
PACKAGE = f"{DEPENDENCIES}; import scope_async"
CLIENT = f"{DEPENDENCIES}; from scope_async import ScopeClient"
TIMED = "import time; started = time.perf_counter(); {statement}; print(time.perf_counter() - started)"


def measure(statement: str, bytecode: str) -> float:
    """Return the milliseconds that `statement` takes in a new process."""
    command = [sys.executable, "-c", TIMED.format(statement=statement)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return float(done.stdout) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the time that importing scope_async takes.")
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as bytecode:
        measure(CLIENT, bytecode)  # writes the bytecode, which no later run should pay for
        rows = [[measure(what, bytecode) for what in (DEPENDENCIES, PACKAGE, CLIENT)] for _ in range(runs)]
    dependencies, package, client = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"dependencies                         {dependencies:7.1f} ms  (median of {runs})")
    print(f"import scope_async                 + {package - dependencies:7.1f} ms  (goal: at most 15 ms)")
    print(f"from scope_async import ScopeClient + {client - dependencies:6.1f} ms")


if __name__ == "__main__":
    main()
