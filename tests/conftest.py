"""The event loop of every test, and the guards: nothing blocks it, nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import aiohttp
import blockbuster.blockbuster
import coverage
import pytest
import pytest_asyncio
from aioresponses import aioresponses
from blockbuster import BlockBuster
from hypothesis import settings

from scope_async.errors import ScopeError
from tests.fakes.aioresponses import mocked_service
from tests.fakes.clock import InstantClock
from tests.fakes.secret_search import secrets_behind, secrets_in

# The tests start hundreds of interpreters; without bytecode each compiles the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The time that an example takes says how busy the machine is.
settings.register_profile("scope-async", deadline=None)
settings.load_profile("scope-async")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

_PATIENCE = 2.0
"""Seconds in which tasks and child processes may still end; only failing tests take them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=("asyncio", "uvloop"),
        default=os.environ.get("SCOPE_TEST_LOOP", "asyncio"),
        help="event loop of the async tests; SCOPE_TEST_LOOP is its default",
    )


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as the process: the objects of modules and tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many processes as cores: most tests wait for sockets and other processes."""
    return 2 * (os.cpu_count() or 1)


def _loop_factory(config: pytest.Config) -> LoopFactory:
    name = config.getoption("--loop")
    if name == "uvloop":
        import uvloop  # not available on Windows

        return uvloop.new_event_loop
    if name != "asyncio":
        raise pytest.UsageError(f"SCOPE_TEST_LOOP must be asyncio or uvloop, not {name!r}")
    return asyncio.new_event_loop


def pytest_report_header(config: pytest.Config) -> str:
    return f"event loop: {config.getoption('--loop')}, aiohttp {aiohttp.__version__}"


def pytest_asyncio_loop_factories(config: pytest.Config) -> dict[str, LoopFactory]:
    return {config.getoption("--loop"): _loop_factory(config)}


@pytest.fixture
def new_loop(request: pytest.FixtureRequest) -> LoopFactory:
    """For tests that run loops themselves: `asyncio.Runner(loop_factory=new_loop)`."""
    return _loop_factory(request.config)


@pytest.fixture(autouse=True)
def _no_scope_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the credentials and proxies of the environment that the tests run in."""
    for name in os.environ:
        if name.startswith("SCOPE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _blocking_calls() -> Iterator[list[str]]:
    """Make a blocking call inside `scope_async` on the event loop an error.

    It is found by the function that is called (files, sockets, sleeps, locks, SQLite), whatever its
    duration, so that a slow machine never fails a test. The tests themselves may block.
    """
    calls: list[str] = []

    class Recorded(blockbuster.BlockingError):
        # Recorded as well as raised, since the code under test may catch any exception.
        def __init__(self, func: str) -> None:
            super().__init__(func)
            calls.append(func)

    detector = BlockBuster("scope_async")
    # The application chooses where its log lines go, and may choose a file.
    for name in ("io.TextIOWrapper.write", "io.BufferedWriter.write"):
        detector.functions[name].can_block_in("logging/__init__.py", {"emit", "flush"})
    # aiohttp 3.12 reads `~/.netrc` on the event loop for a session with `trust_env=True`.
    detector.functions["io.TextIOWrapper.read"].can_block_in("aiohttp/helpers.py", {"netrc_from_env"})
    # The client of Redis reads its own version from the disk, in the event loop of a thread of its own.
    for function in detector.functions.values():
        function.can_block_in("redis/utils.py", {"get_lib_version"})
        # A loop of our own thread waits on purpose while another thread forks, and the fork for it.
        function.can_block_in("fork_pause.py", {"wait", "_before"})
    # The tracer of coverage takes a lock of its own within any line of ours, and loses it to an exception.
    if coverage.Coverage.current() is not None:
        for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
            del detector.functions[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockbuster.blockbuster, "BlockingError", Recorded)
        detector.activate()
        yield calls
        detector.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _sessions() -> Iterator[weakref.WeakSet[aiohttp.ClientSession]]:
    """Return the set of all aiohttp sessions that exist."""
    sessions: weakref.WeakSet[aiohttp.ClientSession] = weakref.WeakSet()
    opened = aiohttp.ClientSession.__init__

    def register(self: aiohttp.ClientSession, *args: object, **kwargs: object) -> None:
        opened(self, *args, **kwargs)
        sessions.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp.ClientSession, "__init__", register)
        yield sessions


@pytest.fixture(scope="session", autouse=True)
def _secrets_shown() -> Iterator[list[str]]:
    """Return where secrets were shown: in arguments of processes, and behind errors that tests expect."""
    places: list[str] = []
    started, expected = subprocess.Popen.__init__, pytest.ExceptionInfo.fill_unfilled

    def start(self: subprocess.Popen[Any], args: Any, *others: Any, **options: Any) -> None:
        # Every user of the machine can read them.
        if secrets_in(" ".join(map(os.fsdecode, [args] if isinstance(args, str | bytes) else args))):
            places.append("the arguments of a process")
        started(self, args, *others, **options)

    def expect(self: pytest.ExceptionInfo[BaseException], found: Any) -> None:
        expected(self, found)
        if isinstance(self.value, ScopeError) and secrets_behind(self.value):
            places.append(f"what is behind {self.typename}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", start)
        patch.setattr(pytest.ExceptionInfo, "fill_unfilled", expect)
        yield places


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that leaves a secret in the output or the log, its own or that of its processes."""
    report = yield
    if report.when == "teardown" and report.passed:
        places = [title for title, text in report.sections if secrets_in(text)]
        if places:
            report.outcome, report.longrepr = "failed", f"shows a secret: {', '.join(places)}"
    return report


@pytest.fixture(autouse=True)
def _nothing_left_behind(
    request: pytest.FixtureRequest,
    _blocking_calls: list[str],
    _sessions: weakref.WeakSet[aiohttp.ClientSession],
    _secrets_shown: list[str],
) -> Iterator[None]:
    """Fail a test that blocked the loop, showed a secret, or leaves a task, a session or a process behind."""
    if pytest_asyncio.is_async_test(request.node):
        # Set up before the test's own fixtures, so that it checks after their teardown.
        request.getfixturevalue("_no_task_left_behind")
    children = _children()
    yield
    blocked = [*_blocking_calls]
    _blocking_calls.clear()
    if blocked:
        pytest.fail(f"blocked the event loop: {', '.join(blocked)}")
    shown = [*_secrets_shown]
    _secrets_shown.clear()
    if shown:
        pytest.fail(f"showed a secret in {', '.join(shown)}")
    if any(not session.closed for session in _sessions):
        gc.collect()  # a session without references warns about itself
    left = [session for session in _sessions if not session.closed]
    _sessions.clear()
    if left:
        pytest.fail(f"left {len(left)} aiohttp sessions open")
    orphans = _wait_for(lambda: _children() - children)
    for pid in orphans:
        with suppress(OSError):
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    if orphans:
        pytest.fail(f"left {len(orphans)} processes behind")


@pytest.fixture
async def _no_task_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + _PATIENCE
    while (left := asyncio.all_tasks() - before - {asyncio.current_task()}) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    if left:
        pytest.fail(f"left tasks behind: {', '.join(sorted(map(repr, left)))}")


_THREADS = Path("/proc/self/task")


def _children() -> set[int]:
    """Return the child processes (Linux), except the resource tracker of multiprocessing."""
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    found: set[int] = set()
    for thread in _THREADS.iterdir() if _THREADS.exists() else ():
        with suppress(OSError):  # the thread has ended
            found.update(map(int, (thread / "children").read_text().split()))
    return found - {tracker}


def _wait_for(remaining: Callable[[], set[int]]) -> set[int]:
    deadline = time.monotonic() + _PATIENCE
    while (left := remaining()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


@pytest.fixture
def service() -> Iterator[aioresponses]:
    """Aioresponses, for unit tests of the transport; other tests use Local Scope."""
    with mocked_service() as mocked:
        yield mocked


@pytest.fixture
def instant_clock() -> InstantClock:
    return InstantClock()
