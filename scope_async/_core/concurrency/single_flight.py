"""Single flight: concurrent callers with the same key share one call, safe under cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from scope_async._core.bounded_dict import BoundedDict
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.futures import running_loop
from scope_async._core.concurrency.home_loop import CHECK_INTERVAL, HomeLoop
from scope_async._core.foreign import ENDINGS, Panic

_MAX_INTERRUPTED = 1000

_NO_RESULT: Any = None

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class InFlightCall(msgspec.Struct, Generic[Result], eq=False):
    """A call in flight, shared by every caller that asked for the same key, in whichever event loop.

    Exactly one of three things is true once the call has ended: `result` holds what it
    returned, `error` what it raised, or `completed` is False because its task was cancelled or its
    event loop has ended. `failures` counts the attempts that failed and that another one follows;
    `first_error` is the error of the first of them.
    """

    name: str = ""
    home: HomeLoop | None = None
    result: Result = _NO_RESULT
    completed: bool = False
    error: Exception | None = None
    failures: int = 0
    first_error: Exception | None = None
    _ended: bool = False
    _waiters: list[asyncio.Future[None]] = []
    _early_waiters: list[asyncio.Future[None]] = []
    _watching: set[asyncio.AbstractEventLoop] = set()

    def wait(self, *, failures: int | None = None) -> asyncio.Future[None]:
        """Return a future that is done when the call has ended; cancelling it leaves the call alone.

        With `failures` it is done as soon as more attempts than these have failed, which may be earlier.
        Each caller has a future of its own: the `wait` of an `asyncio.Event` would be one more
        coroutine for each of ten thousand waiters.
        """
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        (self._waiters if failures is None else self._early_waiters).append(waiter)
        # Looked at last: another thread may end the call at any moment.
        if self._ended or (failures is not None and self.failures > failures):
            if not waiter.done():
                waiter.set_result(None)
        elif self.home is not None and self.home.loop is not loop and loop not in self._watching:
            self._watching.add(loop)
            self._watch(loop)
        return waiter

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the call if its event loop has ended, which wakes no waiter by itself; else look again soon."""
        if self._ended or self.home is None:
            return
        if self.home.check():
            loop.call_later(CHECK_INTERVAL, self._watch, loop)
        else:
            self.end()

    def report_attempt_failure(self, error: Exception) -> None:
        """Note that an attempt failed and another one follows; wakes the early waiters."""
        if self.first_error is None:
            self.first_error = error
        self.failures += 1
        early_waiters, self._early_waiters = self._early_waiters, []
        _wake(early_waiters)

    @property
    def ended(self) -> bool:
        """True once its waiters were woken, whatever the outcome."""
        return self._ended

    def end(self) -> None:
        """Wake all waiters, each in its own event loop, whatever the outcome."""
        self._ended = True
        waiters, self._waiters, self._early_waiters = self._waiters + self._early_waiters, [], []
        _wake(waiters)


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    if not waiters:
        return
    current = running_loop()
    others: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        loop = waiter.get_loop()
        if loop is not current:
            others.setdefault(loop, []).append(waiter)
        elif not waiter.done():
            waiter.set_result(None)
    for loop, theirs in others.items():
        with suppress(RuntimeError):  # closed: there are no waiters in it any more
            loop.call_soon_threadsafe(_wake, theirs)


class SingleFlight(Generic[Key, Result]):
    """Runs at most one call per key at a time, in the tasks of `background`.

    Callers wait on futures of their own, never on the shared task: it belongs to the client, so
    that cancelling a caller, first or last, changes nothing for the others. They may be in any
    event loop; when the loop of a call ends, its waiters are woken, and may `join` again.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._calls: dict[Key, InFlightCall[Result]] = {}
        self._interrupted: BoundedDict[Key, None] = BoundedDict(_MAX_INTERRUPTED)
        # A call whose task is cancelled before its first step cannot wake its waiters itself.
        background.on_stopped(self.cancel_all)

    def in_flight(self, key: Key) -> bool:
        """Return True if a call for `key` is in flight; callable without a running event loop."""
        return key in self._calls

    def was_interrupted(self, key: Key) -> bool:
        """Return True if the last call for `key` ended with its event loop; callable from any thread."""
        return key in self._interrupted

    def find_call(self, key: Key) -> InFlightCall[Result] | None:
        """Return the call in flight for `key`; None if there is none, or its event loop has ended."""
        return self._calls.get(key) if self._background.running else None

    def join(
        self, key: Key, function: Callable[[], Awaitable[Result]], name: str = ""
    ) -> InFlightCall[Result]:
        """Return the call in flight for `key`; without one, start `function` as a call called `name`.

        Raises:
            ClientClosedError: the tasks were closed.
        """
        home = self._background.ensure()
        in_flight = self._calls.get(key)
        if in_flight is not None and not in_flight.ended:
            return in_flight
        if in_flight is not None:
            self._forget(key, in_flight)
        call: InFlightCall[Result] = InFlightCall(name, home)
        # One step, so that of two threads only one begins the call.
        in_flight = self._calls.setdefault(key, call)
        if in_flight is not call:
            return in_flight
        try:
            home.spawn(self._run_call, key, function, call)
        except RuntimeError:
            self._forget(key, call)
            call.end()
            if home.usable:
                raise
            return self.join(key, function, name)  # that loop was closed a moment ago
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
        except ENDINGS:
            raise
        except BaseException as error:  # noqa: BLE001 - the same
            call.error = Panic(error)
            call.completed = True
        finally:
            self._note_end(key, completed=call.completed)
            self._forget(key, call)
            call.end()

    def _note_end(self, key: Key, *, completed: bool) -> None:
        if not completed:
            self._interrupted[key] = None
        elif self._interrupted:
            self._interrupted.pop(key, None)

    def _forget(self, key: Key, call: InFlightCall[Result]) -> None:
        if self._calls.get(key) is call:
            self._calls.pop(key, None)

    def cancel_all(self) -> None:
        """Wake the waiters of all calls now, and forget the calls."""
        calls, self._calls = self._calls, {}
        for key, call in list(calls.items()):
            self._note_end(key, completed=call.completed)
            call.end()
