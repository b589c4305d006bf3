"""One thing that is timed in a loop of many thousand, and how it is set up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec

import attrs

Timer = Callable[[int], Awaitable[float]]
"""Returns the seconds that so many of them take, one after the other."""

Opening = Callable[[str], AbstractAsyncContextManager[Timer]]
"""Sets the thing up, with the URL of the benchmarks' server, and takes it down."""


@attrs.frozen
class Case:
    """What is timed; `needs` is the module of another package that it is about."""

    opened: Opening
    needs: str = ""

    @property
    def is_there(self) -> bool:
        try:
            return not self.needs or find_spec(self.needs) is not None
        except ModuleNotFoundError:  # of a package around it
            return False


def called(function: Callable[[], object]) -> Timer:
    """Return a timer of a plain function."""

    async def timed(times: int) -> float:
        numbers = range(times)
        started = time.perf_counter()
        for _ in numbers:
            function()
        return time.perf_counter() - started

    return timed


def awaited(function: Callable[[], Awaitable[object]]) -> Timer:
    """Return a timer of a function that is awaited."""

    async def timed(times: int) -> float:
        numbers = range(times)
        started = time.perf_counter()
        for _ in numbers:
            await function()
        return time.perf_counter() - started

    return timed


def plain(timer: Callable[[], Timer]) -> Case:
    """Return the case of what needs neither a server nor to be closed."""

    @asynccontextmanager
    async def opened(_: str) -> AsyncIterator[Timer]:
        yield timer()

    return Case(opened)
