"""Hands events to the hooks without ever hurting or delaying a call."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from scope_async._background import Background
from scope_async.errors import ClientClosedError
from scope_async.telemetry.events import Event, Hook

_logger = logging.getLogger("scope_async.telemetry")


class Dispatcher:
    """Calls each hook with each event; coroutines that they return run in the background.

    A hook that raises is logged once, and goes on being called.
    """

    def __init__(self, hooks: Iterable[Hook], background: Background) -> None:
        self._hooks = tuple(hooks)
        self._background = background
        self._reported: set[int] = set()

    @property
    def observed(self) -> bool:
        """False when nobody listens, so that events need not be made."""
        return bool(self._hooks)

    def __call__(self, event: Event, /) -> None:
        for hook in self._hooks:
            try:
                outcome = hook(event)
                if inspect.iscoroutine(outcome):
                    self._finish_later(hook, outcome)
            except Exception as error:  # noqa: BLE001 - a hook must never hurt a call
                self._report(hook, error)

    def _finish_later(self, hook: Hook, outcome: Coroutine[Any, Any, None]) -> None:
        try:
            self._background.spawn(self._finish, hook, outcome)
        except ClientClosedError:
            # Nobody is left to run it.
            outcome.close()

    async def _finish(self, hook: Hook, outcome: Coroutine[Any, Any, None]) -> None:
        try:
            await outcome
        except Exception as error:  # noqa: BLE001 - as above
            self._report(hook, error)

    def _report(self, hook: Hook, error: Exception) -> None:
        if id(hook) not in self._reported:
            self._reported.add(id(hook))
            _logger.error("the hook %r raised and will be called further", hook, exc_info=error)
