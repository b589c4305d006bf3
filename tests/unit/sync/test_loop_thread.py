from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading

import pytest

from scope_async.sync.loop_thread import EventLoopThread


class Client:
    """A client that may take its time to close."""

    def __init__(self, *, hang: bool = False) -> None:
        self.closed = False
        self._hang = hang

    async def aclose(self) -> None:
        if self._hang:
            await asyncio.Event().wait()
        self.closed = True


async def current() -> threading.Thread:
    return threading.current_thread()


@pytest.fixture
def thread():
    made = EventLoopThread()
    yield made
    made.close()


def test_made_starts_nothing() -> None:
    before = threading.enumerate()
    EventLoopThread()
    assert threading.enumerate() == before


def test_submit_starts_one_daemon_thread_for_all_callers(thread) -> None:
    found: list[threading.Thread] = []
    clients = [Client() for _ in range(8)]
    callers = [
        threading.Thread(target=lambda client=client: found.append(thread.submit(client, current).result(20)))
        for client in clients
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert found[0].daemon
    assert found[0].name == "scope-async"


def test_submit_raises_what_the_loop_refuses_unless_it_is_closed(thread, monkeypatch) -> None:
    thread.submit(Client(), current).result()

    def full(*_: object) -> None:
        raise RecursionError("the caller's stack")

    with monkeypatch.context() as patch, pytest.raises(RecursionError):
        patch.setattr(asyncio, "run_coroutine_threadsafe", full)
        thread.submit(Client(), current)


def test_cancelling_the_future_cancels_the_call(thread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    future = thread.submit(Client(), hang)
    assert begun.wait(20)
    future.cancel()
    assert cancelled.wait(20)


def test_answers_while_the_loop_turns(thread) -> None:
    assert not thread.answers(0.01)
    thread.submit(Client(), current).result(20)
    assert thread.answers(20)


def test_answers_no_while_the_loop_is_blocked(thread) -> None:
    begun, released = threading.Event(), threading.Event()

    async def block() -> None:
        begun.set()
        while not released.is_set():  # what the guard against blocking calls does not see
            os.sched_yield()

    blocked = thread.submit(Client(), block)
    assert begun.wait(20)
    assert not thread.answers(0.01)
    released.set()
    blocked.result(20)
    assert thread.answers(20)


def test_close_closes_what_is_in_use_and_ends_the_thread() -> None:
    made, client, unused = EventLoopThread(), Client(), Client()
    worker = made.submit(client, current).result(20)
    made.close()
    assert client.closed
    assert not unused.closed
    assert not worker.is_alive()
    assert not made.answers(0.01)


def test_close_cancels_the_calls_that_are_left() -> None:
    made, client = EventLoopThread(), Client()
    future = made.submit(client, asyncio.Event().wait)
    made.close()
    assert future.cancelled()


def test_close_leaves_a_client_that_never_closes_without_a_word(monkeypatch, caplog) -> None:
    monkeypatch.setattr("scope_async.sync.loop_thread._CLOSE_TIMEOUT", 0.01)
    made = EventLoopThread()
    made.submit(Client(hang=True), current).result(20)
    made.close()
    assert not made.answers(0.01)
    del made
    gc.collect()
    assert not caplog.records


def test_import_starts_no_thread_and_the_process_leaves_nothing() -> None:
    script = """
import threading, scope_async.sync as sync
from scope_async import ApiKeyCredentials
sync.ScopeClient(ApiKeyCredentials("o", "k", "s"), base_url="https://a.example", auth_api_url="https://b.example")
sync.ApiKeyAdmin("https://a.example", "admin")
print(threading.active_count())
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
