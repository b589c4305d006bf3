"""The journal: every request that Local Scope has answered."""

from __future__ import annotations

import asyncio
import builtins
import re
from collections import Counter, deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from attrs import frozen

from scope_async._core.clock import Clock
from scope_async._core.concurrency.futures import resolve
from scope_async.errors import TimeoutError
from scope_async.local.timestamps import iso
from scope_async.local.web.request import RequestContext

KEPT = 10_000
"""Entries kept; counts include the older ones."""

_API = ("exchange", "prompt", "keys")
_PRIVATE = re.compile(r"(?:secret|admin|editor|viewer)_[0-9A-Za-z]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]*")
_PATH_LIMIT = 300


@frozen
class JournalEntry:
    """One request, without secrets and tokens.

    `status` is None if no reply was sent; `fault` names the fault that was applied. `api_key` is
    None if the request had no key of this Local Scope. `at` is when the request was answered, in
    seconds since the epoch by Local Scope's clock.
    """

    operation: str
    api_key: str | None
    status: int | None
    request_id: str
    at: float
    method: str
    path: str
    code: str | None = None
    fault: str | None = None

    @property
    def is_unexpected(self) -> bool:
        """True if nothing was prepared for this request: its path, prompt or version does not exist."""
        return self.fault is None and (
            self.operation == "unknown" or (self.operation == "prompt" and self.status == 404)  # noqa: PLR2004
        )

    def document(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "api_key": self.api_key,
            "status": self.status,
            "request_id": self.request_id,
            "at": iso(self.at),
            "method": self.method,
            "path": self.path,
            "code": self.code,
            "fault": self.fault,
        }


# The raw fields of a JournalEntry: written for every request, decoded for the few that are read.
_Line = tuple[str, str | None, int | None, str, float, str, str, str | None, str | None]


@frozen
class _Waiter:
    counter: Counter[str]
    operation: str
    n: int
    reached: asyncio.Future[None]


class Journal:
    """Counts, records and waits for requests.

    The entry is added before its reply is sent, so a test that has the reply sees the entry.
    `any` stands for `exchange`, `prompt` and `keys` together. It can be read, cleared and waited for
    from any thread and event loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[_Line] = deque(maxlen=KEPT)
        self._arrived: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """The last 10,000 requests, oldest first."""
        # Copied first, in one step of the interpreter: requests may arrive on another thread.
        return tuple(map(_entry, tuple(self._lines)))

    @property
    def unexpected(self) -> tuple[JournalEntry, ...]:
        """The entries for which nothing was prepared."""
        return tuple(entry for entry in self.entries if entry.is_unexpected)

    def count(self, operation: str = "any", *, status: int | None = None, api_key: str | None = None) -> int:
        """Return how many requests were answered; `status` and `api_key` filter the last 10,000."""
        if status is None and api_key is None:
            return _total(self._answered, operation)
        return sum(
            (status is None or entry.status == status) and (api_key is None or entry.api_key == api_key)
            for entry in self.entries
            if entry.operation == operation or (operation == "any" and entry.operation in _API)
        )

    def arrivals(self, operation: str = "any") -> int:
        """Return how many requests have arrived, answered or not."""
        return _total(self._arrived, operation)

    async def wait_for(
        self,
        operation: str = "any",
        n: int = 1,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - the caller chooses how long a test waits
    ) -> JournalEntry:
        """Return the newest entry of `operation` once `n` were answered since the start or `clear`.

        Raises:
            TimeoutError: fewer were answered within `timeout` seconds of real time.
        """
        await self._wait(self._answered, operation, n, timeout)
        operations = _API if operation == "any" else (operation,)
        return _entry(next(line for line in reversed(tuple(self._lines)) if line[0] in operations))

    async def wait_for_arrival(
        self,
        operation: str = "any",
        n: int = 1,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - as above
    ) -> None:
        """Return once `n` requests of `operation` have arrived, delayed ones included.

        Raises:
            TimeoutError: fewer arrived within `timeout` seconds of real time.
        """
        await self._wait(self._arrived, operation, n, timeout)

    @contextmanager
    def only(self, *operations: str) -> Generator[Journal, None, None]:
        """Fail the test if a request in the block has another operation than `operations`.

        Without operations: if nothing was prepared for a request.

        Raises:
            AssertionError: there was such a request; the message shows it.
        """
        before = len(self._lines)
        dropped = _total(self._answered, "all") - before
        yield self
        gone = _total(self._answered, "all") - len(self._lines) - dropped
        for entry in self.entries[max(0, before - gone) :]:
            wrong = entry.operation not in operations if operations else entry.is_unexpected
            if wrong:
                raise AssertionError(f"unexpected {entry.method} {entry.path}: {entry}")

    def clear(self) -> None:
        """Delete every entry and count from 0 again."""
        self._lines.clear()
        self._arrived.clear()
        self._answered.clear()

    def arrive(self, context: RequestContext) -> None:
        """Count the arrival of a request."""
        self._arrived[context.operation] += 1
        if self._waiters:
            self._wake()

    def add(self, context: RequestContext, status: int | None) -> None:
        """Add the entry of an answered request; only the first call for a request counts."""
        if context.journaled:
            return
        context.journaled = True
        request = context.request
        self._lines.append(
            (
                context.operation,
                context.api_key,
                status,
                context.request_id,
                self._clock.time(),
                request.method,
                request.raw_path,
                context.code,
                context.fault,
            )
        )
        self._answered[context.operation] += 1
        if self._waiters:
            self._wake()

    async def _wait(self, counter: Counter[str], operation: str, n: int, limit: float) -> None:
        waiter = _Waiter(counter, operation, n, asyncio.get_running_loop().create_future())
        # Registered before it looks, so that no request of another thread falls between.
        self._waiters.append(waiter)
        self._wake()
        try:
            async with asyncio.timeout(limit):
                await waiter.reached
        except builtins.TimeoutError as error:
            raise TimeoutError(
                f"{_total(counter, operation)} of {n} {operation} requests after {limit:g} s; "
                f"answered so far: {dict(self._answered) or 'none'}"
            ) from error
        finally:
            self._waiters.remove(waiter)

    def _wake(self) -> None:
        for waiter in tuple(self._waiters):
            if _total(waiter.counter, waiter.operation) >= waiter.n:
                resolve(waiter.reached)


def _total(counter: Counter[str], operation: str) -> int:
    if operation == "any":
        return sum(counter[name] for name in _API)
    return counter.total() if operation == "all" else counter[operation]


def _entry(line: _Line) -> JournalEntry:
    operation, api_key, status, request_id, at, method, raw_path, code, fault = line
    path = unquote(raw_path.partition("?")[0])
    return JournalEntry(
        operation, api_key, status, _masked(request_id), at, method, _masked(path), code, fault
    )


def _masked(text: str) -> str:
    # A client may put a secret into an address by mistake, and bytes that are no UTF-8.
    readable = text.encode("utf-8", "replace").decode()
    return _PRIVATE.sub("(masked)", readable)[:_PATH_LIMIT]
