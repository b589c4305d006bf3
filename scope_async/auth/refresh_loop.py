"""The background task that renews the token before it expires."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from scope_async._core.clock import Clock, SuspendDetector
from scope_async._core.concurrency.futures import running_loop
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.token import HeldToken

_EARLY = 0.1
"""Seconds; a sleep that ends less than this before its time is due to a timer's coarseness."""


class RefreshLoop:
    """Sleeps until the next exchange is due by `policy`, awaits `renew`, and starts again.

    Ends when the source was closed. Calls `on_suspended` when the machine
    was suspended during a sleep, because the token is older than it looks then.
    """

    def __init__(
        self,
        clock: Clock,
        policy: RefreshPolicy,
        *,
        held: HeldToken,
        renew: Callable[[], Awaitable[None]],
        on_suspended: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._policy = policy
        self._held = held
        self._renew = renew
        self._on_suspended = on_suspended
        self._sleeping: anyio.CancelScope | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Look again at when an exchange is due, because that has changed; call it in the loop of `run`."""
        # After a move it may still be the sleep of another event loop.
        if self._sleeping is not None and self._loop is running_loop():
            self._sleeping.cancel()

    async def run(self) -> None:
        """Run until the source is closed."""
        while not self._held.closed:
            delay = self._policy.due_at(self._held.token) - self._clock.monotonic()
            if delay > 0:
                await self._sleep(delay)
            else:
                await self._renew()

    async def _sleep(self, seconds: float) -> None:
        clock = self._clock
        detector, ends_at = SuspendDetector(clock), clock.monotonic() + seconds
        noticed = False
        sleeping = anyio.CancelScope()
        self._sleeping, self._loop = sleeping, asyncio.get_running_loop()
        with sleeping:
            await clock.sleep(seconds)
            # The clock ends a sleep early only when it noticed a suspension, also one that the
            # detector does not see because the wall clock was set back earlier in this sleep.
            noticed = clock.monotonic() < ends_at - _EARLY
        if self._sleeping is sleeping:
            self._sleeping = None
        if noticed or detector.suspended():
            self._on_suspended()
