"""Changes in a namespace: for waiters of one entry, and for subscribers to all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing

from scope_async._core.clock import Clock
from scope_async._core.foreign import isolate
from scope_async.stores.availability import Availability
from scope_async.stores.protocol import Change, SharedStore

_LOOK_AGAIN = 0.25
"""Seconds that a waiter waits at most: a store that has stopped reports no change."""

_RETRY_DELAY = 0.5
"""Seconds between two attempts to listen, spread by half."""


class ChangeFeed:
    """Listens to a namespace, again after each failure. Not safe across event loops."""

    def __init__(
        self,
        store: SharedStore,
        namespace: str,
        *,
        availability: Availability,
        clock: Clock,
        rng: Callable[[], float],
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._availability = availability
        self._clock = clock
        self._rng = rng
        self._waiters: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._subscribers: list[Callable[[Change], None]] = []

    def subscribe(self, subscriber: Callable[[Change], None]) -> None:
        """Call `subscriber` with each change, in order; it must neither wait nor raise."""
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """Listen. Does not return."""
        while True:
            try:
                await isolate(self._listen())
            except Exception as error:  # noqa: BLE001 - an engine may raise anything
                self._availability.failed(error)
            # A fleet that lost its store does not all ask for changes before it is known to be back.
            await self._availability.wait_until_available()
            await self._clock.sleep(_RETRY_DELAY * (0.5 + self._rng()))

    async def _listen(self) -> None:
        async with aclosing(self._store.changes(self._namespace)) as changes:
            async for change in changes:
                self._dispatch(change)

    def expect(self, name: str) -> asyncio.Future[None]:
        """Return a future that is done at the next change of this entry.

        Asked for before the entry is looked at, so that no change falls between.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[name].append(waiter)
        return waiter

    def forget(self, name: str, waiter: asyncio.Future[None]) -> None:
        """Give up a future of `expect`."""
        waiters = self._waiters.get(name, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(name, None)

    async def wait(self, waiter: asyncio.Future[None], *, at_most: float) -> None:
        """Return at the change, or after `at_most` seconds; also when it is time to look again."""
        bound = min(at_most, _LOOK_AGAIN)
        timer = asyncio.ensure_future(self._clock.sleep(bound * (1.0 + 0.1 * self._rng())))
        try:
            await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()

    def _dispatch(self, change: Change) -> None:
        names = [change.name] if change.kind in ("put", "deleted", "released") else list(self._waiters)
        for name in names:
            for waiter in self._waiters.pop(name, ()):
                if not waiter.done():
                    waiter.set_result(None)
        for subscriber in self._subscribers:
            subscriber(change)
