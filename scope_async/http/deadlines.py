"""Deadlines of many calls, kept by one timer of their event loop."""

from __future__ import annotations

import asyncio
import builtins
import math
from types import TracebackType
from typing import Any

import msgspec


class Deadlines:
    """The deadlines of the calls that are under way in one event loop.

    Nearly every call ends long before its deadline. A timer for each would be pushed onto the loop's
    heap and cancelled for nothing, so there is one: when it is due it looks at all of them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[Deadline] = set()
        self._due_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float) -> Deadline:
        """Return a context, to be entered at once, that is over when the loop's clock shows `when`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can have a deadline")
        if when < self._due_at:
            self._set_timer(when)
        return Deadline(when, self._under_way, task, task.cancelling())

    def _set_timer(self, due_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_at, self._timer = due_at, self._loop.call_at(due_at, self._expire)

    def _expire(self) -> None:
        # A loop calls what is due within its clock's resolution, so perhaps a little early.
        now = max(self._loop.time(), self._due_at)
        self._due_at, self._timer = math.inf, None
        left = [deadline for deadline in self._under_way if not deadline.expired]
        for deadline in left:
            if deadline.when <= now:
                deadline.expire()
        next_at = min((deadline.when for deadline in left if not deadline.expired), default=None)
        if next_at is not None:
            self._set_timer(next_at)


class Deadline(msgspec.Struct, eq=False):
    """Cancels the task that entered it once it is due, and raises `TimeoutError` at its end.

    As `asyncio.timeout_at`: any other cancellation of the task passes through, also one at the same time.
    """

    when: float
    _under_way: set[Deadline]
    _task: asyncio.Task[Any]
    _cancelling: int
    expired: bool = False

    def __enter__(self) -> None:
        self._under_way.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._under_way.discard(self)
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise builtins.TimeoutError from error

    def expire(self) -> None:
        """Cancel the task."""
        self.expired = True
        self._task.cancel()
