from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from scope_async._core.threads import LoopThread, SharedThread, run_in_thread


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


@pytest.fixture
def thread():
    thread = LoopThread("test")
    yield thread
    thread.close()


async def where() -> tuple[asyncio.AbstractEventLoop, str]:
    return asyncio.get_running_loop(), threading.current_thread().name


def test_loop_thread_runs_all_calls_in_one_loop(thread) -> None:
    loop, name = thread.submit(where).result()
    assert name == "test"
    assert asyncio.run(thread.run(where)) == (loop, name)


def test_loop_thread_makes_the_coroutine_in_the_thread(thread) -> None:
    def make():
        assert threading.current_thread().name == "test"
        return where()

    assert thread.submit(make).result()[1] == "test"


def test_loop_thread_logs_nothing_of_a_cancelled_call_that_then_fails(thread, caplog) -> None:
    begun, failed = threading.Event(), threading.Event()

    async def fail_when_cancelled() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            failed.set()
            raise OSError("the connection broke")

    future = thread.submit(fail_when_cancelled)
    begun.wait(20)
    future.cancel()
    failed.wait(20)
    for _ in range(2):
        thread.submit(where).result(20)
    del future
    gc.collect()
    assert not caplog.records


def test_loop_thread_cancels_what_runs_when_it_is_closed(thread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    thread.submit(forever)
    assert begun.wait(5)
    thread.close()
    thread.close()
    assert cancelled.is_set()
    assert not thread.is_running
