"""One call under way per key, shared by all who ask meanwhile, safe under cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from scope_async._core.background import Background

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class InFlightCall(Generic[Result]):
    """One shared call: its outcome, and those who wait for its end, whatever that is.

    Exactly one of three things is true once the call has ended: `result` holds what it
    returned, `error` what it raised, or `completed` is False since it was killed. `trouble` is
    what it ran into first, if it told; it may end well all the same.
    """

    __slots__ = (
        "_early_waiters",
        "_ended",
        "_loop",
        "_waiters",
        "completed",
        "error",
        "name",
        "result",
        "trouble",
    )

    result: Result

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[None]] = []
        self._early_waiters: list[asyncio.Future[None]] = []
        self._ended = False
        self.completed = False
        self.error: Exception | None = None
        self.trouble: Exception | None = None

    def wait(self, *, until_trouble: bool = False) -> asyncio.Future[None]:
        """Return a future of the caller's own that is done at the end; cancelling it leaves the call alone.

        With `until_trouble` it is done as soon as there is trouble, which may be before the end.
        Not an `asyncio.Event`, whose `wait` is one more coroutine for each of ten thousand waiters.
        """
        waiter = self._loop.create_future()
        if self._ended or (until_trouble and self.trouble is not None):
            waiter.set_result(None)
        else:
            (self._early_waiters if until_trouble else self._waiters).append(waiter)
        return waiter

    def tell(self, trouble: Exception) -> None:
        """Wake those who wait until there is trouble; the call goes on."""
        if self.trouble is None:
            self.trouble = trouble
            early_waiters, self._early_waiters = self._early_waiters, []
            _wake(early_waiters)

    def end(self) -> None:
        """Wake all waiters, whatever the outcome; in a closed event loop there are none."""
        self._ended = True
        waiters, self._waiters, self._early_waiters = self._waiters + self._early_waiters, [], []
        if not self._loop.is_closed():
            _wake(waiters)


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


class SingleFlight(Generic[Key, Result]):
    """Runs at most one call per key at a time, in the tasks of `background`.

    No caller ever awaits the shared task itself: it belongs to the client, so that
    cancelling a caller, first or last, changes nothing for the others.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._flights: dict[Key, InFlightCall[Result]] = {}
        # Also the waiters of a call that was killed before its first step must wake.
        background.on_stopped(self.cancel_all)

    def in_flight(self, key: Key) -> bool:
        return key in self._flights

    def find(self, key: Key) -> InFlightCall[Result] | None:
        """Return the flight for `key`, unless its tasks are gone; call it from a running loop."""
        return self._flights.get(key) if self._background.running else None

    def join(self, key: Key, call: Callable[[], Awaitable[Result]], name: str = "") -> InFlightCall[Result]:
        """Return the flight for `key`, starting `call` when none is under way; it is then called `name`.

        Raises:
            ClientClosedError: the tasks were closed.
        """
        self._background.ensure()
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = InFlightCall(name)
            self._background.spawn(self._run_call, key, call, flight)
        return flight

    def tell(self, key: Key, trouble: Exception) -> None:
        """Tell the flight for `key` what its call has run into."""
        flight = self._flights.get(key)
        if flight is not None:
            flight.tell(trouble)

    async def _run_call(
        self, key: Key, call: Callable[[], Awaitable[Result]], flight: InFlightCall[Result]
    ) -> None:
        try:
            flight.result = await call()
            flight.completed = True
        except Exception as error:  # noqa: BLE001 - handed to every waiter
            flight.error = error
            flight.completed = True
        finally:
            self._forget(key, flight)
            flight.end()

    def cancel_all(self) -> None:
        """Wake the waiters of all flights, now, and forget the flights."""
        flights, self._flights = self._flights, {}
        for flight in flights.values():
            flight.end()

    def _forget(self, key: Key, flight: InFlightCall[Result]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
