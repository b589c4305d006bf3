"""Calls telemetry hooks; a failing or slow hook never affects a request."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio

from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.environment import Environment
from scope_async.errors import ClientClosedError
from scope_async.telemetry.hooks import AttemptWrapper, Hook, PerClientHook, Propagator

if TYPE_CHECKING:
    from scope_async.telemetry.event import Event

_logger = logging.getLogger("scope_async.telemetry")

_MAX_PENDING = 10_000
"""Coroutines of hooks at a time: far more than a working hook has, far fewer than memory holds."""

_FINAL_TIMEOUT = 1.0
"""Seconds for the coroutines of the last event."""

_Result = Coroutine[Any, Any, None]
_Manager = AbstractContextManager[object]
_Wrapper = tuple[Hook, Callable[[str], _Manager | None]]


def hooks_for_client(hooks: Iterable[Hook], config: Config) -> tuple[Hook, ...]:
    """Return the hooks to call for one client: each `PerClientHook` gives one of its own."""
    return tuple(
        hook.for_client(base_url=config.base_url, environment=config.environment)
        if isinstance(hook, PerClientHook)
        else hook
        for hook in hooks
    )


def log_hooks() -> tuple[Hook, ...]:
    """Return the hooks that `SCOPE_LOG` asks for, which write to stderr.

    Without the variable it returns none and the log goes to the application's handlers alone.

    Raises:
        ConfigurationError: the variable names no level.
    """
    environment = Environment()
    level = environment.log_level()
    environment.check()
    if level is None:
        return ()
    from scope_async.telemetry.logging_hook import log_to_stderr  # noqa: PLC0415 - costs time to import

    return (log_to_stderr(level),)


class Dispatcher:
    """Calls each hook with each event; coroutines that they return run in the background.

    A hook that raises is logged once, and is called further. An async hook that falls ten thousand
    events behind misses the next ones, which is logged once, too.
    """

    def __init__(self, hooks: Iterable[Hook], background: Background) -> None:
        self._hooks = tuple(hooks)
        self._injectors = tuple((hook, hook.inject) for hook in self._hooks if isinstance(hook, Propagator))
        self._wrappers: tuple[_Wrapper, ...] = tuple(
            (hook, hook.around_attempt) for hook in self._hooks if isinstance(hook, AttemptWrapper)
        )
        self._background = background
        self._pending = 0
        self._reported: set[int] = set()
        self._late: set[int] = set()

    @property
    def has_hooks(self) -> bool:
        """True if there are hooks, without which events need not be made."""
        return bool(self._hooks)

    def __call__(self, event: Event, /) -> None:
        """Call every hook with `event`; never raises."""
        for hook in self._hooks:
            result = self._call(hook, event)
            if result is not None:
                self._spawn(hook, result)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        """Let the hooks that can (`Propagator`) add headers to a request; never raises."""
        for hook, inject in self._injectors:
            try:
                inject(request_id, headers)
            except Exception as error:  # noqa: BLE001 - a failing hook never affects a request
                self.report(hook, error)

    def around_attempt(self, request_id: str, /) -> AbstractContextManager[object] | None:
        """Return what the hooks that can (`AttemptWrapper`) put around an attempt; it never raises."""
        return _WrappedAttempt(self, request_id, self._wrappers) if self._wrappers else None

    async def emit_final(self, event: Event) -> None:
        """Emit the last event, and wait at most one second for the coroutines of async hooks."""
        results = [(hook, result) for hook in self._hooks if (result := self._call(hook, event)) is not None]
        try:
            with anyio.move_on_after(_FINAL_TIMEOUT):
                async with anyio.create_task_group() as group:
                    for hook, result in results:
                        group.start_soon(self._run, hook, result)
        finally:
            for _, result in results:
                result.close()

    def _call(self, hook: Hook, event: Event) -> _Result | None:
        try:
            result = hook(event)
        # Nothing is awaited here, so a CancelledError is the hook's own.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a failing hook never affects a request
            self.report(hook, error)
            return None
        return result if inspect.iscoroutine(result) else None

    def _spawn(self, hook: Hook, result: _Result) -> None:
        if self._pending >= _MAX_PENDING:
            result.close()
            if id(hook) not in self._late:
                self._late.add(id(hook))
                _logger.error("the hook %r is too slow; events are kept from it", hook)
            return
        try:
            self._background.spawn(self._run_pending, hook, result)
        except (ClientClosedError, RuntimeError):
            # Nothing can run it any more: the client is closed, or the event loop is.
            result.close()
        else:
            self._pending += 1

    async def _run_pending(self, hook: Hook, result: _Result) -> None:
        try:
            await self._run(hook, result)
        finally:
            self._pending -= 1

    async def _run(self, hook: Hook, result: _Result) -> None:
        try:
            await result
        except asyncio.CancelledError as error:
            # What the hook awaited was cancelled. Passed on, it would end the client's task group.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self.report(hook, error)
        except Exception as error:  # noqa: BLE001 - as above
            self.report(hook, error)

    def report(self, hook: Hook, error: BaseException) -> None:
        """Log once that `hook` raised `error`."""
        if id(hook) not in self._reported:
            self._reported.add(id(hook))
            _logger.error("the hook %r raised and will be called further", hook, exc_info=error)


class _WrappedAttempt:
    """The context managers of all hooks as one, which neither raises nor swallows anything."""

    __slots__ = ("_dispatcher", "_entered", "_request_id", "_wrappers")

    def __init__(self, dispatcher: Dispatcher, request_id: str, wrappers: tuple[_Wrapper, ...]) -> None:
        self._dispatcher = dispatcher
        self._request_id = request_id
        self._wrappers = wrappers
        self._entered: list[tuple[Hook, _Manager]] = []

    def __enter__(self) -> None:
        for hook, around in self._wrappers:
            try:
                manager = around(self._request_id)
                if manager is not None:
                    manager.__enter__()
                    self._entered.append((hook, manager))
            except Exception as error:  # noqa: BLE001 - a failing hook never affects a request
                self._dispatcher.report(hook, error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for hook, manager in reversed(self._entered):
            try:
                manager.__exit__(kind, error, traceback)
            except Exception as raised:  # noqa: BLE001 - a failing hook never affects a request
                self._dispatcher.report(hook, raised)
