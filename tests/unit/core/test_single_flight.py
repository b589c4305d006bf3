from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from scope_async._core.background import Background
from scope_async._core.single_flight import InFlightCall, SingleFlight


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
async def background() -> AsyncIterator[Background]:
    background = Background()
    yield background
    await background.aclose()


@pytest.fixture
def flights(background) -> SingleFlight[str, str]:
    return SingleFlight(background)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    yield service
    service.answer.cancel()


async def ask(flights: SingleFlight[str, str], service: Service, key: str = "greeting") -> str:
    """Ask as the callers in this package do: join, wait, look at the outcome."""
    flight = flights.join(key, service)
    await flight.wait()
    if flight.error is not None:
        raise flight.error
    assert flight.completed, "killed"
    return flight.result


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def host_task() -> asyncio.Task[None]:
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "scope-async")
    return task


async def test_join_shares_one_call_between_concurrent_callers(flights, service) -> None:
    callers = [asyncio.create_task(ask(flights, service)) for _ in range(1000)]
    await settle()
    assert flights.in_flight("greeting")
    service.answer.set_result("hello")
    assert await asyncio.gather(*callers) == ["hello"] * 1000
    assert service.calls == 1
    assert not flights.in_flight("greeting")


async def test_join_starts_a_new_call_after_the_end_of_the_last(flights, service) -> None:
    service.answer.set_result("hello")
    assert await ask(flights, service) == "hello"
    assert await ask(flights, service) == "hello"
    assert service.calls == 2


async def test_join_runs_calls_of_different_keys_concurrently(flights, service) -> None:
    slow = asyncio.create_task(ask(flights, service, "slow"))
    quick = Service()
    quick.answer.set_result("hello")
    assert await ask(flights, quick, "quick") == "hello"
    assert not slow.done()
    service.answer.set_result("at last")
    assert await slow == "at last"


@pytest.mark.parametrize("position", ["first", "middle", "last"])
async def test_cancelled_caller_leaves_the_call_to_the_others(flights, service, position) -> None:
    callers = [asyncio.create_task(ask(flights, service)) for _ in range(5)]
    await settle()
    cancelled = callers.pop({"first": 0, "middle": 2, "last": 4}[position])
    cancelled.cancel()
    await settle()
    assert cancelled.cancelled()
    service.answer.set_result("hello")
    assert await asyncio.gather(*callers) == ["hello"] * 4
    assert (service.calls, service.cancelled) == (1, 0)


async def test_call_goes_on_when_every_caller_is_cancelled(flights, service) -> None:
    callers = [asyncio.create_task(ask(flights, service)) for _ in range(3)]
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    assert all(caller.cancelled() for caller in callers)
    late = asyncio.create_task(ask(flights, service))
    await settle()
    service.answer.set_result("hello")
    assert await late == "hello"
    assert (service.calls, service.cancelled) == (1, 0)


async def test_caller_that_started_the_call_may_be_cancelled_before_its_first_step(flights, service) -> None:
    starter = asyncio.create_task(ask(flights, service))
    await asyncio.sleep(0)
    starter.cancel()
    joined = asyncio.create_task(ask(flights, service))
    service.answer.set_result("hello")
    assert await joined == "hello"
    assert service.calls == 1


async def test_error_reaches_every_caller_and_is_not_kept(flights, service) -> None:
    callers = [asyncio.create_task(ask(flights, service)) for _ in range(3)]
    await settle()
    service.answer.set_exception(RuntimeError("refused"))
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["refused"] * 3
    service.answer = asyncio.get_running_loop().create_future()
    service.answer.set_result("hello")
    assert await ask(flights, service) == "hello"


async def test_first_error_wakes_the_early_waiters_only(flights, service) -> None:
    flight = flights.join("greeting", service)
    early_waiters, patient = flight.wait(until_first_error=True), flight.wait()
    await settle()
    assert not early_waiters.done()
    flights.report_attempt_failure("greeting", RuntimeError("first"))
    flights.report_attempt_failure("greeting", RuntimeError("second"))
    assert str(flight.first_error) == "first"
    assert early_waiters.done()
    assert flight.wait(until_first_error=True).done(), "also those who come later"
    assert not patient.done()
    service.answer.set_result("hello")
    await patient
    assert flight.result == "hello"


async def test_end_wakes_the_early_waiters_too(flights, service) -> None:
    flight = flights.join("greeting", service)
    early_waiters = flight.wait(until_first_error=True)
    service.answer.set_result("hello")
    await early_waiters
    flights.report_attempt_failure("greeting", RuntimeError("late"))
    assert (flight.result, flight.first_error) == ("hello", None)


async def test_error_leaves_calls_of_other_keys_alone(flights, service) -> None:
    other = Service()
    waiting = asyncio.create_task(ask(flights, other, "other"))
    await settle()
    service.answer.set_exception(RuntimeError("refused"))
    with pytest.raises(RuntimeError, match="refused"):
        await ask(flights, service)
    other.answer.set_result("hello")
    assert await waiting == "hello"


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
async def test_cancelled_call_wakes_every_caller(flights, service, steps) -> None:
    joined = [flights.join("greeting", service) for _ in range(3)]
    waiters = [asyncio.ensure_future(flight.wait()) for flight in joined]
    for _ in range(steps):
        await asyncio.sleep(0)
    host_task().cancel()
    await asyncio.wait_for(asyncio.gather(*waiters), 10)
    assert not any(flight.completed or flight.error for flight in joined)
    assert not flights.in_flight("greeting")


async def test_join_starts_a_new_call_after_a_cancelled_one(flights, service) -> None:
    first = flights.join("greeting", service)
    await settle()
    host_task().cancel()
    second = flights.join("greeting", service)
    assert second is not first
    service.answer.set_result("hello")
    await first.wait()
    await second.wait()
    assert second.completed
    assert second.result == "hello"
    assert not first.completed


async def test_end_of_a_cancelled_call_leaves_its_successor_alone(flights, service) -> None:
    flights.join("greeting", service)
    await settle()
    host_task().cancel()
    second = flights.join("greeting", service)
    await settle()
    assert flights.in_flight("greeting")
    assert flights.join("greeting", service) is second
    service.answer.set_result("hello")
    await second.wait()


@pytest.mark.parametrize("steps", [0, 10])
async def test_aclose_wakes_every_caller(flights, service, background, steps) -> None:
    flight = flights.join("greeting", service)
    waiter = asyncio.ensure_future(flight.wait())
    for _ in range(steps):
        await asyncio.sleep(0)
    await background.aclose()
    await asyncio.wait_for(waiter, 10)
    assert not flight.completed


async def test_aclose_wakes_every_caller_of_a_call_that_does_not_end(flights, background) -> None:
    release = asyncio.Event()

    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    flight = flights.join("greeting", stubborn)
    await settle()
    host = host_task()
    await background.aclose(grace=0.01)
    await asyncio.wait_for(flight.wait(), 10)
    release.set()
    await asyncio.wait({host})


def test_join_starts_a_new_call_in_another_event_loop(new_loop) -> None:
    background = Background()
    flights: SingleFlight[str, str] = SingleFlight(background)

    async def left_in_flight() -> None:
        flights.join("greeting", Service())
        await settle()

    async def asked_again() -> str:
        service = Service()
        service.answer.set_result("hello")
        answer = await ask(flights, service)
        await background.aclose()
        return answer

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(left_in_flight())
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(asked_again()) == "hello"


async def test_call_that_was_given_up_has_one_outcome(flights, service) -> None:
    flight: InFlightCall[str] = flights.join("greeting", service)
    flights.cancel_all()
    await flight.wait()
    # Its waiters have been told that it was killed; whatever comes later is not theirs.
    assert (flight.completed, flight.error) == (False, None)
    service.answer.set_result("hello")
    await settle()
