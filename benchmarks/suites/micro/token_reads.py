"""Reading a valid token: ours, the least that plain Python can do, and the same under a lock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from benchmarks.harness.case import Case, CaseSetup, Timer, timed_awaits, timed_calls
from benchmarks.harness.stub_server import CREDENTIALS
from scope_async import AccessToken, TokenSource


class PlainRead:
    """The least that a read can do in plain Python: load a slot, compare one monotonic reading."""

    __slots__ = ("_monotonic", "_token")

    def __init__(self, token: AccessToken) -> None:
        self._token = token
        self._monotonic = time.monotonic

    def peek(self) -> AccessToken | None:
        token = self._token
        return token if self._monotonic() < token.usable_until else None

    async def get(self) -> AccessToken:
        token = self._token
        if self._monotonic() < token.usable_until:
            return token
        raise LookupError


class LockedRead:
    """A read under an `asyncio.Lock`, here an uncontended one: the plain way to share one renewal."""

    def __init__(self, token: AccessToken) -> None:
        self._token = token
        self._lock = asyncio.Lock()

    async def get(self) -> AccessToken:
        async with self._lock:
            token = self._token
            if time.monotonic() < token.usable_until:
                return token
        raise LookupError


def _reading(timer: Callable[[TokenSource, AccessToken], Timer]) -> CaseSetup:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Timer]:
        async with TokenSource(CREDENTIALS, base_url=url, auth_api_url=url) as tokens:
            yield timer(tokens, await tokens.get())

    return opened


CASES = {
    "peek()": Case(_reading(lambda tokens, _: timed_calls(tokens.peek))),
    "peek() in plain Python": Case(_reading(lambda _, token: timed_calls(PlainRead(token).peek))),
    "await get()": Case(_reading(lambda tokens, _: timed_awaits(tokens.get))),
    "await get() in plain Python": Case(_reading(lambda _, token: timed_awaits(PlainRead(token).get))),
    "await get() under asyncio.Lock": Case(_reading(lambda _, token: timed_awaits(LockedRead(token).get))),
}
