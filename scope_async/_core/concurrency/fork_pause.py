"""Event loops of our own threads wait between two steps while another thread forks.

A thread that is cut off in the middle of an import leaves that module's lock to the forked child, where
nothing ever releases it: the first import of the module hangs there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import os
import threading
from contextlib import suppress
from weakref import WeakKeyDictionary

from scope_async._core import inherited

_FIRST = (concurrent.futures.thread, inherited)
"""Modules that take locks before a fork, which a step of a loop may need. They have to be imported before
this one: hooks run in the reverse order, and the loops must wait already when these locks are taken."""

_PATIENCE = 1.0
"""Seconds that a fork waits for the loops: for a short import, and no longer for one that is stuck."""

_LIMIT = 5.0
"""Seconds after which a loop goes on in any case."""

_threads: WeakKeyDictionary[asyncio.AbstractEventLoop, threading.Thread] = WeakKeyDictionary()
_forking = threading.local()


def pause_while_forking(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Have `loop`, which runs in `thread`, wait between two of its steps whenever another thread forks."""
    _threads[loop] = thread


def _before() -> None:
    _forking.over = over = threading.Event()
    held = [
        paused
        for loop, thread in list(_threads.items())
        if thread is not threading.current_thread() and (paused := _pause(loop, over)) is not None
    ]
    for paused in held:
        paused.wait(_PATIENCE)


def _pause(loop: asyncio.AbstractEventLoop, over: threading.Event) -> threading.Event | None:
    """Have the loop wait for `over`; return what is set once it does, None if it is closed."""
    paused = threading.Event()

    def wait() -> None:
        paused.set()
        over.wait(_LIMIT)

    with suppress(RuntimeError):  # closed
        loop.call_soon_threadsafe(wait)
        return paused if loop.is_running() else None
    return None


def _after_in_parent() -> None:
    _forking.over.set()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_threads.clear)
