from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from scope_async._core.concurrency.threads import SharedThread, run_in_thread


async def test_run_in_thread_needs_no_shared_pool() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as full:
        asyncio.get_running_loop().set_default_executor(full)
        full.submit(release.wait, 20)
        thread = await run_in_thread(threading.current_thread)
        release.set()
    assert thread.daemon


async def test_run_in_thread_raises_without_the_frames_that_hold_secrets() -> None:
    def fail() -> None:
        secret = "secret_1"
        try:
            int(secret)
        except ValueError as error:
            raise ValueError("failed") from error

    with pytest.raises(ValueError, match="failed") as caught:
        await run_in_thread(fail)
    frames = []
    trace = caught.value.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "fail" not in frames
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__traceback__ is None


async def test_shared_thread_runs_once_for_all_who_wait() -> None:
    release, calls = threading.Event(), []

    def work() -> int:
        calls.append(1)
        release.wait(20)
        return len(calls)

    shared = SharedThread(work)
    waiting = [asyncio.create_task(shared()) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    release.set()
    assert await asyncio.gather(*waiting[1:]) == [1, 1, 1, 1]
    assert await shared() == 2
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_shared_thread_starts_anew_in_a_forked_child(monkeypatch) -> None:
    release = threading.Event()
    shared = SharedThread(lambda: release.wait(20) and threading.get_ident())
    parents = asyncio.create_task(shared())
    await asyncio.sleep(0)
    monkeypatch.setattr(os, "getpid", Mock(return_value=os.getpid() + 1))
    childs = asyncio.create_task(shared())
    await asyncio.sleep(0)
    release.set()
    assert await parents != await childs
