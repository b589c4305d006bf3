"""The background task that renews the token before it expires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from scope_async._core.clock import Clock, SuspendDetector

_EARLY = 0.1
"""Seconds before its time at which a sleep ended early, and not by a timer's coarseness."""


class RefreshLoop:
    """Sleeps until the next exchange is due, has it made, and starts again.

    Ends when `due_at` says None: the source was closed.

    When the machine was suspended during a sleep, the token is older than it looks:
    `suspended` is called.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        due_at: Callable[[], float | None],
        renew: Callable[[], Awaitable[None]],
        suspended: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._due_at = due_at
        self._renew = renew
        self._suspended = suspended
        self._resting: anyio.CancelScope | None = None

    def wake(self) -> None:
        """Look at the schedule again, because it has changed."""
        if self._resting is not None:
            self._resting.cancel()

    async def run(self) -> None:
        while (due_at := self._due_at()) is not None:
            delay = due_at - self._clock.monotonic()
            if delay > 0:
                await self._rest(delay)
            else:
                await self._renew()

    async def _rest(self, seconds: float) -> None:
        clock = self._clock
        watch, ends_at = SuspendDetector(clock), clock.monotonic() + seconds
        noticed = False
        with anyio.CancelScope() as self._resting:
            await clock.sleep(seconds)
            # The clock ends a sleep early only when it noticed a suspension, also one that the
            # watch does not see because the wall clock was set back earlier in this rest.
            noticed = clock.monotonic() < ends_at - _EARLY
        self._resting = None
        if noticed or watch.suspended():
            self._suspended()
