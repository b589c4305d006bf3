import asyncio
import contextlib
import gc
import logging
import tracemalloc
from typing import Any

import pytest

from scope_async.errors import (
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    ConnectionError,
    InvalidCredentialsError,
    NoProductionVersionError,
    RateLimitError,
    ServerError,
    TokenRefreshError,
)
from scope_async.http.failures import UNREADABLE
from scope_async.prompts.cache.backoff import FIRST_DELAY, LONGEST_DELAY
from scope_async.telemetry.events import (
    CacheHit,
    CacheMiss,
    FetchWaited,
    PromptFetched,
    Revalidated,
    StaleServed,
)
from tests.fakes.transport import PromptServiceFixture, prompt_service

DOWN = ConnectionError("no route")
LABELS: list[dict[str, Any]] = [{}, {"label": "latest"}]
UNAVAILABLE = [
    DOWN,
    RateLimitError("slow down", http_status=429),
    ServerError("broken", http_status=503),
    ServerError("broken", http_status=200),
    TokenRefreshError("auth API down"),
]


async def test_fresh_copy_is_served_without_suspending():
    async with prompt_service() as served:
        first = await served.get("p")
        call = served.get("p")
        with pytest.raises(StopIteration) as done:
            call.send(None)
        assert done.value.value is first
        assert served.transport.paths == ["p/production"]
        kinds = [type(event) for event in served.events]
        assert kinds == [CacheMiss, PromptFetched, FetchWaited, CacheHit]


async def test_keys_keep_labels_ids_and_names_apart():
    async with prompt_service() as served:
        for options in [*LABELS, {"version": "latest"}, {"version": "production"}]:
            await served.get("p", **options)
            await served.get("p", **options)
        await served.get("p:latest")
        await served.get("p", label="production")
        assert served.transport.paths == [
            "p/production",
            "p/latest",
            "p/versions/latest",
            "p/versions/production",
            "p%3Alatest/production",
        ]


async def test_concurrent_misses_share_one_request():
    async with prompt_service() as served:
        versions = await asyncio.gather(*(served.get("p") for _ in range(1000)))
        assert len(served.transport.paths) == 1
        assert len({id(version) for version in versions}) == 1


async def test_stale_while_revalidate_serves_the_copy_and_refreshes_once():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.number = 2
        served.clock.advance(300)
        assert [await served.number() for _ in range(5)] == [1] * 5
        await served.settle()
        assert await served.number() == 2
        assert len(served.transport.paths) == 2
        assert [event.changed for event in served.seen(Revalidated)] == [True]
        assert [event.fresh for event in served.seen(CacheHit)] == [False] * 5 + [True]


async def test_read_waits_after_stale_while_revalidate():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.number = 2
        served.clock.advance(360)
        assert await asyncio.gather(*(served.number() for _ in range(5))) == [2] * 5
        assert len(served.transport.paths) == 2


@pytest.mark.parametrize("options", [{}, {"label": "latest"}, {"version": "v1"}])
async def test_version_by_id_lives_as_long_as_a_label(options):
    async with prompt_service(stale_while_revalidate=0) as served:
        await served.get("p", **options)
        served.clock.advance(299)
        await served.get("p", **options)
        assert len(served.transport.paths) == 1
        served.clock.advance(1)
        await served.get("p", **options)
        assert len(served.transport.paths) == 2
        served.clock.advance(5)
        await served.get("p", cache_ttl=5, **options)
        assert len(served.transport.paths) == 3


@pytest.mark.parametrize("error", UNAVAILABLE)
async def test_stale_if_error_serves_the_copy_to_all_callers(error, caplog):
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = error
        served.clock.advance(400)
        versions = await asyncio.gather(*(served.get("p") for _ in range(10)))
        assert all(version.is_stale and version.version_number == 1 for version in versions)
        assert len(served.transport.paths) == 2
        assert len(served.seen(StaleServed)) == 10
        assert (served.seen(StaleServed)[0].age_ms, served.seen(StaleServed)[0].error) == (
            400_000,
            type(error).__name__,
        )
        assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


async def test_backoff_grows_while_the_service_is_unavailable():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        gaps, last = [], None
        for second in range(3600):
            before = len(served.transport.paths)
            assert (await served.get("p")).is_stale
            await served.settle()
            if len(served.transport.paths) > before:
                gaps.append(second - last if last is not None else 0)
                last = second
            served.clock.advance(1)
        assert 50 <= len(gaps) <= 130
        assert all(1 <= gap <= 61 for gap in gaps[1:])
        assert min(gaps[8:]) >= 30


async def test_outage_of_an_hour_fails_no_read():
    async with prompt_service() as served:
        names = [f"p{index}" for index in range(200)]
        await served.api.prefetch(names)
        served.transport.failure = DOWN
        asked_before = len(served.transport.paths)
        for _ in range(60):
            served.clock.advance(60)
            for name in names:
                assert (await served.get(name)).version_number == 1
            await served.settle()
        assert len(served.transport.paths) - asked_before <= 60 * 200
        asked = served.transport.count("p0/production") - 1
        assert asked <= 60


async def test_known_failure_is_retried_once_in_the_background():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        await served.get("p")
        served.clock.advance(1)
        served.transport.gate.clear()
        for _ in range(3):
            assert (await served.get("p")).is_stale
            await served.settle()
        assert served.transport.retries == [None, None, 0]


async def test_failure_of_long_ago_makes_a_read_wait():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        assert (await served.get("p")).is_stale
        served.transport.failure = None
        served.transport.number = 2
        served.clock.advance(FIRST_DELAY + LONGEST_DELAY)
        assert await served.number() == 2


async def test_first_failed_attempt_serves_the_copy_and_the_fetch_goes_on(caplog):
    caplog.set_level(logging.INFO)
    async with prompt_service() as served:
        await served.get("p")
        served.transport.number = 2
        served.clock.advance(400)
        early = await served.waiting()
        served.transport.fail_attempt(DOWN)
        assert (await early).is_stale
        assert (await served.get("p")).is_stale, "a later reader does not wait for the retry either"
        served.transport.gate.set()
        await served.settle()
        assert [await served.number(), len(served.transport.paths)] == [2, 2], "the fetch went on"
        assert [event.error for event in served.seen(StaleServed)] == ["ConnectionError"] * 2
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
        assert "over, since" in caplog.messages[1]
        assert "stale copies served: 2" in caplog.messages[1]


async def test_outage_that_began_with_a_failed_attempt_is_logged_once(caplog):
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        early = [await served.waiting() for _ in range(3)]
        served.transport.fail_attempt(DOWN)
        assert all([(await call).is_stale for call in early])
        served.transport.gate.set()
        await served.settle()
        assert (await served.get("p")).is_stale
        assert [record.levelname for record in caplog.records] == ["WARNING"]


EVICTIONS = {
    "invalidated": lambda served: served.api.invalidate("p"),
    "cleared": lambda served: served.api.clear(),
    "too old": lambda served: served.clock.advance(86400),
}


@pytest.mark.parametrize("how", EVICTIONS)
@pytest.mark.parametrize("fallback", [None, "x"])
async def test_evicted_copy_waits_for_the_retry(how, fallback):
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        call = await served.waiting(fallback=fallback)
        EVICTIONS[how](served)
        served.transport.fail_attempt(DOWN)
        await served.settle()
        assert not call.done()
        served.transport.gate.set()
        version = await call
        assert (version.is_stale, version.is_fallback) == (False, False)


async def test_copy_past_stale_if_error_waits_for_the_retry():
    async with prompt_service(stale_while_revalidate=1000, stale_if_error=0) as served:
        await served.get("p")
        served.transport.number = 2
        served.clock.advance(1020)
        call = await served.waiting(cache_ttl=10)
        served.transport.fail_attempt(DOWN)
        await served.settle()
        assert not call.done()
        served.transport.gate.set()
        assert (await call).version_number == 2


async def test_cache_ttl_gets_a_younger_copy_as_stale_in_an_outage():
    async with prompt_service(stale_while_revalidate=0) as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(40)
        assert (await served.get("p", cache_ttl=5)).is_stale
        assert len(served.seen(StaleServed)) == 1
        assert not (await served.get("p")).is_stale, "fresh to all others"


async def test_failure_of_an_older_fetch_is_not_recorded_after_a_later_answer():
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        served.transport.failure, slow = DOWN, served.transport.gate
        early = await served.waiting()
        served.transport.failure, served.transport.gate = None, asyncio.Event()
        served.transport.gate.set()
        await served.get("p", cache=False)
        slow.set()
        await early
        served.clock.advance(310)
        assert not (await served.get("p")).is_stale


def test_fetch_of_another_event_loop_is_not_joined():
    async def before() -> PromptServiceFixture:
        served = PromptServiceFixture()
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        await served.get("p")
        served.clock.advance(1)
        served.transport.gate.clear()
        await served.get("p")
        await served.settle()
        return served

    async def after(served: PromptServiceFixture) -> None:
        served.transport.gate = asyncio.Event()
        served.transport.gate.set()
        served.transport.failure = None
        assert (await served.get("p")).is_stale
        await served.settle()
        assert not (await served.get("p")).is_stale
        served.api.close()
        await served.background.aclose()

    with contextlib.closing(asyncio.new_event_loop()) as old:
        served = old.run_until_complete(before())
        asyncio.run(after(served))
        for task in asyncio.all_tasks(old):
            task.cancel()
        old.run_until_complete(asyncio.sleep(0.01))


async def test_read_without_a_copy_waits_for_every_attempt():
    async with prompt_service() as served:
        calls = [await served.waiting(fallback="x") for _ in range(2)]
        served.transport.fail_attempt(DOWN)
        await served.settle()
        assert not any(call.done() for call in calls)
        served.transport.gate.set()
        assert [(await call).version_number for call in calls] == [1, 1]


async def test_close_after_the_first_failed_attempt_raises_client_closed():
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        call = await served.waiting()
        served.transport.fail_attempt(DOWN)
        served.api.close()
        with pytest.raises(ClientClosedError):
            await call


async def test_recovered_service_is_asked_after_the_delay(caplog):
    caplog.set_level(logging.INFO)
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        await served.get("p")
        served.transport.failure = None
        served.transport.number = 2
        assert await served.number() == 1
        served.clock.advance(1)
        assert await served.number() == 1
        await served.settle()
        version = await served.get("p")
        assert (version.version_number, version.is_stale) == (2, False)
        assert "prompts cannot be fetched: over" in caplog.text


async def test_retry_after_delays_the_next_request():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = RateLimitError("slow", http_status=429, retry_after=20)
        served.clock.advance(400)
        await served.get("p")
        served.clock.advance(19)
        await served.get("p")
        assert len(served.transport.paths) == 2
        served.clock.advance(1)
        await served.get("p")
        await served.settle()
        assert len(served.transport.paths) == 3


async def test_failure_is_raised_after_stale_if_error():
    async with prompt_service(stale_if_error=1000) as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(1299)
        assert (await served.get("p")).is_stale
        served.clock.advance(1)
        with pytest.raises(ConnectionError):
            await served.get("p")


async def test_failed_revalidation_marks_the_copy_stale():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(310)
        assert not (await served.get("p")).is_stale
        await served.settle()
        assert (await served.get("p")).is_stale
        assert len(served.transport.paths) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NoProductionVersionError), (403, AuthorizationError), (401, AuthenticationError)],
)
@pytest.mark.parametrize("age", [310, 400])
@pytest.mark.parametrize("outage", [False, True])
async def test_404_403_and_401_never_serve_stale(status, kind, age, outage):
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(age)
        if outage:
            served.transport.failure = DOWN
            await served.get("p")
            await served.settle()
            served.transport.failure = None
            served.clock.advance(FIRST_DELAY)
        served.transport.statuses["p"] = status
        if age < 360 or outage:
            await served.get("p")
            await served.settle()
        for _ in range(2):
            with pytest.raises(kind):
                await served.get("p")


async def test_404_removes_the_copy_for_later_outages():
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        served.transport.statuses["p"] = 404
        with pytest.raises(NoProductionVersionError):
            await served.get("p")
        served.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await served.get("p")


async def test_refused_credentials_are_raised_and_keep_the_copy():
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        served.transport.failure = InvalidCredentialsError("no")
        with pytest.raises(InvalidCredentialsError):
            await served.get("p")
        served.transport.failure = DOWN
        assert (await served.get("p")).is_stale


async def test_shared_failure_is_raised_as_a_copy_for_each_caller():
    async with prompt_service() as served:
        served.transport.failure = DOWN
        errors: list[Any] = await asyncio.gather(*(served.get("p") for _ in range(3)), return_exceptions=True)
        assert len({id(error) for error in errors}) == 3
        assert all(type(error) is ConnectionError and str(error) == "no route" for error in errors)
        assert all(error.__cause__ is DOWN for error in errors)
        assert len(served.transport.paths) == 1


async def test_cancelled_caller_leaves_the_fetch_to_the_others():
    async with prompt_service() as served:
        served.transport.gate.clear()
        callers = [asyncio.create_task(served.get("p")) for _ in range(3)]
        await served.settle()
        callers[0].cancel()
        await served.settle()
        served.transport.gate.set()
        assert [(await caller).version_number for caller in callers[1:]] == [1, 1]
        assert callers[0].cancelled()
        assert len(served.transport.paths) == 1


async def test_answer_is_stored_after_all_callers_were_cancelled():
    async with prompt_service() as served:
        served.transport.gate.clear()
        caller = asyncio.create_task(served.get("p"))
        await served.settle()
        caller.cancel()
        await served.settle()
        served.transport.gate.set()
        await served.settle()
        await served.get("p")
        assert len(served.transport.paths) == 1


async def test_cache_false_asks_the_service_and_stores_the_answer():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.number = 2
        assert await served.number(cache=False) == 2
        assert await served.number() == 2
        assert len(served.transport.paths) == 2


async def test_earlier_answer_never_replaces_a_later_one():
    async with prompt_service() as served:
        early_gate = served.transport.gate
        early_gate.clear()
        early = asyncio.create_task(served.number())
        await served.settle()
        served.transport.gate = asyncio.Event()
        served.transport.gate.set()
        served.transport.number = 2
        assert await served.number(cache=False) == 2
        early_gate.set()
        assert await early == 1
        assert await served.number() == 2
        assert len(served.transport.paths) == 2


async def test_cache_false_never_serves_stale():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await served.get("p", cache=False)
        served.clock.advance(400)
        assert (await served.get("p")).is_stale


async def test_cache_ttl_of_zero_neither_reads_nor_stores():
    async with prompt_service() as served:
        await served.get("p")
        served.transport.number = 2
        assert await served.number(cache_ttl=0) == 2
        assert await served.number() == 1
        await served.number("other", cache_ttl=0)
        await served.number("other")
        assert served.transport.count("other/production") == 2


@pytest.mark.parametrize("options", [{"cache_enabled": False}, {"cache_ttl": 0}])
async def test_disabled_cache_asks_at_every_call(options):
    async with prompt_service(**options) as served:
        for _ in range(2):
            await served.get("p")
        assert len(served.transport.paths) == 2


async def test_cache_ttl_of_a_call_limits_the_age_of_its_answer():
    async with prompt_service(stale_while_revalidate=0) as served:
        await served.get("p", cache_ttl=10)
        served.clock.advance(9)
        await served.get("p", cache_ttl=10)
        await served.get("p")
        assert len(served.transport.paths) == 1
        served.clock.advance(1)
        await served.get("p")
        assert len(served.transport.paths) == 2
        served.clock.advance(10)
        await served.get("p", cache_ttl=10)
        assert len(served.transport.paths) == 3


async def test_invalidate_drops_every_version_of_the_prompt():
    async with prompt_service() as served:
        for options in [*LABELS, {"version": "v"}]:
            await served.get("p", **options)
        await served.get("q")
        served.api.invalidate("p")
        served.transport.requests.clear()
        for options in [*LABELS, {"version": "v"}]:
            await served.get("p", **options)
        await served.get("q")
        assert served.transport.paths == ["p/production", "p/latest", "p/versions/v"]


@pytest.mark.parametrize("drop", ["invalidate", "clear"])
async def test_fetch_from_before_an_invalidation_is_not_stored_and_not_joined(drop):
    async with prompt_service() as served:
        served.transport.gate.clear()
        early = asyncio.create_task(served.number())
        await served.settle()
        served.transport.number = 2
        if drop == "clear":
            served.api.clear()
        else:
            served.api.invalidate("p")
        late = asyncio.create_task(served.number())
        await served.settle()
        served.transport.gate.set()
        assert (await early, await late) == (1, 2)
        assert await served.number() == 2
        assert len(served.transport.paths) == 2


async def test_close_wakes_all_waiters_and_refuses_later_calls():
    async with prompt_service() as served:
        await served.get("cached")
        served.transport.gate.clear()
        waiting = asyncio.create_task(served.get("p"))
        await served.settle()
        served.api.close()
        await served.background.aclose()
        with pytest.raises(ClientClosedError):
            await waiting
        for name in ("p", "cached"):
            with pytest.raises(ClientClosedError):
                await served.get(name)


async def test_restarted_client_serves_again():
    async with prompt_service() as served:
        await served.get("p")
        served.api.close()
        await served.background.aclose()
        served.background.start()
        assert await served.number() == 1


async def test_memory_is_bounded_with_many_names():
    async with prompt_service(cache_max_entries=50) as served:

        async def pass_through(start, stop):
            for index in range(start, stop):
                await served.get(f"name-{index}")
                served.transport.forget_requests()
                served.events.clear()

        await pass_through(0, 200)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await pass_through(200, 1200)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        # Fifty versions take some 150 kB, a thousand would take 3 MB.
        assert grown < 300_000


async def test_etag_makes_a_revalidation_cheap_and_the_copy_fresh_again():
    async with prompt_service(stale_while_revalidate=0) as served:
        served.transport.etags = True
        first = await served.get("p")
        served.clock.advance(300)
        assert await served.get("p") is first
        served.clock.advance(299)
        assert await served.get("p") is first, "fresh again since the 304"
        assert len(served.transport.paths) == 2
        served.transport.number = 2
        served.clock.advance(1)
        assert await served.number() == 2
        assert [event.not_modified for event in served.seen(Revalidated)] == [True, False]
        assert [event.changed for event in served.seen(Revalidated)] == [False, True]
        assert [event.not_modified for event in served.seen(PromptFetched)] == [False, True, False]


@pytest.mark.parametrize("options", [{"cache": False}, {"cache_ttl": 1e-9}])
async def test_etag_is_sent_by_every_call_that_stores_its_answer(options):
    async with prompt_service(stale_while_revalidate=0) as served:
        served.transport.etags = True
        first = await served.get("p")
        served.clock.advance(1)
        assert await served.get("p", **options) is first
        assert [event.not_modified for event in served.seen(PromptFetched)] == [False, True]


@pytest.mark.parametrize("how", ["invalidate", "clear", "key", "bypass", "label"])
async def test_etag_is_sent_only_while_its_copy_is_in_hand_and_for_its_own_request(how):
    async with prompt_service() as served:
        served.transport.etags = True
        await served.get("p")
        served.clock.advance(400)
        if how == "invalidate":
            served.api.invalidate("p")
        elif how == "clear":
            served.api.clear()
        elif how == "key":
            served.tokens.api_key = "key_2"
        options = {"bypass": {"cache_ttl": 0}, "label": {"label": "latest"}}.get(how, {})
        await served.get("p", **options)
        assert "If-None-Match" not in served.transport.requests[-1].headers


async def test_late_304_after_an_invalidation_is_not_stored():
    async with prompt_service() as served:
        served.transport.etags = True
        await served.get("p")
        served.clock.advance(310)
        served.transport.gate.clear()
        await served.get("p")
        await served.settle()
        served.api.invalidate("p")
        served.transport.gate.set()
        await served.settle()
        assert served.api.peek("p") is None


async def test_reader_with_a_copy_waits_at_most_stale_timeout(caplog):
    async with prompt_service(stale_timeout=2) as served:
        await served.get("p")
        served.transport.number = 2
        served.clock.advance(400)
        early = [await served.waiting() for _ in range(3)]
        served.clock.advance(1.9)
        await served.settle()
        assert not any(call.done() for call in early)
        served.clock.advance(0.1)
        await served.settle()
        assert all([(await call).is_stale for call in early])
        assert (await served.get("p")).is_stale, "a later reader does not wait either"
        assert [event.error for event in served.seen(StaleServed)] == ["TimeoutError"] * 4
        assert "no answer within stale_timeout = 2 s" in caplog.text
        served.transport.gate.set()
        await served.settle()
        assert [await served.number(), len(served.transport.paths)] == [2, 2], "the fetch went on"


@pytest.mark.parametrize("options", [{}, {"fallback": "x"}, {"cache": False}])
async def test_reader_without_a_copy_waits_longer_than_stale_timeout(options):
    async with prompt_service(stale_timeout=0) as served:
        call = await served.waiting(**options)
        served.clock.advance(25)
        await served.settle()
        assert not call.done()
        served.transport.gate.set()
        assert (await call).version_number == 1


async def test_stale_timeout_of_zero_serves_the_copy_at_once():
    async with prompt_service(stale_timeout=0) as served:
        await served.get("p")
        served.clock.advance(400)
        served.transport.gate.clear()
        assert (await served.get("p")).is_stale


async def test_copy_dropped_before_stale_timeout_waits_for_the_service():
    async with prompt_service() as served:
        await served.get("p")
        served.clock.advance(400)
        call = await served.waiting()
        served.api.invalidate("p")
        served.clock.advance(2)
        await served.settle()
        assert not call.done()
        served.transport.gate.set()
        assert not (await call).is_stale


UNREADABLE_STATUS = ServerError("status must be a string", http_status=200, error_code=UNREADABLE)


async def test_unreadable_answer_is_said_at_once_and_the_copy_stands_in(caplog):
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = UNREADABLE_STATUS
        served.clock.advance(310)
        assert not (await served.get("p")).is_stale
        await served.settle()
        assert "status must be a string" in caplog.text
        assert (await served.get("p")).is_stale
        assert len(caplog.records) == 1


async def test_unreadable_answer_is_said_also_in_an_outage(caplog):
    async with prompt_service() as served:
        await served.get("p")
        served.transport.failure = DOWN
        served.clock.advance(400)
        await served.get("p")
        served.transport.failure = UNREADABLE_STATUS
        served.clock.advance(1)
        await served.get("p")
        await served.settle()
        assert [UNREADABLE_STATUS.message in record.getMessage() for record in caplog.records] == [
            False,
            True,
        ]


async def test_unreadable_answer_without_a_copy_is_raised():
    async with prompt_service() as served:
        served.transport.failure = UNREADABLE_STATUS
        with pytest.raises(ServerError, match="status must be a string"):
            await served.get("p")
        assert len(served.transport.paths) == 1


async def test_version_larger_than_the_cache_is_served_and_not_kept():
    async with prompt_service(cache_max_bytes=100) as served:
        for _ in range(2):
            assert await served.number() == 1
        assert len(served.transport.paths) == 2
