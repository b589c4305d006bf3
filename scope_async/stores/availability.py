"""Availability of the store: bounds every operation in time, and skips a store that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from scope_async._core.clock import Clock
from scope_async._core.episode import Episode
from scope_async._core.foreign import isolate
from scope_async._core.redaction import scrub
from scope_async.stores.protocol import StoreUnavailableError
from scope_async.stores.wait_budget import CALLERS_BUDGET, QUICK, TOO_LITTLE, WaitBudget

_logger = logging.getLogger("scope_async.stores")

Result = TypeVar("Result")

OPERATION_TIMEOUT = 0.5
"""Seconds after which an operation that no caller waits for counts as failed."""

_PROBE_DELAYS = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two probes of a store that is down; the last one repeats."""


@attrs.frozen
class StoreStatus:
    """Whether the store can be used, and if not for how many seconds and why."""

    available: bool
    down_for: float | None = None
    last_error: str | None = None


class Availability:
    """A circuit breaker: the first failure opens it, a probe in the background closes it.

    While it is open every operation fails at once, so that no caller waits for a store that is
    down, or so slow that callers have spent their `WaitBudget` on it. An outage is one episode of
    the log. Not safe across event loops.
    """

    def __init__(
        self, *, clock: Clock, rng: Callable[[], float], on_change: Callable[[StoreStatus], None]
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._on_change = on_change
        self._down_since: float | None = None
        self._error = ""
        self._outage = Episode(_logger, clock, "the shared store cannot be used")
        self._budget = WaitBudget(clock.monotonic)
        self.leave_loop()

    def status(self) -> StoreStatus:
        if self._down_since is None:
            return StoreStatus(available=True)
        return StoreStatus(
            available=False, down_for=self._clock.monotonic() - self._down_since, last_error=self._error
        )

    async def call(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Return what the operation returns; for an operation that no caller waits for.

        Raises:
            StoreUnavailableError: it failed, took longer than its bound, or was not tried.
        """
        return await self._call(operation, OPERATION_TIMEOUT)

    async def call_for_caller(
        self,
        operation: Callable[[], Awaitable[Result]],
        *,
        at_most: float = CALLERS_BUDGET,
        is_free: Callable[[Result], bool] = lambda _: False,
    ) -> Result:
        """Return what the operation returns, within what callers may still wait for the store.

        That is never more than `at_most` seconds. A result that `is_free` is not charged to the
        budget, since its caller had to wait in any case.

        Raises:
            StoreUnavailableError: as `call`.
        """
        left = self._budget.left()
        if left < TOO_LITTLE:
            self.failed(StoreUnavailableError(f"slow: callers have waited {CALLERS_BUDGET:g} s for it"))
        with self._budget.waiting() as wait:
            result = await self._call(operation, min(left, at_most))
            wait.free = is_free(result)
        return result

    async def _call(self, operation: Callable[[], Awaitable[Result]], within: float) -> Result:
        if self._down_since is not None:
            raise StoreUnavailableError(self._error)
        try:
            return await _bounded(operation, within)
        except StoreUnavailableError as error:
            self.failed(error)
            raise

    def failed(self, error: Exception) -> None:
        """Stop asking the store until a probe succeeds."""
        if self._down_since is not None:
            return
        self._down_since = self._clock.monotonic()
        self._error = str(error)
        self._came_back.clear()
        self._went_down.set()
        self._outage.occurred("failed operations", "going on without it: %s", error)
        self._on_change(self.status())

    def leave_loop(self) -> None:
        """Forget the waiters, whose event loop has ended."""
        self._went_down, self._came_back = asyncio.Event(), asyncio.Event()
        self._budget.reset()
        if self._down_since is None:
            self._came_back.set()
        else:
            self._went_down.set()

    async def wait_until_available(self) -> None:
        """Return when the store can be used again, at once if it can be."""
        await self._came_back.wait()

    async def probe_when_down(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Run `probe` until it succeeds, whenever the store is down. Does not return."""
        while True:
            await self._went_down.wait()
            attempt = 0
            while self._down_since is not None:
                delay = _PROBE_DELAYS[min(attempt, len(_PROBE_DELAYS) - 1)]
                # A fleet that lost its store together does not come back in step.
                await self._clock.sleep(delay * (0.5 + self._rng()))
                attempt += 1
                try:
                    await _bounded(probe, OPERATION_TIMEOUT)
                    # The first one may have opened a connection; what is slow now is the store.
                    await _bounded(probe, QUICK)
                except StoreUnavailableError as error:
                    self._error = str(error)
                    self._outage.occurred("failed probes", "going on without it: %s", error)
                else:
                    self._recovered()

    def _recovered(self) -> None:
        since, self._down_since = self._down_since, None
        self._went_down.clear()
        self._came_back.set()
        self._budget.reset()
        if since is not None:
            down_for = self._clock.monotonic() - since
            self._outage.recovered()
            self._on_change(StoreStatus(available=True, down_for=down_for))


async def _bounded(operation: Callable[[], Awaitable[Result]], within: float) -> Result:
    bound = asyncio.timeout(within)
    try:
        async with bound:
            return await isolate(operation())
    except TimeoutError as error:
        if bound.expired():
            raise StoreUnavailableError(f"no answer within {within:.1f} s") from None
        raise StoreUnavailableError(_reason(error)) from error
    except Exception as error:
        raise StoreUnavailableError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what failed as one printable line: an engine quotes what its server wrote."""
    return f"{type(error).__name__}: {scrub(str(error))}"
