from __future__ import annotations

import asyncio

import pytest

from scope_async.errors import ConnectionError, NotFoundError, ValidationError
from scope_async.prompts.cache.fetcher import FetchSequence
from scope_async.prompts.conditional import FetchedVersion
from scope_async.prompts.reference import PromptRef
from tests.fakes.transport import PromptServiceFixture, prompt_service

REF = PromptRef.of("p")


def test_sequence_accepts_an_answer_that_nothing_overtook() -> None:
    sequence = FetchSequence()
    assert sequence.end(sequence.begin(), REF, answered=True)


@pytest.mark.parametrize("name", ["p", None])
def test_sequence_rejects_an_answer_from_before_an_invalidation(name: str | None) -> None:
    sequence = FetchSequence()
    early = sequence.begin()
    sequence.invalidate(name)
    late = sequence.begin()
    assert early <= sequence.invalidated_up_to("p") < late
    assert [sequence.end(number, REF, answered=True) for number in (early, late)] == [False, True]


def test_sequence_accepts_the_answers_of_other_prompts() -> None:
    sequence = FetchSequence()
    number = sequence.begin()
    sequence.invalidate("q")
    assert sequence.end(number, REF, answered=True)


def test_sequence_remembers_no_prompt_when_nothing_is_in_flight() -> None:
    sequence = FetchSequence()
    sequence.invalidate("before")
    number = sequence.begin()
    sequence.invalidate("p")
    sequence.end(number, REF, answered=True)
    assert (sequence.invalidated_up_to("before"), sequence.invalidated_up_to("p")) == (0, 0)


@pytest.mark.parametrize("answered", [True, False])
def test_sequence_rejects_what_a_later_answer_overtook(answered: bool) -> None:
    sequence = FetchSequence()
    early, late = sequence.begin(), sequence.begin()
    assert sequence.end(late, REF, answered=answered)
    assert sequence.end(early, REF, answered=True) is not answered


def test_sequence_lets_no_answer_overtake_that_of_another_version() -> None:
    sequence = FetchSequence()
    early, late = sequence.begin(), sequence.begin()
    sequence.end(late, PromptRef.of("p", "latest"), answered=True)
    assert sequence.end(early, REF, answered=True)


def fetcher(served: PromptServiceFixture):
    return served.api._cache._fetcher


async def test_fetch_stores_its_answer_for_its_ttl() -> None:
    async with prompt_service() as served:
        await fetcher(served).fetch(REF, 10)
        assert served.api.peek("p") is not None
        served.clock.advance(10)
        assert served.api.peek("p") is None


async def test_fetch_with_a_ttl_of_zero_stores_nothing() -> None:
    async with prompt_service() as served:
        await fetcher(served).fetch(REF, 0)
        assert served.api.peek("p") is None


async def test_fetch_returns_the_known_version_for_the_same_bytes() -> None:
    async with prompt_service() as served:
        version = await fetcher(served).fetch(REF, 10)
        known = FetchedVersion(version)
        assert await fetcher(served).fetch(REF, 10, known=known) is version
        served.transport.number = 2
        assert (await fetcher(served).fetch(REF, 10, known=known)).version_number == 2


async def test_fetch_records_a_failure_and_the_next_answer() -> None:
    async with prompt_service() as served:
        failures = served.api._cache._failures
        served.transport.failure = ConnectionError("no route")
        with pytest.raises(ConnectionError):
            await fetcher(served).fetch(REF, 10)
        assert failures.get("p") is not None
        served.transport.failure = None
        await fetcher(served).fetch(REF, 10)
        assert failures.get("p") is None


async def test_fetch_records_nothing_for_an_error_that_is_not_the_services() -> None:
    async with prompt_service() as served:
        await fetcher(served).fetch(REF, 10)
        served.transport.failure = ValidationError("ours")
        with pytest.raises(ValidationError):
            await fetcher(served).fetch(REF, 10)
        assert served.api.peek("p") is not None
        assert served.api._cache._failures.get("p") is None


async def test_fetch_drops_the_version_after_a_404() -> None:
    async with prompt_service() as served:
        await fetcher(served).fetch(REF, 10)
        served.transport.statuses["p"] = 404
        with pytest.raises(NotFoundError):
            await fetcher(served).fetch(REF, 10)
        assert served.api.peek("p") is None


async def test_start_shares_one_fetch_until_it_has_ended() -> None:
    async with prompt_service() as served:
        served.transport.gate.clear()
        call = fetcher(served).start(REF, 10, known=None)
        assert fetcher(served).start(REF, 10, known=None) is call
        assert fetcher(served).in_flight(REF)
        await served.settle()
        served.transport.gate.set()
        await call.wait()
        assert call.result.version_number == 1
        assert not fetcher(served).in_flight(REF)
        assert served.transport.requests[0].request_id == call.name


@pytest.mark.parametrize("name", ["p", None])
async def test_start_after_reject_answers_is_a_fetch_of_its_own(name: str | None) -> None:
    async with prompt_service() as served:
        served.transport.gate.clear()
        early = fetcher(served).start(REF, 10, known=None)
        await served.settle()
        fetcher(served).reject_answers(name)
        assert not fetcher(served).in_flight(REF)
        late = fetcher(served).start(REF, 10, known=None)
        assert late is not early
        served.transport.gate.set()
        await asyncio.gather(early.wait(), late.wait())
        assert len(served.transport.requests) == 2


async def test_start_reports_a_failed_attempt_to_the_shared_call() -> None:
    async with prompt_service() as served:
        served.transport.gate.clear()
        call = fetcher(served).start(REF, 10, known=None)
        await served.settle()
        error = ConnectionError("no route")
        served.transport.fail_attempt(error)
        await call.wait(failures=0)
        assert call.first_error is error
        served.transport.gate.set()
        await call.wait()


async def test_cancel_waits_wakes_the_waiters_of_a_call() -> None:
    async with prompt_service() as served:
        served.transport.gate.clear()
        call = fetcher(served).start(REF, 10, known=None)
        await served.settle()
        fetcher(served).cancel_waits()
        await call.wait()
        assert not call.completed


async def test_start_that_is_not_shared_is_joined_by_no_other() -> None:
    async with prompt_service() as served:
        served.transport.gate.clear()
        alone = [fetcher(served).start(REF, 0, known=None, shared=False) for _ in range(2)]
        assert not fetcher(served).in_flight(REF)
        served.transport.gate.set()
        await asyncio.gather(*(call.wait() for call in alone))
        assert len(served.transport.requests) == 2


async def test_fetch_that_a_later_404_overtook_does_not_bring_the_prompt_back() -> None:
    async with prompt_service() as served:
        gate = served.transport.gate
        gate.clear()
        early = asyncio.create_task(fetcher(served).fetch(REF, 10))
        await served.settle()
        served.transport.gate = asyncio.Event()
        served.transport.gate.set()
        served.transport.statuses["p"] = 404
        with pytest.raises(NotFoundError):
            await fetcher(served).fetch(REF, 10)
        del served.transport.statuses["p"]
        gate.set()
        await early
        assert served.api.peek("p") is None
