from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from scope_async._core.concurrency.loop_thread import LoopThread


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
