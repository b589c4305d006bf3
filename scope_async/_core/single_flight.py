"""Single flight: concurrent callers with the same key share one call, safe under cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from scope_async._core.background import Background

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class InFlightCall(Generic[Result]):
    """A call in flight, shared by every caller that asked for the same key.

    Exactly one of three things is true once the call has ended: `result` holds what it
    returned, `error` what it raised, or `completed` is False because its task was cancelled.
    `first_error` is the error of a failed first attempt; a later attempt may still succeed.
    """

    __slots__ = (
        "_early_waiters",
        "_ended",
        "_loop",
        "_waiters",
        "completed",
        "error",
        "first_error",
        "name",
        "result",
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
        self.first_error: Exception | None = None

    def wait(self, *, until_first_error: bool = False) -> asyncio.Future[None]:
        """Return a future that is done when the call has ended; cancelling it leaves the call alone.

        With `until_first_error` it is done as soon as an attempt has failed, which may be earlier.
        Each caller has a future of its own: the `wait` of an `asyncio.Event` would be one more
        coroutine for each of ten thousand waiters.
        """
        waiter = self._loop.create_future()
        if self._ended or (until_first_error and self.first_error is not None):
            waiter.set_result(None)
        else:
            (self._early_waiters if until_first_error else self._waiters).append(waiter)
        return waiter

    def report_attempt_failure(self, error: Exception) -> None:
        """Note that an attempt failed and another one follows; wakes the early waiters the first time."""
        if self.first_error is None:
            self.first_error = error
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

    Callers wait on futures of their own, never on the shared task: it belongs to the client, so
    that cancelling a caller, first or last, changes nothing for the others.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._calls: dict[Key, InFlightCall[Result]] = {}
        # A call whose task is cancelled before its first step cannot wake its waiters itself.
        background.on_stopped(self.cancel_all)

    def in_flight(self, key: Key) -> bool:
        """Return True if a call for `key` is in flight; callable without a running event loop."""
        return key in self._calls

    def find_call(self, key: Key) -> InFlightCall[Result] | None:
        """Return the call in flight for `key`; None when its tasks are gone. Needs a running loop."""
        return self._calls.get(key) if self._background.running else None

    def join(
        self, key: Key, function: Callable[[], Awaitable[Result]], name: str = ""
    ) -> InFlightCall[Result]:
        """Return the call in flight for `key`; without one, start `function` as a call called `name`.

        Raises:
            ClientClosedError: the tasks were closed.
        """
        self._background.ensure()
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = InFlightCall(name)
            self._background.spawn(self._run_call, key, function, call)
        return call

    def report_attempt_failure(self, key: Key, error: Exception) -> None:
        """Report to the call in flight for `key` that an attempt of it failed."""
        call = self._calls.get(key)
        if call is not None:
            call.report_attempt_failure(error)

    async def _run_call(
        self, key: Key, function: Callable[[], Awaitable[Result]], call: InFlightCall[Result]
    ) -> None:
        try:
            call.result = await function()
            call.completed = True
        except Exception as error:  # noqa: BLE001 - handed to every waiter
            call.error = error
            call.completed = True
        finally:
            if self._calls.get(key) is call:
                del self._calls[key]
            call.end()

    def cancel_all(self) -> None:
        """Wake the waiters of all calls now, and forget the calls."""
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end()
