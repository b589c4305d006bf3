"""The background tasks of a client, independent of the tasks that open and close it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from scope_async._core.concurrency.home_loop import CHECK_INTERVAL, HomeLoop
from scope_async._core.inherited import fork_safe_lock
from scope_async.errors import ClientClosedError

_logger = logging.getLogger("scope_async")

_Cleanup = Callable[[], Awaitable[None]]


class Background:
    """Background tasks with an owner: started and closed from any task, any number of times.

    They run in one event loop, the client's home, whichever loops the callers are in. If that loop
    has ended, is blocked, or was left behind by a fork, the next `ensure` or `spawn` moves the tasks
    to the caller's loop; after `aclose` only `start` does. Safe to use from any thread.

    Attributes:
        lock: guards what the threads of a client share.
    """

    def __init__(self) -> None:
        self._services: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._stop_callbacks: list[Callable[[], None]] = []
        self._cleanups: list[_Cleanup] = []
        self._home: HomeLoop | None = None
        self._abandoned: list[HomeLoop] = []
        self._closed = False
        self.lock = fork_safe_lock()

    @property
    def running(self) -> bool:
        """True while the tasks run, in whichever event loop."""
        home = self._home
        return home is not None and home.usable

    def add_service(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `function` as a long-lived task whenever the background is started. It must not return."""
        self._services.append(function)

    def add_cleanup(self, function: _Cleanup) -> None:
        """Await `function()` in the loop of the tasks when they have ended, for what belongs to that loop."""
        self._cleanups.append(function)

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the tasks have ended or were abandoned, whatever the reason."""
        self._stop_callbacks.append(callback)

    def start(self) -> None:
        """Start unless running, also after `aclose`; does not wait and does no I/O."""
        self._closed = False
        self.ensure()

    def ensure(self) -> HomeLoop:
        """Start unless running, and return where the tasks run.

        Raises:
            ClientClosedError: closed, and not started since.
            RuntimeError: not running, and there is no event loop to run in.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        home = self._home
        if home is not None and home.usable:
            return home
        asyncio.get_running_loop()
        with self.lock:
            if self._home is not None:
                if self._home.usable:  # another thread was faster
                    return self._home
                self._discard(self._home)
            home = self._home = HomeLoop(on_stopping=self._discard, cleanups=self._cleanups)
            for service in self._services:
                home.spawn(service)
        return home

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> HomeLoop:
        """Run `function(*args)` in the background, in an empty `contextvars.Context`.

        Raises:
            ClientClosedError: closed, and not started since.
            RuntimeError: not running, and there is no event loop to run in.
        """
        while True:
            home = self.ensure()
            try:
                home.spawn(function, *args)
            except RuntimeError:
                if home.usable:
                    raise
            else:
                return home

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call `callback` in the loop of the tasks; does nothing unless they run."""
        home = self._home
        if home is not None and home.usable:
            try:
                home.call_soon(callback)
            except RuntimeError:
                if home.usable:
                    raise

    async def aclose(self, grace: float = 5.0) -> None:
        """Cancel all tasks and wait until they have ended, at most `grace` seconds.

        Idempotent, and correct when called twice at once, from another event loop, or cancelled
        half-way: a later call waits for what is left.
        """
        self._closed = True
        home = self._home
        if home is None:
            return
        if home.is_of_this_process and home.loop.is_running():
            home.stop()
            await self._wait_for(home, grace)
        self._discard(home)

    async def _wait_for(self, home: HomeLoop, grace: float) -> None:
        ended = asyncio.wrap_future(home.finished)
        left = grace
        while not ended.done() and left > 0 and home.loop.is_running():
            await asyncio.wait({ended}, timeout=min(left, CHECK_INTERVAL))
            left -= CHECK_INTERVAL
        if not ended.done() and home.loop.is_running():
            _logger.warning("background tasks did not end within %.1f s of their cancellation", grace)

    def _discard(self, home: HomeLoop) -> None:
        with self.lock:
            if self._home is not home:
                return
            self._home = None
            if home.is_of_this_process:
                home.stop()
            else:
                # Destroying the parent's tasks would run their clean-up a second time here.
                self._abandoned.append(home)
            for callback in self._stop_callbacks:
                callback()
