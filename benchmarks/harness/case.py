"""A micro benchmark: what is timed in a loop, and how it is set up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec

import attrs

Timer = Callable[[int], Awaitable[float]]
"""Returns the seconds that this many calls take, one after the other."""

CaseSetup = Callable[[str], AbstractAsyncContextManager[Timer]]
"""Opens a timer, given the URL of the stub server, and closes it."""


@attrs.frozen
class Case:
    """A timer and its setup; `needs` is a module of another package, without which the case is skipped."""

    setup: CaseSetup
    needs: str = ""

    @property
    def is_available(self) -> bool:
        try:
            return not self.needs or find_spec(self.needs) is not None
        except ModuleNotFoundError:  # of a package around it
            return False


def timed_calls(function: Callable[[], object]) -> Timer:
    """Return a timer for a synchronous function."""

    async def timed(times: int) -> float:
        numbers = range(times)
        started = time.perf_counter()
        for _ in numbers:
            function()
        return time.perf_counter() - started

    return timed


def timed_awaits(function: Callable[[], Awaitable[object]]) -> Timer:
    """Return a timer for an async function."""

    async def timed(times: int) -> float:
        numbers = range(times)
        started = time.perf_counter()
        for _ in numbers:
            await function()
        return time.perf_counter() - started

    return timed


def simple_case(timer: Callable[[], Timer]) -> Case:
    """Return a case without a server, and without anything to close."""

    @asynccontextmanager
    async def opened(_: str) -> AsyncIterator[Timer]:
        yield timer()

    return Case(opened)
