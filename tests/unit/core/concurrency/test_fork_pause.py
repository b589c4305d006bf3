from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from scope_async._core.concurrency.loop_thread import LoopThread
from scope_async._core.inherited import fork_safe_lock
from scope_async.sync.loop_thread import EventLoopThread

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


class Client:
    async def aclose(self) -> None:
        """Has nothing to close."""


@pytest.mark.parametrize("thread", [LoopThread("tested"), EventLoopThread()], ids=["core", "sync"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fork_leaves_no_lock_of_a_loops_step_to_the_child(thread) -> None:
    """As that of a module which is being imported, which nothing would release in the child."""
    lock, locked = threading.Lock(), threading.Event()

    def hold_the_lock() -> None:
        with lock:
            locked.set()
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                """As an import does, it works."""

    async def step() -> None:
        asyncio.get_running_loop().call_soon(hold_the_lock)
        await asyncio.sleep(0)

    call = thread.submit(step) if isinstance(thread, LoopThread) else thread.submit(Client(), step)
    assert locked.wait(5)
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=0.5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    call.result(timeout=5)
    thread.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fork_takes_our_locks_once_the_loops_wait() -> None:
    thread, lock, begun, ended = LoopThread("tested"), fork_safe_lock(), threading.Event(), threading.Event()

    def take_the_lock() -> None:
        begun.set()
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            """The fork begins."""
        with lock:
            ended.set()

    async def step() -> None:
        asyncio.get_running_loop().call_soon(take_the_lock)

    thread.submit(step)
    assert begun.wait(5)
    child = os.fork()
    if child == 0:
        os._exit(0)
    had_ended = ended.is_set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.close()
    assert had_ended
