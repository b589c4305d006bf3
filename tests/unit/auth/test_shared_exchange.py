"""`SharedExchange`: one exchange for all processes, and none of its failures is another one's."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from random import Random

import pytest

from scope_async import ApiKeyCredentials, InvalidCredentialsError, ServerError, TokenSource
from scope_async._core.clock import SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.stores.client_store import ClientStore
from scope_async.telemetry.events import SharedTokenTaken, StoreAvailable, StoreUnavailable, TokenExchanged
from tests.fakes.exchange import ADDRESSES, FakeAuth
from tests.fakes.memory_store import MemoryStore
from tests.fakes.waiting import until
from tests.simulation.clock import MachineClock
from tests.simulation.event_loop import VirtualLoop

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "a secret of many characters")


class Process:
    """One of several that share a store and an auth API."""

    def __init__(self, store, auth, credentials=CREDENTIALS, clock=None, **options) -> None:
        config = Config(**ADDRESSES, **{"max_retries": 0, **options})
        clock = clock or SystemClock()
        self.events: list[object] = []
        self.background = Background()
        self.store = ClientStore(
            store, config, background=self.background, clock=clock, emit=self.events.append
        )
        self.tokens = TokenSource(
            credentials,
            config=config,
            exchange=auth,
            clock=clock,
            background=self.background,
            hooks=[self.events.append],
            store=self.store,
        )

    def seen(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)


@asynccontextmanager
async def fleet(count: int, store, auth, credentials=CREDENTIALS, **options):
    made = [Process(store, auth, credentials, **options) for _ in range(count)]
    try:
        yield made
    finally:
        await asyncio.gather(*(each.tokens.aclose() for each in made))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SystemClock().monotonic)


async def values_of(processes) -> set[str]:
    return {token.value for token in await asyncio.gather(*(each.tokens.get() for each in processes))}


async def test_exchange_is_made_once_for_all(store) -> None:
    auth = FakeAuth()
    async with fleet(8, store, auth) as processes:
        assert await values_of(processes) == {"token-1"}
        assert len(auth.asked) == 1
        assert sum(each.tokens.status().exchanges for each in processes) == 1
        assert sum(each.tokens.status().shared for each in processes) == 7
        assert sum(each.seen(TokenExchanged) for each in processes) == 1
        assert sum(each.seen(SharedTokenTaken) for each in processes) == 7


async def test_token_that_is_taken_has_the_life_that_is_left(store) -> None:
    auth = FakeAuth(lifetime=100)
    async with fleet(1, store, auth) as (first,):
        await first.tokens.get()
        await until(lambda: store.entries)
        for entry in store.entries.values():
            entry.expires_at -= 60
        async with fleet(1, store, auth) as (second,):
            token = await second.tokens.get()
            assert token.lifetime == 100
            assert 38 < token.expires_in() <= 40


async def test_token_renewed_by_one_is_taken_by_the_others_before_their_own_is_due(store) -> None:
    auth = FakeAuth()
    async with fleet(4, store, auth) as processes:
        await values_of(processes)
        await processes[2].tokens.refresh()
        await until(lambda: {each.tokens.peek().value for each in processes} == {"token-2"})
        assert len(auth.asked) == 2
        assert processes[0].tokens.status().state == "fresh"


async def test_refused_token_is_given_up_by_all_and_renewed_once(store) -> None:
    auth = FakeAuth()
    async with fleet(6, store, auth) as processes:
        await values_of(processes)
        await until(lambda: store.entries)
        for each in processes:
            each.tokens.invalidate(each.tokens.peek())
        assert await values_of(processes) == {"token-2"}
        assert len(auth.asked) == 2
        assert "token-1" in auth.rejected
        async with fleet(1, store, auth) as (late,):
            assert (await late.tokens.get()).value == "token-2"


async def test_refused_token_is_deleted_before_there_is_another(store) -> None:
    auth = FakeAuth()
    async with fleet(1, store, auth) as (one,):
        token = await one.tokens.get()
        await until(lambda: store.entries)
        auth.hold()
        one.tokens.invalidate(token)
        await until(lambda: not store.entries)
        auth.release()


async def test_failed_exchange_is_followed_by_a_cooldown_for_all(store) -> None:
    auth = FakeAuth()
    auth.error = ServerError("down", http_status=503)
    async with fleet(4, store, auth, timeout=0.4, token_refresh_buffer=0) as processes:
        await asyncio.gather(*(each.tokens.get() for each in processes), return_exceptions=True)
        assert len(auth.asked) == 1


async def test_refused_credentials_are_found_out_by_each(store) -> None:
    auth = FakeAuth()
    auth.refused = {"key_1"}
    async with fleet(3, store, auth) as processes:
        answers = await asyncio.gather(*(each.tokens.get() for each in processes), return_exceptions=True)
        assert {type(answer) for answer in answers} == {InvalidCredentialsError}


async def test_another_key_has_another_token(store) -> None:
    auth = FakeAuth()
    current = CREDENTIALS

    async def provider() -> ApiKeyCredentials:
        return current

    async with fleet(2, store, auth, provider) as processes:
        await values_of(processes)
        current = ApiKeyCredentials("org_1", "key_2", "another secret of many characters")
        assert (await processes[0].tokens.refresh()).value == "token-2"
        assert (await processes[1].tokens.refresh()).value == "token-2"
        assert auth.asked == ["key_1", "key_2"]


async def test_token_of_a_format_to_come_is_replaced(store) -> None:
    auth = FakeAuth()
    async with fleet(1, store, auth) as (one,):
        entries = one.store.entries_for(CREDENTIALS)
        slot = entries.slot("token")
        lease = await store.acquire(entries._cipher.namespace, slot.name, owner="ab", duration=5)
        await store.put(lease, entries._cipher.encrypt("token", slot.name, b"[]"), lifetime=60)
        assert (await one.tokens.get()).value == "token-1"


async def test_client_goes_on_alone_without_the_store(store, caplog) -> None:
    caplog.set_level(logging.INFO, logger="scope_async.stores")
    auth = FakeAuth()
    async with fleet(2, store, auth) as processes:
        await values_of(processes)
        store.fail(OSError("no route"))
        assert (await processes[0].tokens.refresh()).value == "token-2"
        assert not processes[0].store.status().available
        assert processes[1].tokens.peek().value == "token-1"
        store.failure = None
        await until(lambda: all(each.store.status().available for each in processes))
        await until(lambda: all(each.seen(StoreAvailable) == 1 for each in processes))
        assert [each.seen(StoreUnavailable) for each in processes] == [1, 1]


async def test_weak_secret_is_never_used_for_the_store(store, caplog) -> None:
    auth = FakeAuth()
    weak = ApiKeyCredentials("org_1", "key_1", "15 characters..")
    async with fleet(2, store, auth, weak) as processes:
        assert await values_of(processes) == {"token-1", "token-2"}
        assert "fewer than 16 characters" in processes[0].store.status().last_error
    assert store.calls.count("acquire") == 0
    assert [record.getMessage() for record in caplog.records if "fewer than 16" in record.getMessage()] == [
        "the shared store is not used: the API secret has fewer than 16 characters"
    ] * 2


def test_outage_is_retried_by_one_process_at_a_time_until_all_have_the_token() -> None:
    loop = VirtualLoop()
    auth = FakeAuth()
    auth.error = ServerError("down", http_status=503)
    options = {"max_retries": 1, "timeout": 5.0, "retry_base_delay": 0.05}

    async def recover() -> None:
        store, clock = MemoryStore(loop.time), MachineClock(loop, Random(1))
        async with fleet(4, store, auth, clock=clock, **options) as processes:
            waiting = asyncio.ensure_future(values_of(processes))
            await asyncio.sleep(1.2)
            auth.error = None
            assert len(await waiting) == 1

    loop.run_until_complete(recover())
    loop.close()
    assert 2 <= len(auth.asked) <= 5, "half a second lies between two exchanges of the fleet"
    assert auth.most_in_flight == 1
