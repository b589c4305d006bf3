"""The rules of the token source, on a clock that stands still."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from contextlib import suppress

import pytest

from scope_async import (
    AccessToken,
    ApiKeyCredentials,
    ClientClosedError,
    ConfigurationError,
    ConnectionError,
    InvalidCredentialsError,
    RateLimitError,
    ServerError,
    TokenRefreshError,
    TokenSource,
)
from scope_async._core.clock import FakeClock
from scope_async.telemetry import events
from tests.fakes.exchange import ADDRESSES, CREDENTIALS, FakeAuth, settle, source, travel


async def test_peek_returns_none_before_the_first_exchange() -> None:
    tokens = source(FakeAuth())
    assert tokens.peek() is None
    assert tokens.status().state == "empty"


async def test_get_exchanges_once_and_then_never_suspends() -> None:
    auth = FakeAuth()
    async with source(auth) as tokens:
        token = await tokens.get()
        with pytest.raises(StopIteration) as returned:
            tokens.get().send(None)
        assert returned.value.value is token
        assert auth.asked == ["key_1"]


async def test_start_begins_an_exchange_without_waiting() -> None:
    auth = FakeAuth()
    auth.hold()
    async with source(auth) as tokens:
        await settle()
        assert auth.in_flight == 1
        assert tokens.status().refreshing
        auth.release()
        await settle()
        assert tokens.peek() is not None


async def test_get_by_ten_thousand_readers_makes_one_exchange() -> None:
    auth = FakeAuth()
    async with source(auth) as tokens:
        answers = await asyncio.gather(*(tokens.get() for _ in range(10_000)))
    assert len(set(map(id, answers))) == 1
    assert auth.asked == ["key_1"]


async def test_get_by_ten_thousand_readers_makes_one_exchange_that_fails() -> None:
    auth = FakeAuth()
    auth.error = ServerError("down", http_status=503)
    async with source(auth) as tokens:
        answers = await asyncio.gather(*(tokens.get() for _ in range(10_000)), return_exceptions=True)
        late = await asyncio.gather(*(tokens.get() for _ in range(100)), return_exceptions=True)
    assert auth.asked == ["key_1"]
    assert {type(answer) for answer in [*answers, *late]} == {TokenRefreshError}
    assert len({id(answer) for answer in answers}) == 10_000
    causes = {id(answer.__cause__) for answer in answers if isinstance(answer, TokenRefreshError)}
    assert len(causes) == 1


async def test_error_has_retry_after() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.error = RateLimitError("slow down", http_status=429, retry_after=7)
    async with source(auth, clock) as tokens:
        with pytest.raises(TokenRefreshError) as caught:
            await tokens.get()
        assert caught.value.retry_after == 7
        assert caught.value.http_status == 429
        clock.advance(3)
        with pytest.raises(TokenRefreshError) as caught:
            await tokens.get()
        assert caught.value.retry_after == pytest.approx(4)
        assert len(auth.asked) == 1
        auth.error = None
        clock.advance(4)
        assert await tokens.get()


async def test_token_is_renewed_in_the_background_before_it_expires() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        await travel(clock, 3359)
        assert tokens.peek() is first
        assert tokens.status().state == "fresh"
        auth.hold()
        await travel(clock, 2)
        assert tokens.peek() is first
        assert (tokens.status().state, tokens.status().refreshing) == ("stale", True)
        auth.release()
        await settle()
        assert tokens.peek() is not first
        assert tokens.status().generation == 2


async def test_buffer_longer_than_the_lifetime_makes_one_exchange_for_20_000_reads() -> None:
    auth = FakeAuth(lifetime=60)
    async with source(auth, token_refresh_buffer=300) as tokens:
        for _ in range(20_000):
            await tokens.get()
    assert len(auth.asked) == 1


async def test_buffer_that_is_clamped_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    auth, clock, seen = FakeAuth(lifetime=30), FakeClock(ticking=False), []
    with caplog.at_level(logging.WARNING, "scope_async.auth"):
        async with source(auth, clock, hooks=[seen.append]):
            await travel(clock, 100, step=5)
    assert len(auth.asked) > 3
    assert len([event for event in seen if isinstance(event, events.BufferClamped)]) == 1
    assert caplog.text.count("token_refresh_buffer") == 1


async def test_failed_renewal_leaves_a_valid_token_in_use() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        auth.error = ServerError("down", http_status=500)
        await travel(clock, 3590, step=1)
        assert tokens.status().failures > 2
        assert await tokens.get() is first
        await travel(clock, 6, step=1)
        assert tokens.peek() is None
        assert tokens.status().state == "expired"
        auth.error = None
        await travel(clock, 70, step=1)
        assert tokens.peek() is not None


async def test_outage_of_most_of_a_lifetime_fails_no_reader() -> None:
    auth, clock = FakeAuth(lifetime=100), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        auth.error = ServerError("down", http_status=503)
        for second in range(1000):
            if second == 80:
                auth.error = None
            await travel(clock, 1)
            assert await tokens.get()


async def test_retry_after_is_honoured_while_the_token_is_usable() -> None:
    auth, clock = FakeAuth(lifetime=1000), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        auth.error = RateLimitError("slow down", http_status=429, retry_after=30)
        await travel(clock, 891, step=1)
        assert len(auth.asked) == 2
        await travel(clock, 28, step=1)
        assert len(auth.asked) == 2
        auth.error = RateLimitError("slow down", http_status=429, retry_after=100_000)
        await travel(clock, 3, step=1)
        assert len(auth.asked) == 3
        auth.error = None
        for _ in range(200):
            await travel(clock, 1)
            assert await tokens.get()


async def test_cached_token_of_the_auth_api_causes_no_loop() -> None:
    auth, clock = FakeAuth(lifetime=1000), FakeClock(ticking=False)
    expiry = clock.monotonic() + 1000

    def cached() -> None:
        left = expiry - clock.monotonic()
        auth.lifetime = left if left > 2 else 1000

    auth.before_answer = cached
    async with source(auth, clock) as tokens:
        await tokens.get()
        for _ in range(1500):
            await travel(clock, 1)
            assert await tokens.get()
    assert 3 <= len(auth.asked) <= 16


async def test_get_fails_when_the_token_expired_before_it_arrived() -> None:
    auth, clock = FakeAuth(lifetime=2), FakeClock(ticking=False)
    auth.before_answer = lambda: clock.advance(3)
    async with source(auth, clock) as tokens:
        with pytest.raises(TokenRefreshError, match="expired before it arrived"):
            await tokens.get()
        assert tokens.status().failures == 1


async def test_lifetime_counts_from_before_the_request() -> None:
    auth, clock = FakeAuth(lifetime=100), FakeClock(ticking=False)
    auth.before_answer = lambda: clock.advance(10)
    async with source(auth, clock) as tokens:
        assert (await tokens.get()).expires_in() == 90


async def test_refused_credentials_fail_every_caller_at_once_and_are_probed_slowly() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.refused.add("key_1")
    async with source(auth, clock) as tokens:
        answers = await asyncio.gather(*(tokens.get() for _ in range(1000)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {InvalidCredentialsError}
        await travel(clock, 29, step=1)
        assert len(auth.asked) == 1
        await travel(clock, 3600, step=1)
        assert 10 <= len(auth.asked) <= 17
        with pytest.raises(InvalidCredentialsError):
            await tokens.get()
        assert tokens.status().state == "refused"
        auth.refused.clear()
        await travel(clock, 301, step=1)
        assert await tokens.get()
        assert tokens.status().last_error is None


async def test_refused_credentials_stay_refused_after_a_probe_with_a_transient_failure() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.refused.add("key_1")
    async with source(auth, clock) as tokens:
        with pytest.raises(InvalidCredentialsError):
            await tokens.get()
        auth.refused.clear()
        auth.error = ServerError("down", http_status=503)
        await travel(clock, 31)
        assert len(auth.asked) == 2
        with pytest.raises(InvalidCredentialsError) as caught:
            await tokens.get()
        assert caught.value.retry_after
        assert isinstance(tokens.status().last_error, ServerError)
        auth.error = None
        await travel(clock, 90, step=1)
        assert await tokens.get()


async def test_refused_credentials_leave_the_old_token_in_use_until_it_expires() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        auth.refused.add("key_1")
        await travel(clock, 3594, step=2)
        assert await tokens.get() is first
        await travel(clock, 2)
        with pytest.raises(InvalidCredentialsError):
            await tokens.get()


async def test_source_keeps_the_access_of_its_provider_alive_while_it_is_open() -> None:
    class Leased:
        running = 0

        async def __call__(self) -> ApiKeyCredentials:
            return CREDENTIALS

        async def keep_alive(self) -> None:
            self.running += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.running -= 1

    leased = Leased()
    async with source(FakeAuth(), credentials=leased) as tokens:
        await tokens.get()
        await settle()
        assert leased.running == 1
    assert leased.running == 0


async def test_refused_credentials_are_reloaded_at_once() -> None:
    current = [CREDENTIALS]
    auth, seen = FakeAuth(), []
    auth.refused.add("key_1")
    calls = 0

    async def provider() -> ApiKeyCredentials:
        nonlocal calls
        calls += 1
        if calls > 1:
            current[0] = ApiKeyCredentials("org_1", "key_2", "secret_of_key_2")
        return current[0]

    async with source(auth, credentials=provider, hooks=[seen.append]) as tokens:
        assert (await tokens.get()).api_key == "key_2"
    assert auth.asked == ["key_1", "key_2"]
    assert [event for event in seen if isinstance(event, events.CredentialsChanged)] == [
        events.CredentialsChanged(api_key="key_2")
    ]


async def test_provider_that_fails_later_leaves_the_last_credentials_in_use() -> None:
    auth, clock = FakeAuth(lifetime=100), FakeClock(ticking=False)
    broken = False

    async def provider() -> ApiKeyCredentials:
        if broken:
            raise ConfigurationError("the file is being replaced")
        return CREDENTIALS

    async with source(auth, clock, credentials=provider) as tokens:
        await tokens.get()
        broken = True
        await travel(clock, 1000, step=5)
        assert await tokens.get()
        assert tokens.status().failures == 0


async def test_provider_that_fails_first_fails_the_callers() -> None:
    async def provider() -> ApiKeyCredentials:
        raise ConfigurationError("cannot read the credentials file")

    async with source(FakeAuth(), credentials=provider) as tokens:
        with pytest.raises(TokenRefreshError, match="cannot read the credentials file") as caught:
            await tokens.get()
        assert isinstance(caught.value.__cause__, ConfigurationError)


async def test_provider_that_raises_anything_gives_a_typed_error_without_its_text() -> None:
    async def provider() -> ApiKeyCredentials:
        raise KeyError("secret_x")

    async with source(FakeAuth(), credentials=provider) as tokens:
        with pytest.raises(TokenRefreshError) as caught:
            await tokens.get()
        assert "secret_x" not in str(caught.value)


async def test_provider_of_the_wrong_type_is_named_as_a_mistake() -> None:
    async def provider() -> ApiKeyCredentials:
        return {"api_secret": "secret_x"}  # type: ignore[return-value]

    async with source(FakeAuth(), credentials=provider) as tokens:
        with pytest.raises(ConfigurationError, match="ApiKeyCredentials, got dict") as caught:
            await tokens.get()
        assert "secret_x" not in str(caught.value)


async def test_provider_that_never_returns_differs_from_one_whose_own_call_timed_out() -> None:
    async def hanging() -> ApiKeyCredentials:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def timing_out() -> ApiKeyCredentials:
        raise TimeoutError

    for provider, message in (
        (hanging, r"no token within 0\.05 s: the credentials are still being read from hanging"),
        (timing_out, "the credential provider failed with TimeoutError"),
    ):
        async with source(FakeAuth(), credentials=provider, timeout=0.05) as tokens:
            with pytest.raises(TokenRefreshError, match=message):
                await tokens.get()


async def test_provider_that_is_not_async_is_refused_when_the_source_is_built() -> None:
    def plain() -> ApiKeyCredentials:
        return CREDENTIALS

    with pytest.raises(TypeError, match="plain is a plain function"):
        TokenSource(plain, base_url="http://localhost:1", auth_api_url="http://localhost:1")


async def test_failing_renewals_are_one_episode_of_the_log_until_they_succeed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    with caplog.at_level(logging.INFO, "scope_async.auth"):
        async with source(auth, clock) as tokens:
            await tokens.get()
            auth.error = ServerError("down", http_status=500)
            await travel(clock, 3500, step=10)
            failures = tokens.status().failures
            auth.error = None
            await travel(clock, 7200, step=10)
    first, *_, last = caplog.messages
    assert {record.levelname for record in caplog.records} == {"WARNING"}, "the token lived all the time"
    assert re.search(
        r"the token cannot be renewed: down .*; the token lives \d+ s more; trying again in", first
    )
    assert "the token cannot be renewed: over, since" in last
    assert f"(failed exchanges: {failures})" in last


async def test_failing_renewals_are_errors_once_calls_fail(caplog: pytest.LogCaptureFixture) -> None:
    auth, clock = FakeAuth(lifetime=300), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        auth.error = ServerError("down", http_status=500)
        await travel(clock, 300, step=5)
        for _ in range(1000):
            with suppress(TokenRefreshError):  # `pytest.raises` would look a thousand times for secrets
                await tokens.get()
        auth.error = None
        await travel(clock, 120, step=5)
    levels = [record.levelname for record in caplog.records]
    assert levels == sorted(levels, key=["WARNING", "ERROR"].index)
    assert len(levels) < 10
    assert caplog.records[-1].levelname == "ERROR"
    assert "over" in caplog.messages[-1]
    assert "failed calls: 1000" in caplog.messages[-1]


async def test_service_that_refuses_every_token_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        for _ in range(1200):
            tokens.invalidate(await tokens.get())
            await travel(clock, 0.1)
    assert 2 <= len(caplog.records) <= 4
    assert "the service refuses new tokens" in caplog.messages[0]


async def test_invalidate_drops_exactly_the_token_that_was_refused() -> None:
    auth = FakeAuth()
    async with source(auth) as tokens:
        first = await tokens.get()
        tokens.invalidate(first)
        second = await tokens.get()
        assert second.generation == 2
        for _ in range(1000):
            tokens.invalidate(first)
        assert tokens.peek() is second
        assert len(auth.asked) == 2


async def test_invalidate_has_the_exchange_told_of_the_rejected_token() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        tokens.invalidate(await tokens.get())
        await tokens.get()
        await travel(clock, 3600)
        assert auth.rejected == [None, "token-1", None]


async def test_invalidate_has_every_exchange_told_until_there_is_a_new_token() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        tokens.invalidate(await tokens.get())
        auth.error = ServerError("busy", http_status=503)
        with pytest.raises(TokenRefreshError):
            await tokens.get()
        auth.error = None
        await travel(clock, 10)
        assert tokens.peek() is not None
        assert auth.rejected == [None, "token-1", "token-1"]


async def test_forced_renewals_are_limited() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        for _ in range(50):
            tokens.invalidate(await tokens.get())
        assert len(auth.asked) == 4
        clock.advance(10)
        tokens.invalidate(await tokens.get())
        await tokens.get()
        assert len(auth.asked) == 5


async def test_wall_clock_steps_cause_no_storm_and_no_outage() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        for seconds in (-86400, 86400, -5, 5, 10**9, -(10**9)):
            clock.step_wall(seconds)
            await settle()
            assert tokens.peek() is not None
        assert len(auth.asked) == 1


async def test_suspension_renews_the_token_as_soon_as_it_is_noticed() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        await travel(clock, 10)
        clock.suspend(7200)
        assert tokens.peek() is first
        await settle()
        assert tokens.status().generation == 2
        for _ in range(100):
            clock.suspend(7200)
            await settle()
        assert len(auth.asked) < 10


async def test_suspension_is_noticed_after_the_wall_clock_was_set_back() -> None:
    auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        await travel(clock, 10)
        clock.step_wall(-86400)
        await travel(clock, 10)
        clock.suspend(7200)
        await settle()
        assert tokens.status().generation == 2


async def test_suspension_during_an_exchange_renews_its_token_at_once() -> None:
    for reads in (True, False):
        auth, clock = FakeAuth(lifetime=3600), FakeClock(ticking=False)
        async with source(auth, clock) as tokens:
            first = await tokens.get()
            auth.hold()
            if reads:
                tokens.invalidate(first)
                reader = asyncio.ensure_future(tokens.get())
            else:
                await travel(clock, 3400)
            await settle()
            clock.suspend(7200)
            await settle()
            auth.release()
            await settle()
            if reads:
                await reader
            assert tokens.status().generation == 2
            await travel(clock, 1)
            assert tokens.status().generation == 3


async def test_provider_whose_own_task_was_cancelled_is_a_failure_like_any_other() -> None:
    calls = 0

    async def provider() -> ApiKeyCredentials:
        nonlocal calls
        calls += 1
        lookup = asyncio.ensure_future(asyncio.sleep(3600))
        lookup.cancel()
        await lookup
        return CREDENTIALS

    async with source(FakeAuth(), credentials=provider) as tokens:
        for _ in range(10):
            with pytest.raises(TokenRefreshError, match="the credential provider failed"):
                await tokens.get()
    assert calls == 1


async def test_cancelled_readers_change_nothing_for_the_others() -> None:
    auth = FakeAuth()
    auth.hold()
    async with source(auth) as tokens:
        readers = [asyncio.ensure_future(tokens.get()) for _ in range(100)]
        await settle()
        for reader in (readers[0], readers[50], readers[-1]):
            reader.cancel()
        await settle()
        auth.release()
        answers = await asyncio.gather(*readers, return_exceptions=True)
    assert sum(isinstance(answer, AccessToken) for answer in answers) == 97
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 3
    assert auth.asked == ["key_1"]


async def test_exchange_goes_on_when_all_readers_are_cancelled() -> None:
    auth = FakeAuth()
    auth.hold()
    async with source(auth) as tokens:
        readers = [asyncio.ensure_future(tokens.get()) for _ in range(3)]
        await settle()
        for reader in readers:
            reader.cancel()
        await settle()
        assert auth.in_flight == 1
        auth.release()
        await settle()
        assert tokens.peek() is not None


async def test_aclose_wakes_the_readers_that_wait() -> None:
    auth = FakeAuth()
    auth.hold()
    tokens = source(auth)
    await tokens.start()
    readers = [asyncio.ensure_future(tokens.get()) for _ in range(10)]
    await settle()
    await tokens.aclose()
    answers = await asyncio.gather(*readers, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ClientClosedError}
    assert tokens.status().state == "closed"
    with pytest.raises(ClientClosedError):
        await tokens.get()


async def test_start_works_again_after_aclose() -> None:
    auth = FakeAuth()
    tokens = source(auth)
    for _ in range(3):
        async with tokens:
            assert await tokens.get()
    assert len(auth.asked) == 3


async def test_peek_can_be_called_from_any_thread() -> None:
    async with source(FakeAuth()) as tokens:
        token = await tokens.get()
        seen: list[AccessToken | None] = []
        thread = threading.Thread(target=lambda: seen.append(tokens.peek()))
        thread.start()
        thread.join()
        assert seen == [token]


async def test_repr_events_and_log_show_no_token_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    auth, seen = FakeAuth(), []
    with caplog.at_level(logging.DEBUG):
        async with source(auth, hooks=[seen.append]) as tokens:
            token = await tokens.get()
            shown = f"{token} {token!r} {tokens!r} {tokens.status()!r} {CREDENTIALS!r} {seen!r} {caplog.text}"
    assert "token-1" not in shown
    assert "secret_of_key_1" not in shown
    assert token.authorization == "Bearer token-1"


def test_wrong_arguments_are_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="token_refresh_buffer"):
        TokenSource(CREDENTIALS, token_refresh_buffer=-1, **ADDRESSES)
    with pytest.raises(TypeError, match="refresh_bufer"):
        TokenSource(CREDENTIALS, refresh_bufer=1, **ADDRESSES)
    for wrong in (("org_1", "key_1", "secret_1"), ApiKeyCredentials):
        with pytest.raises(TypeError, match="credentials") as caught:
            TokenSource(wrong, **ADDRESSES)
        assert "secret_1" not in str(caught.value)


async def test_outage_fails_the_readers_whose_time_is_over_and_no_other() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock, max_retries=3) as tokens:
        auth.error = ConnectionError("cut")
        short, long = (asyncio.ensure_future(tokens.get_within(seconds)) for seconds in (10, 30))
        await settle()
        assert len(auth.asked) == 2, "a cut connection is tried again at once"
        await travel(clock, 10, step=0.25)
        assert str(short.exception()) == "no valid token: cut"
        late = asyncio.ensure_future(tokens.get())
        await travel(clock, 10, step=0.25)
        assert not long.done()
        auth.error = None
        await travel(clock, 8, step=0.25)
        assert long.result() is late.result()
        assert len(auth.asked) < 15


async def test_reader_who_comes_between_two_renewals_waits_for_the_next_one() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock, max_retries=1) as tokens:
        auth.error = ServerError("down", http_status=503)
        await travel(clock, 2, step=0.25)
        assert not tokens.status().refreshing
        reader = asyncio.ensure_future(tokens.get())
        with pytest.raises(TokenRefreshError, match="down"):
            await tokens.get_within(0.1)
        auth.error = None
        await travel(clock, 5, step=0.25)
        assert reader.result()


async def test_refresh_waits_for_an_exchange_that_began_after_the_call() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.hold()
    async with source(auth, clock) as tokens:
        await settle()
        clock.advance(1)
        refreshing = [asyncio.ensure_future(tokens.refresh()) for _ in range(100)]
        await settle()
        clock.advance(1)
        auth.release()
        assert {token.generation for token in await asyncio.gather(*refreshing)} == {2}
    assert len(auth.asked) == 2


async def test_refresh_ends_a_refusal_as_soon_as_the_credentials_are_right() -> None:
    auth = FakeAuth()
    auth.refused.add("key_1")
    async with source(auth) as tokens:
        with pytest.raises(InvalidCredentialsError):
            await tokens.get()
        with pytest.raises(InvalidCredentialsError):
            await tokens.refresh()
        auth.refused.clear()
        assert (await tokens.refresh()).generation == 1


async def test_refresh_keeps_the_token_when_the_exchange_fails() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        clock.advance(1)
        auth.error = ServerError("down", http_status=503)
        with pytest.raises(TokenRefreshError):
            await tokens.refresh()
        assert tokens.peek() is first


async def test_refresh_is_limited_like_a_forced_renewal() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        await tokens.get()
        for _ in range(20):
            clock.advance(0.1)
            await tokens.refresh()
        assert len(auth.asked) == 4


async def test_refusal_is_one_line_a_minute_however_often_it_is_probed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.refused.add("key_1")
    with caplog.at_level(logging.INFO, "scope_async.auth"):
        async with source(auth, clock) as tokens:
            for _ in range(600):
                await travel(clock, 1)
                with pytest.raises(InvalidCredentialsError):
                    await tokens.get()
            assert tokens.status().exchanges > 3
            auth.refused.clear()
            await travel(clock, 600, step=1)
    assert len(caplog.records) <= 13
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    assert re.search(
        r"refuses the credentials: over, .*refused exchanges: \d+, failed calls: 600", caplog.messages[-1]
    )


async def test_refused_credentials_that_change_are_exchanged_within_seconds() -> None:
    current, auth, clock = [CREDENTIALS], FakeAuth(), FakeClock(ticking=False)
    auth.refused.add("key_1")

    async def provider() -> ApiKeyCredentials:
        return current[0]

    async with source(auth, clock, credentials=provider) as tokens:
        await travel(clock, 1000, step=1)
        current[0] = ApiKeyCredentials("org_1", "key_2", "secret_of_key_2")
        await travel(clock, 4, step=1)
        assert (await tokens.get()).api_key == "key_2"


async def test_token_is_lent_until_its_renewal_is_due_when_the_background_has_ended() -> None:
    auth, clock = FakeAuth(lifetime=100), FakeClock(ticking=False)
    async with source(auth, clock) as tokens:
        first = await tokens.get()
        home = tokens._background._home
        assert home is not None
        home.task.cancel()
        await settle()
        assert (await tokens.get()).generation == 1
        assert not tokens._background.running
        clock.advance(70)
        assert tokens.peek() is first
        assert (await tokens.get()).generation == 2


async def test_wait_before_a_retry_goes_on_in_the_next_renewal_when_its_event_loop_ends() -> None:
    auth, clock = FakeAuth(), FakeClock(ticking=False)
    auth.error = RateLimitError("slow down", http_status=429, retry_after=5)
    async with source(auth, clock, max_retries=3) as tokens:
        await settle()
        home = tokens._background._home
        assert home is not None
        home.task.cancel()
        await settle()
        auth.error = None
        reader = asyncio.ensure_future(tokens.get())
        await travel(clock, 4, step=1)
        assert len(auth.asked) == 1
        await travel(clock, 2, step=1)
        assert await reader
