"""What holds for every test: which event loop, nothing that blocks it, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path

import aiohttp
import blockbuster.blockbuster
import pytest
import pytest_asyncio
from aioresponses import aioresponses
from blockbuster import BlockBuster

from tests.fakes.aioresponses import mocked_service
from tests.fakes.clock import InstantClock

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

_PATIENCE = 2.0
"""Seconds in which tasks and children that are ending may end; only failing tests need them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=("asyncio", "uvloop"),
        default=os.environ.get("SCOPE_TEST_LOOP", "asyncio"),
        help="event loop of the async tests; SCOPE_TEST_LOOP is its default",
    )


def _loop_factory(config: pytest.Config) -> LoopFactory:
    name = config.getoption("--loop")
    if name == "uvloop":
        import uvloop  # there is none on Windows

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
    """Whoever runs the tests may have credentials and proxies of their own."""
    for name in os.environ:
        if name.startswith("SCOPE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _blocking_calls() -> Iterator[list[str]]:
    """Make a blocking call inside `scope_async` on the event loop an error.

    Found by what is called (files, sockets, sleeps, locks, SQLite), not by how long it
    took, so that a slow machine never fails a test. What the tests themselves call is free.
    """
    calls: list[str] = []

    class Recorded(blockbuster.BlockingError):
        # Written down as well: the code under test may catch what it does not know.
        def __init__(self, func: str) -> None:
            super().__init__(func)
            calls.append(func)

    detector = BlockBuster("scope_async")
    # Where log lines go is the application's choice, and a short write to it is not ours to avoid.
    for name in ("io.TextIOWrapper.write", "io.BufferedWriter.write"):
        detector.functions[name].can_block_in("logging/__init__.py", {"emit", "flush"})
    # aiohttp 3.12 reads `~/.netrc` where it stands, for a session whose owner asked for it.
    detector.functions["io.TextIOWrapper.read"].can_block_in("aiohttp/helpers.py", {"netrc_from_env"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockbuster.blockbuster, "BlockingError", Recorded)
        detector.activate()
        yield calls
        detector.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _sessions() -> Iterator[weakref.WeakSet[aiohttp.ClientSession]]:
    """Every aiohttp session that is alive."""
    alive: weakref.WeakSet[aiohttp.ClientSession] = weakref.WeakSet()
    opened = aiohttp.ClientSession.__init__

    def register(self: aiohttp.ClientSession, *args: object, **kwargs: object) -> None:
        opened(self, *args, **kwargs)
        alive.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp.ClientSession, "__init__", register)
        yield alive


@pytest.fixture(autouse=True)
def _nothing_left_behind(
    request: pytest.FixtureRequest,
    _blocking_calls: list[str],
    _sessions: weakref.WeakSet[aiohttp.ClientSession],
) -> Iterator[None]:
    """Fail any test that blocked the loop or leaves a task, a session or a process behind."""
    if pytest_asyncio.is_async_test(request.node):
        # Set up before the test's own fixtures, so it looks after they have closed.
        request.getfixturevalue("_no_task_left_behind")
    children = _children()
    yield
    blocked = [*_blocking_calls]
    _blocking_calls.clear()
    if blocked:
        pytest.fail(f"blocked the event loop: {', '.join(blocked)}")
    if any(not session.closed for session in _sessions):
        gc.collect()  # one that nobody holds any more warns about itself
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


def _children() -> set[int]:
    """Return the processes started by this one (Linux), but for the tracker that multiprocessing keeps."""
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    found: set[int] = set()
    for thread in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found.update(map(int, thread.read_text().split()))
    return found - {tracker}


def _wait_for(remaining: Callable[[], set[int]]) -> set[int]:
    deadline = time.monotonic() + _PATIENCE
    while (left := remaining()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


@pytest.fixture
def service() -> Iterator[aioresponses]:
    """Aioresponses, for unit tests of the transport; all else speaks to Local Scope."""
    with mocked_service() as mocked:
        yield mocked


@pytest.fixture
def instant_clock() -> InstantClock:
    return InstantClock()
