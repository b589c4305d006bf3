"""The load of the demo: many coroutines that fetch and render a prompt."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Self

import attrs

from scope_async.client import ScopeClient
from scope_async.errors import ScopeError
from scope_async.telemetry.events import Event, TokenWaited

_PAUSE_AFTER_FAILURE = 0.1


class TokenWaits:
    """A hook that records how long requests waited for a token; in seconds."""

    def __init__(self) -> None:
        self.cold_start = 0.0
        self.longest = 0.0
        self.count = 0
        self._under_load = False

    def start_measuring(self) -> None:
        """Measure the load from now on; earlier waits belong to the cold start."""
        self._under_load = True

    def __call__(self, event: Event, /) -> None:
        if not isinstance(event, TokenWaited):
            return
        waited = event.duration_ms / 1000
        if self._under_load:
            self.count += 1
            self.longest = max(self.longest, waited)
        else:
            self.cold_start = max(self.cold_start, waited)


@attrs.frozen
class LoadStats:
    """The figures of the load so far."""

    seconds: float
    requests: int
    failures: int
    reasons: dict[str, int]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0


class Load:
    """Coroutines that fetch a prompt from the service and render it in a loop.

    `async with` starts them; leaving waits for the running request of each.
    """

    def __init__(self, scope: ScopeClient, prompt: str, *, concurrency: int) -> None:
        self._scope = scope
        self._prompt = prompt
        self._concurrency = concurrency
        self._requests = 0
        self._reasons: Counter[str] = Counter()
        self._stopping = False
        self._started = self._ended = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._started = time.monotonic()
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(self._concurrency)]
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        self._stopping = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ended = time.monotonic()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def stats(self) -> LoadStats:
        """Return the figures so far, without waiting."""
        until = self._ended or time.monotonic()
        failures = self._reasons.total()
        return LoadStats(until - self._started, self._requests, failures, dict(self._reasons))

    async def _work(self, number: int) -> None:
        values = {"name": f"coroutine {number}", "app": "Scope"}
        expected = f"Hello, coroutine {number}!"
        while not self._stopping:
            self._requests += 1
            try:
                # Without the cache every round is a request that needs a valid token.
                version = await self._scope.get_prompt_version(self._prompt, cache=False)
                if not version.render(values).startswith(expected):
                    self._reasons["wrong text"] += 1
            except ScopeError as error:
                self._reasons[f"{type(error).__name__}: {error}"[:200]] += 1
                await asyncio.sleep(_PAUSE_AFTER_FAILURE)
