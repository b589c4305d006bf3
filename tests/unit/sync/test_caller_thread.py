from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from scope_async import ConnectionError, ValidationError
from scope_async.prompts.fallback import fallback_version
from scope_async.sync.caller_thread import CallerThread
from scope_async.sync.calls import ClientCalls


class Client:
    async def aclose(self) -> None:
        """Has nothing to close."""


@pytest.fixture
def calls() -> ClientCalls:
    return ClientCalls(Client(), timeout=5)


def used(calls: ClientCalls, fallback: Any) -> str:
    """Return the text of a fallback that is used in the loop's thread, for the caller in this one."""
    here = CallerThread()
    given = here.fallback(fallback)
    return calls.run(lambda: fallback_version(given, "p", "error", 5), here.wait).content


def test_fallback_is_called_in_the_callers_thread(calls) -> None:
    async def awaited() -> str:
        return f"awaited in {threading.current_thread().name}"

    assert used(calls, lambda: threading.current_thread().name) == threading.current_thread().name
    assert used(calls, lambda name: f"{name} in {threading.current_thread().name}") == (
        f"p in {threading.current_thread().name}"
    )
    assert used(calls, awaited) == "awaited in scope-async"
    assert used(calls, "text") == "text"


def test_fallback_may_use_a_synchronous_client(calls) -> None:
    async def another() -> str:
        return "of another client"

    assert used(calls, lambda: calls.run(another)) == "of another client"


@pytest.mark.parametrize("error", [ValueError("its own"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_a_fallback_raises_reaches_the_caller_and_leaves_the_loop_alone(calls, error) -> None:
    def fail() -> str:
        raise error

    async def answer() -> str:
        return "still there"

    with pytest.raises(type(error)):
        used(calls, fail)
    assert calls.run(answer) == "still there"


def test_fallback_refuses_what_cannot_be_one() -> None:
    with pytest.raises(ValidationError, match="fallback must be"):
        CallerThread().fallback(5)


def test_wait_ends_when_the_call_does_or_its_time_is_over() -> None:
    here, call = CallerThread(), Future[None]()
    assert not here.wait(call, 0.0)
    threading.Timer(0.05, call.set_exception, [ConnectionError("cut")]).start()
    assert here.wait(call, 60)
