from __future__ import annotations

import asyncio
import builtins
import contextvars
import os
import signal
import sys
import threading
import traceback
from functools import partial

import pytest

from scope_async import ClientClosedError, ConfigurationError, ServerError, TimeoutError
from scope_async.sync.calls import ClientCalls, refuse_session
from scope_async.sync.loop_thread import LOOP_THREAD

who = contextvars.ContextVar("who", default="no one")


class Client:
    """A client that closes at once, and remembers that it did."""

    def __init__(self) -> None:
        self.closings: list[str] = []

    async def aclose(self) -> None:
        self.closings.append(threading.current_thread().name)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def calls(client) -> ClientCalls:
    return ClientCalls(client, timeout=0.05)


async def answer() -> str:
    return threading.current_thread().name


def test_run_returns_the_result_from_the_loop_thread(calls) -> None:
    assert calls.run(answer) == "scope-async" != threading.current_thread().name


def test_run_raises_what_the_call_raises(calls) -> None:
    async def fail() -> None:
        raise ServerError("no", http_status=503)

    with pytest.raises(ServerError, match="no"):
        calls.run(fail)


def test_run_raises_a_timeout_of_the_call_itself(calls) -> None:
    async def fail() -> None:
        raise builtins.TimeoutError("its own")

    with pytest.raises(builtins.TimeoutError, match="its own"):
        calls.run(fail)


def test_run_waits_longer_than_timeout_while_the_loop_turns(calls) -> None:
    async def slow() -> str:
        await asyncio.sleep(0.2)  # a prefetch of many names, each within `timeout`
        return "done"

    assert calls.run(slow) == "done"


def test_run_raises_timeout_error_when_the_loop_thread_is_stuck(calls) -> None:
    released = threading.Event()

    async def block() -> None:
        while not released.is_set():  # what the guard against blocking calls does not see
            os.sched_yield()

    try:
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
            calls.run(block)
    finally:
        released.set()
    assert calls.run(answer) == "scope-async"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to one thread")
def test_run_ends_at_once_on_keyboard_interrupt_and_cancels_the_call(calls, request) -> None:
    # A shell starts its background processes with SIGINT ignored.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begun, cancelled = threading.Event(), threading.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupt() -> None:
        begun.wait(20)
        while not any(
            frame.f_code is threading.Condition.wait.__code__
            for frame, _ in traceback.walk_stack(sys._current_frames()[main])
        ):
            os.sched_yield()
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    patient = ClientCalls(Client(), timeout=50)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        patient.run(hang)
    thread.join()
    assert cancelled.wait(20)


async def test_run_refuses_to_block_an_event_loop_and_names_the_async_client(calls) -> None:
    made = []

    async def never() -> None:
        made.append("a call")

    with pytest.raises(ConfigurationError, match=r"scope_async\.ScopeClient"):
        calls.run(never)
    assert made == []


def test_run_gives_the_call_a_copy_of_the_callers_context(calls) -> None:
    async def look() -> str:
        seen = who.get()
        who.set("the call")
        return seen

    def caller(name: str, found: dict[str, tuple[str, str]]) -> None:
        who.set(name)
        found[name] = (calls.run(look), who.get())

    found: dict[str, tuple[str, str]] = {}
    threads = [threading.Thread(target=caller, args=(f"caller {n}", found)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"caller {n}": (f"caller {n}", f"caller {n}") for n in range(8)}
    assert calls.run(look) == "no one"


def test_run_raises_client_closed_error_when_the_call_was_cancelled(calls) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ClientClosedError):
        calls.run(cancelled)


def test_iterate_asks_for_each_item_when_it_is_needed(calls) -> None:
    asked = []

    async def numbers():
        for number in range(3):
            asked.append(number)
            yield number

    items = calls.iterate(numbers())
    assert asked == []
    assert next(items) == 0
    assert asked == [0]
    assert list(items) == [1, 2]


def test_iterate_raises_what_the_iterator_raises(calls) -> None:
    async def failing():
        yield 1
        raise ServerError("half-way")

    items = calls.iterate(failing())
    assert next(items) == 1
    with pytest.raises(ServerError, match="half-way"):
        next(items)


def test_close_waits_until_the_client_has_closed(calls, client) -> None:
    calls.close()
    assert client.closings == ["scope-async"]


async def test_close_does_not_block_an_event_loop(calls, client) -> None:
    calls.close()
    while not client.closings:
        await asyncio.sleep(0.001)


def test_submit_leaves_no_coroutine_behind_when_the_loop_is_closed(client, monkeypatch) -> None:
    closed = asyncio.SelectorEventLoop()
    closed.close()
    monkeypatch.setattr(LOOP_THREAD, "_loop", closed)
    with pytest.raises(ClientClosedError, match="interpreter is exiting"):
        ClientCalls(client, 1.0).submit(answer)


def test_refuse_session_says_why() -> None:
    refuse_session(None)
    with pytest.raises(ConfigurationError, match="belongs to the event loop"):
        refuse_session(object())
