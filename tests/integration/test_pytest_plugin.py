"""The plugin as users run it: test files in a separate pytest process.

A process takes seconds to begin, so that what needs the same configuration shares one: each of its files is
judged by what pytest says of its tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tests.integration.plugin_test_files import (
    EVERY_LOOP_SCOPE,
    GREETING,
    LOOPLESS_UNITTEST,
    OTHER_LOOPS,
    SESSION,
    SYNCHRONOUS,
    UNEXPECTED,
)

AUTO = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
STRICT = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"

ASYNCIO = "pytestmark = pytest.mark.asyncio"
ANYIO = "pytestmark = pytest.mark.anyio"


class Outcome(NamedTuple):
    """How many tests of each file ended how, as in `greeting PASSED`, and what was printed."""

    counts: dict[str, int]
    printed: str


def run(folder: Path, ini: str, files: dict[str, str], *arguments: str) -> Outcome:
    (folder / "pytest.ini").write_text(ini)
    for name, tests in files.items():
        (folder / f"test_{name}.py").write_text(dedent(tests))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # schemathesis, which users need not have, takes seconds to import.
    options = ("-q", "-rA", "-W", "error", "-p", "no:cacheprovider", "-p", "no:schemathesis")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    found = re.findall(r"^(PASSED|FAILED|ERROR) test_(\w+)\.py", done.stdout, re.MULTILINE)
    return Outcome(dict(Counter(f"{name} {word}" for word, name in found)), printed)


def refusals(outcome: Outcome) -> list[str]:
    """Return the sentences with which `scope_client` refuses to be set up."""
    return [line for line in outcome.printed.splitlines() if line.startswith("scope_client of")]


def test_fixtures_work_in_auto_mode_and_say_what_they_cannot_serve(tmp_path: Path) -> None:
    files = {
        "greeting": GREETING.format(mark=""),
        "unexpected": UNEXPECTED,
        "synchronous": "def test_it(scope_client): pass",
        "unittest": LOOPLESS_UNITTEST,
    }
    outcome = run(tmp_path, AUTO, files)
    assert outcome.counts == {
        "greeting PASSED": 3,
        "unexpected PASSED": 1,  # its end is the failure
        "unexpected ERROR": 1,
        "synchronous ERROR": 1,
        "unittest ERROR": 1,
    }, outcome.printed
    assert "unexpected requests to Local Scope: GET /api/v1/prompts/unprepared" in outcome.printed
    synchronous, unittest = refusals(outcome)
    assert "async def" in synchronous
    assert "asyncSetUp" in unittest


def test_fixtures_work_in_strict_mode_beside_anyio_and_other_loops(tmp_path: Path) -> None:
    files = {
        "anyio": GREETING.format(mark=ANYIO),
        "greeting": GREETING.format(mark=ASYNCIO),
        "loop_scopes": EVERY_LOOP_SCOPE,
        "other_loops": OTHER_LOOPS,
        "session": SESSION,
        "synchronous": SYNCHRONOUS,
        "unmarked": "async def test_it(scope_client): pass",
    }
    outcome = run(tmp_path, STRICT, files, "-k", "not trio")
    assert outcome.counts == {
        "anyio PASSED": 3,
        "greeting PASSED": 3,
        "loop_scopes PASSED": 10,
        "other_loops PASSED": 3,
        "session PASSED": 4,
        "synchronous PASSED": 5,
        "unmarked ERROR": 1,
    }, outcome.printed
    (unmarked,) = refusals(outcome)
    assert "pytest.mark.asyncio" in unmarked


def test_fixtures_work_under_anyio_alone(tmp_path: Path) -> None:
    files = {"greeting": GREETING.format(mark=ANYIO)}
    outcome = run(tmp_path, "[pytest]\n", files, "-p", "no:asyncio", "-k", "not trio")
    assert outcome.counts == {"greeting PASSED": 3}, outcome.printed


def test_fixtures_work_in_the_processes_of_xdist(tmp_path: Path) -> None:
    files = {
        "greeting": GREETING.format(mark=ASYNCIO),
        "loop_scopes": EVERY_LOOP_SCOPE,
        "session": SESSION,
        "synchronous": SYNCHRONOUS,
    }
    outcome = run(tmp_path, STRICT, files, "-n", "2", "--dist", "loadfile")
    assert outcome.counts == {
        "greeting PASSED": 3,
        "loop_scopes PASSED": 10,
        "session PASSED": 4,
        "synchronous PASSED": 5,
    }, outcome.printed


def test_client_belongs_to_the_loop_of_the_configured_default(tmp_path: Path) -> None:
    ini = AUTO + "asyncio_default_test_loop_scope = session\n"
    outcome = run(tmp_path, ini, {"greeting": GREETING.format(mark="")})
    assert outcome.counts == {"greeting PASSED": 3}, outcome.printed


def test_plugin_imports_nothing_unless_a_fixture_is_used(tmp_path: Path) -> None:
    tests = """
    import sys

    def test_it():
        assert "scope_async.local" not in sys.modules
        assert "aiosqlite" not in sys.modules
        assert "aiohttp" not in sys.modules
    """
    outcome = run(tmp_path, STRICT, {"imports": tests})
    assert outcome.counts == {"imports PASSED": 1}, outcome.printed
