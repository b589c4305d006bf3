from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.single_flight import InFlightCall, SingleFlight
from scope_async._core.foreign import Panic


class Service:
    """A call that ends when the test says so."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.calls += 1
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.fixture
def calls(background) -> SingleFlight[str, str]:
    return SingleFlight(background)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    yield service
    service.answer.cancel()


async def ask(calls: SingleFlight[str, str], service: Service, key: str = "greeting") -> str:
    """Ask as the callers in this package do: join, wait, look at the outcome."""
    call = calls.join(key, service)
    await call.wait()
    if call.error is not None:
        raise call.error
    assert call.completed, "cancelled"
    return call.result


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def host_task() -> asyncio.Task[None]:
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "scope-async")
    return task


async def test_join_shares_one_call_between_concurrent_callers(calls, service) -> None:
    callers = [asyncio.create_task(ask(calls, service)) for _ in range(1000)]
    await settle()
    assert calls.in_flight("greeting")
    service.answer.set_result("hello")
    assert await asyncio.gather(*callers) == ["hello"] * 1000
    assert service.calls == 1
    assert not calls.in_flight("greeting")


async def test_join_starts_a_new_call_after_the_end_of_the_last(calls, service) -> None:
    service.answer.set_result("hello")
    assert await ask(calls, service) == "hello"
    assert await ask(calls, service) == "hello"
    assert service.calls == 2


async def test_join_runs_calls_of_different_keys_concurrently(calls, service) -> None:
    slow = asyncio.create_task(ask(calls, service, "slow"))
    quick = Service()
    quick.answer.set_result("hello")
    assert await ask(calls, quick, "quick") == "hello"
    assert not slow.done()
    service.answer.set_result("at last")
    assert await slow == "at last"


@pytest.mark.parametrize("position", ["first", "middle", "last"])
async def test_cancelled_caller_leaves_the_call_to_the_others(calls, service, position) -> None:
    callers = [asyncio.create_task(ask(calls, service)) for _ in range(5)]
    await settle()
    cancelled = callers.pop({"first": 0, "middle": 2, "last": 4}[position])
    cancelled.cancel()
    await settle()
    assert cancelled.cancelled()
    service.answer.set_result("hello")
    assert await asyncio.gather(*callers) == ["hello"] * 4
    assert (service.calls, service.cancelled) == (1, 0)


async def test_call_goes_on_when_every_caller_is_cancelled(calls, service) -> None:
    callers = [asyncio.create_task(ask(calls, service)) for _ in range(3)]
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    assert all(caller.cancelled() for caller in callers)
    late = asyncio.create_task(ask(calls, service))
    await settle()
    service.answer.set_result("hello")
    assert await late == "hello"
    assert (service.calls, service.cancelled) == (1, 0)


async def test_caller_that_started_the_call_may_be_cancelled_before_its_first_step(calls, service) -> None:
    starter = asyncio.create_task(ask(calls, service))
    await asyncio.sleep(0)
    starter.cancel()
    joined = asyncio.create_task(ask(calls, service))
    service.answer.set_result("hello")
    assert await joined == "hello"
    assert service.calls == 1


async def test_error_reaches_every_caller_and_is_not_kept(calls, service) -> None:
    callers = [asyncio.create_task(ask(calls, service)) for _ in range(3)]
    await settle()
    service.answer.set_exception(RuntimeError("refused"))
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["refused"] * 3
    service.answer = asyncio.get_running_loop().create_future()
    service.answer.set_result("hello")
    assert await ask(calls, service) == "hello"


async def test_panic_reaches_every_caller_as_an_error_that_names_it(calls, background) -> None:
    class PanicException(BaseException):
        """As the panic of an extension in Rust."""

    async def panic() -> str:
        raise PanicException

    call = calls.join("greeting", panic)
    await call.wait()
    assert (call.completed, type(call.error), str(call.error)) == (True, Panic, "PanicException")
    assert background.running


async def test_first_error_wakes_the_early_waiters_only(calls, service) -> None:
    call = calls.join("greeting", service)
    early_waiters, patient = call.wait(failures=0), call.wait()
    await settle()
    assert not early_waiters.done()
    calls.report_attempt_failure("greeting", RuntimeError("first"))
    calls.report_attempt_failure("greeting", RuntimeError("second"))
    assert str(call.first_error) == "first"
    assert early_waiters.done()
    assert call.wait(failures=0).done(), "also those who come later"
    assert not patient.done()
    service.answer.set_result("hello")
    await patient
    assert call.result == "hello"


async def test_end_wakes_the_early_waiters_too(calls, service) -> None:
    call = calls.join("greeting", service)
    early_waiters = call.wait(failures=0)
    service.answer.set_result("hello")
    await early_waiters
    calls.report_attempt_failure("greeting", RuntimeError("late"))
    assert (call.result, call.first_error) == ("hello", None)


async def test_error_leaves_calls_of_other_keys_alone(calls, service) -> None:
    other = Service()
    waiting = asyncio.create_task(ask(calls, other, "other"))
    await settle()
    service.answer.set_exception(RuntimeError("refused"))
    with pytest.raises(RuntimeError, match="refused"):
        await ask(calls, service)
    other.answer.set_result("hello")
    assert await waiting == "hello"


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
async def test_cancelled_call_wakes_every_caller(calls, service, steps) -> None:
    joined = [calls.join("greeting", service) for _ in range(3)]
    waiters = [asyncio.ensure_future(call.wait()) for call in joined]
    for _ in range(steps):
        await asyncio.sleep(0)
    host_task().cancel()
    await asyncio.wait_for(asyncio.gather(*waiters), 10)
    assert not any(call.completed or call.error for call in joined)
    assert not calls.in_flight("greeting")


async def test_join_starts_a_new_call_after_a_cancelled_one(calls, service) -> None:
    first = calls.join("greeting", service)
    await settle()
    host_task().cancel()
    second = calls.join("greeting", service)
    assert second is not first
    service.answer.set_result("hello")
    await first.wait()
    await second.wait()
    assert second.completed
    assert second.result == "hello"
    assert not first.completed


async def test_end_of_a_cancelled_call_leaves_its_successor_alone(calls, service) -> None:
    calls.join("greeting", service)
    await settle()
    host_task().cancel()
    second = calls.join("greeting", service)
    await settle()
    assert calls.in_flight("greeting")
    assert calls.join("greeting", service) is second
    service.answer.set_result("hello")
    await second.wait()


@pytest.mark.parametrize("steps", [0, 10])
async def test_aclose_wakes_every_caller(calls, service, background, steps) -> None:
    call = calls.join("greeting", service)
    waiter = asyncio.ensure_future(call.wait())
    for _ in range(steps):
        await asyncio.sleep(0)
    await background.aclose()
    await asyncio.wait_for(waiter, 10)
    assert not call.completed


async def test_aclose_wakes_every_caller_of_a_call_that_does_not_end(calls, background) -> None:
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    call = calls.join("greeting", stubborn)
    await settle()
    host = host_task()
    await background.aclose(grace=0.01)
    await asyncio.wait_for(call.wait(), 10)
    release.set()
    await asyncio.wait({host})


def test_join_starts_a_new_call_in_another_event_loop(new_loop) -> None:
    background = Background()
    calls: SingleFlight[str, str] = SingleFlight(background)

    async def left_in_flight() -> None:
        calls.join("greeting", Service())
        await settle()

    async def asked_again() -> str:
        service = Service()
        service.answer.set_result("hello")
        answer = await ask(calls, service)
        await background.aclose()
        return answer

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(left_in_flight())
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(asked_again()) == "hello"


async def test_call_that_was_given_up_has_one_outcome(calls, service) -> None:
    call: InFlightCall[str] = calls.join("greeting", service)
    calls.cancel_all()
    await call.wait()
    # Its waiters were woken by the cancellation; a later result is not theirs.
    assert (call.completed, call.error) == (False, None)
    service.answer.set_result("hello")
    await settle()
