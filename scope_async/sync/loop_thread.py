"""The one thread of a process in which the synchronous clients' event loop runs."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import selectors
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from scope_async._core.concurrency.fork_pause import pause_while_forking
from scope_async._core.concurrency.loop_thread import call_in_loop
from scope_async._core.inherited import cut_off
from scope_async.errors import ClientClosedError

Result = TypeVar("Result")

_CLOSE_TIMEOUT = 5.0
"""Seconds in which the clients may close at exit; a snapshot may be on a file system that hangs."""

_CANCELLATION_TIMEOUT = 1.0
"""Seconds in which the tasks that are left may end once they are cancelled."""


class Closable(Protocol):
    """A client of the loop; hashed by identity."""

    async def aclose(self) -> None:
        """Close it, in the loop."""
        ...


class EventLoopThread:
    """A daemon thread with an event loop, started at the first need and again after a fork.

    What is in use at exit is closed then. In a forked child the parent's loop is cut off from its
    sockets and kept as it is: to destroy it would run the clean-up of the parent's calls there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.SelectorEventLoop | None = None
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._in_use: set[Closable] = set()
        self._kept: list[object] = []

    def submit(
        self, client: Closable, call: Callable[[], Coroutine[Any, Any, Result]]
    ) -> concurrent.futures.Future[Result]:
        """Run `call()` in the loop with a copy of the caller's `contextvars`; cancelling it ends it there.

        Raises:
            ClientClosedError: the interpreter is exiting.
        """
        loop = self._loop or self._start()
        self._in_use.add(client)
        coroutine = call_in_loop(call)
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:
            coroutine.close()
            if not loop.is_closed():
                raise  # that the caller's stack is full, for instance
            raise ClientClosedError("the interpreter is exiting") from error

    def forget(self, client: Closable) -> None:
        """Do not close a client at exit: it is closed."""
        self._in_use.discard(client)

    def answers(self, within: float) -> bool:
        """Return False if the loop is blocked for `within` seconds, or has ended."""
        turned = threading.Event()
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(turned.set)
        except RuntimeError:
            return False
        return turned.wait(within)

    def _start(self) -> asyncio.SelectorEventLoop:
        with self._lock:
            if self._loop is None:
                # Of a known kind whatever the policy: a child must be able to cut it off.
                self._selector = selectors.DefaultSelector()
                loop = asyncio.SelectorEventLoop(self._selector)
                self._kept = [self._selector]
                self._thread = threading.Thread(
                    target=_serve, args=(loop, self._kept), name="scope-async", daemon=True
                )
                pause_while_forking(loop, self._thread)
                self._thread.start()
                self._loop = loop
            return self._loop

    def close(self) -> None:
        """Close the clients that are in use and end the thread; a stuck loop is left to the exit."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        clients, self._in_use = list(self._in_use), set()
        with suppress(RuntimeError):  # closed already
            if self.answers(1.0):
                closing = asyncio.run_coroutine_threadsafe(_close_all(clients), loop)
                concurrent.futures.wait((closing,), _CLOSE_TIMEOUT + 2 * _CANCELLATION_TIMEOUT)
            # A task that ignores its cancellation is destroyed with the process.
            loop.call_soon_threadsafe(loop.set_exception_handler, _ignore)
            loop.call_soon_threadsafe(loop.stop)
        thread.join(1.0)
        if not thread.is_alive():
            loop.close()

    def after_fork(self) -> None:
        """Forget the parent's loop, in the child."""
        loop, selector, clients = self._loop, self._selector, tuple(self._in_use)
        self._lock, self._in_use = threading.Lock(), set()
        self._loop = self._selector = self._thread = None
        if loop is None or selector is None:
            return
        descriptor: Callable[[], int] | None = getattr(selector, "fileno", None)  # of an epoll
        epoll = [] if descriptor is None else [descriptor()]
        cut_off([*epoll, *(key.fd for key in selector.get_map().values())])
        loop.set_exception_handler(_ignore)
        self._kept.extend(clients)


async def _close_all(clients: list[Closable]) -> None:
    if clients:
        closings = [asyncio.ensure_future(client.aclose()) for client in clients]
        await asyncio.wait(closings, timeout=_CLOSE_TIMEOUT)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_CANCELLATION_TIMEOUT)


def _serve(loop: asyncio.SelectorEventLoop, _kept: list[object]) -> None:
    # In a forked child this frame stays for good, and with it the loop and `_kept`: what belongs to the
    # parent is never finalized there, and so neither cleaned up nor reported as unclosed.
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report nothing of a loop that is the parent's, or is over."""


LOOP_THREAD = EventLoopThread()
"""Of this process, shared by all synchronous clients."""

atexit.register(LOOP_THREAD.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=LOOP_THREAD.after_fork)
