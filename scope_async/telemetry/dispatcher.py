"""Hands events to the hooks without ever hurting or delaying a call."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

import anyio

from scope_async._core.background import Background
from scope_async.errors import ClientClosedError
from scope_async.telemetry.events import Event, Hook, Propagator

_logger = logging.getLogger("scope_async.telemetry")

_MOST_UNDER_WAY = 10_000
"""Coroutines of hooks at a time: far more than a hook in order has, far less than memory holds."""

_LAST_WORDS = 1.0
"""Seconds in which the hooks may finish with the last event."""

_Outcome = Coroutine[Any, Any, None]


class Dispatcher:
    """Calls each hook with each event; coroutines that they return run in the background.

    A hook that raises is logged once, and goes on being called. An async hook that falls ten
    thousand events behind misses the next ones, which is logged once, too.
    """

    def __init__(self, hooks: Iterable[Hook], background: Background) -> None:
        self._hooks = tuple(hooks)
        self._injectors = tuple((hook, hook.inject) for hook in self._hooks if isinstance(hook, Propagator))
        self._background = background
        self._under_way = 0
        self._reported: set[int] = set()
        self._late: set[int] = set()

    @property
    def has_hooks(self) -> bool:
        """False when nobody listens, so that events need not be made."""
        return bool(self._hooks)

    def __call__(self, event: Event, /) -> None:
        for hook in self._hooks:
            outcome = self._call(hook, event)
            if outcome is not None:
                self._finish_later(hook, outcome)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        """Let the hooks that can (`Propagator`) add headers to a request; never raises."""
        for hook, inject in self._injectors:
            try:
                inject(request_id, headers)
            except Exception as error:  # noqa: BLE001 - a hook must never hurt a call
                self._report(hook, error)

    async def last(self, event: Event) -> None:
        """Hand over the event that nothing follows; async hooks have one second to finish with it."""
        outcomes = [
            (hook, outcome) for hook in self._hooks if (outcome := self._call(hook, event)) is not None
        ]
        try:
            with anyio.move_on_after(_LAST_WORDS):
                async with anyio.create_task_group() as group:
                    for hook, outcome in outcomes:
                        group.start_soon(self._finish, hook, outcome)
        finally:
            for _, outcome in outcomes:
                outcome.close()

    def _call(self, hook: Hook, event: Event) -> _Outcome | None:
        try:
            outcome = hook(event)
        # Nothing is awaited here, so a CancelledError is the hook's own.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a hook must never hurt a call
            self._report(hook, error)
            return None
        return outcome if inspect.iscoroutine(outcome) else None

    def _finish_later(self, hook: Hook, outcome: _Outcome) -> None:
        if self._under_way >= _MOST_UNDER_WAY:
            outcome.close()
            if id(hook) not in self._late:
                self._late.add(id(hook))
                _logger.error("the hook %r is too slow; events are kept from it", hook)
            return
        try:
            self._background.spawn(self._finish_one, hook, outcome)
        except (ClientClosedError, RuntimeError):
            # Nobody is left to run it: the client is closed, or the event loop is.
            outcome.close()
        else:
            self._under_way += 1

    async def _finish_one(self, hook: Hook, outcome: _Outcome) -> None:
        try:
            await self._finish(hook, outcome)
        finally:
            self._under_way -= 1

    async def _finish(self, hook: Hook, outcome: _Outcome) -> None:
        try:
            await outcome
        except asyncio.CancelledError as error:
            # What the hook awaited was cancelled. Passed on, it would end the client's task group.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._report(hook, error)
        except Exception as error:  # noqa: BLE001 - as above
            self._report(hook, error)

    def _report(self, hook: Hook, error: BaseException) -> None:
        if id(hook) not in self._reported:
            self._reported.add(id(hook))
            _logger.error("the hook %r raised and will be called further", hook, exc_info=error)
