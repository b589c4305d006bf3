"""`SharedVersions`: what one process fetched is fresh for all, and an invalidation reaches all."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from scope_async import ApiKeyCredentials, ConnectionError, NotFoundError
from scope_async._core.clock import FakeClock
from scope_async.telemetry.events import CacheHit, LeaseTaken, SharedPromptTaken, StaleServed
from tests.fakes.memory_store import MemoryStore
from tests.fakes.transport import PromptServiceFixture, prompt_service
from tests.fakes.waiting import until

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "a secret of many characters")
DOWN = ConnectionError("no route")


class Fleet:
    """Processes that share a store and a clock; each has a transport of its own to the service."""

    def __init__(self, stack: AsyncExitStack, **options) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock.monotonic)
        self._stack = stack
        self._options = options
        self.processes: list[PromptServiceFixture] = []

    async def start(self) -> PromptServiceFixture:
        process = await self._stack.enter_async_context(
            prompt_service(store=self.store, clock=self.clock, **self._options)
        )
        process.background.start()
        assert process.store is not None
        process.store.entries_for(CREDENTIALS)
        readers = len(self.store._readers)
        await until(lambda: len(self.store._readers) > readers or self.store.failure is not None)
        self.processes.append(process)
        return process

    @property
    def requests(self) -> int:
        return sum(len(each.transport.requests) for each in self.processes)

    def release(self, number: int) -> None:
        """Let the service have version `number` from now on."""
        for each in self.processes:
            each.transport.number = number


@asynccontextmanager
async def fleet(count: int = 2, **options):
    async with AsyncExitStack() as stack:
        made = Fleet(stack, **options)
        for _ in range(count):
            await made.start()
        yield made


async def test_version_is_fetched_once_for_all_processes() -> None:
    async with fleet(8) as made:
        numbers = await asyncio.gather(*(each.number() for each in made.processes))
        assert numbers == [1] * 8
        assert made.requests == 1
        assert sum(len(each.seen(SharedPromptTaken)) for each in made.processes) == 7
        assert sum(len(each.seen(LeaseTaken)) for each in made.processes) == 1


async def test_version_is_fresh_for_no_longer_than_from_its_fetch() -> None:
    async with fleet(2, cache_ttl=60, stale_while_revalidate=0) as made:
        one, two = made.processes
        await one.number()
        await until(lambda: made.store.entries)
        made.clock.advance(40)
        made.release(2)
        assert await two.number() == 1
        made.clock.advance(25)
        assert await two.number() == 2
        assert made.requests == 2
        assert await one.number() == 2
        assert made.requests == 2


async def test_stale_version_of_the_store_is_served_and_revalidated_once() -> None:
    async with fleet(1, cache_ttl=60, stale_while_revalidate=60) as made:
        await made.processes[0].number()
        await until(lambda: made.store.entries)
        made.clock.advance(90)
        late = await made.start()
        made.release(2)
        assert await late.number() == 1
        assert await late.number() == 1
        assert [event.fresh for event in late.seen(CacheHit)] == [False]
        await until(lambda: made.requests == 2)
        await until(lambda: late.api.peek("p") is not None)
        assert await late.number() == 2


async def test_process_that_starts_while_the_service_is_down_serves_the_copy_of_the_store() -> None:
    async with fleet(1, cache_ttl=60, stale_while_revalidate=0) as made:
        await made.processes[0].number()
        await until(lambda: made.store.entries)
        made.clock.advance(3600)
        late = await made.start()
        late.transport.failure = DOWN
        version = await late.get("p")
        assert version.is_stale
        assert 3600 <= late.seen(StaleServed)[0].age_ms / 1000 < 3610


async def test_copy_of_the_store_stands_in_for_a_service_that_hangs_after_stale_timeout() -> None:
    async with fleet(1, cache_ttl=60, stale_while_revalidate=0, stale_timeout=0.05) as made:
        await made.processes[0].number()
        await until(lambda: made.store.entries)
        made.clock.advance(3600)
        late = await made.start()
        late.transport.gate.clear()
        assert (await late.get("p")).is_stale


async def test_etag_of_the_shared_copy_makes_the_request_conditional() -> None:
    async with fleet(1, cache_ttl=60, stale_while_revalidate=0) as made:
        one = made.processes[0]
        one.transport.etags = True
        await one.number()
        await until(lambda: made.store.entries)
        made.clock.advance(90)
        late = await made.start()
        late.transport.etags = True
        assert await late.number() == 1
        assert late.transport.requests[0].headers["If-None-Match"] == '"p-1-production"'


@pytest.mark.parametrize("everything", [False, True])
async def test_invalidation_reaches_every_process(everything) -> None:
    async with fleet(3) as made:
        for each in made.processes:
            await each.number("p")
            await each.number("q")
        made.release(2)
        if everything:
            made.processes[0].api.clear()
        else:
            made.processes[0].api.invalidate("p")
        # Not what lies in the store yet, either.
        assert await made.processes[0].number("p") == 2
        others = made.processes[1:]
        await until(lambda: all(each.api.peek("p") is None for each in others))
        for each in others:
            assert await each.number("p") == 2
            assert (each.api.peek("q") is None) is everything


async def test_invalidation_during_an_outage_of_the_store_reaches_the_others_afterwards() -> None:
    async with fleet(2) as made:
        one, two = made.processes
        await one.number()
        assert await two.number() == 1
        made.store.fail(OSError("no route"))
        one.api.invalidate("p")
        await until(lambda: not one.store.status().available)
        made.release(2)
        assert await one.number() == 2
        assert await two.number() == 1
        made.store.failure = None
        await until(lambda: one.store.status().available and two.store.status().available)
        await until(lambda: ("invalidate" in made.store.calls) and not made.store.entries)
        async with asyncio.timeout(60):
            while await two.number() != 2:
                await asyncio.sleep(0.01)


async def test_prompt_that_is_gone_leaves_the_store() -> None:
    async with fleet(1, cache_ttl=60, stale_while_revalidate=0) as made:
        one = made.processes[0]
        await one.number()
        await until(lambda: made.store.entries)
        made.clock.advance(90)
        one.transport.statuses["p"] = 404
        with pytest.raises(NotFoundError):
            await one.get("p")
        await until(lambda: not made.store.entries)


async def test_read_past_the_cache_asks_the_service_and_shares_the_answer() -> None:
    async with fleet(2) as made:
        one, two = made.processes
        await one.number()
        made.release(2)
        assert await two.number(cache=False) == 2
        assert made.requests == 2
        await until(lambda: two.store.jobs._pending == set())
        late = await made.start()
        assert await late.number() == 2
        assert made.requests == 2


async def test_failure_of_one_process_is_no_failure_of_another() -> None:
    async with fleet(2) as made:
        one, two = made.processes
        one.transport.failure = DOWN
        with pytest.raises(ConnectionError):
            await one.get("p")
        assert await two.number() == 1


async def test_first_failed_attempt_lets_another_process_fetch() -> None:
    async with fleet(2) as made:
        one, two = made.processes
        reading = await one.waiting()
        one.transport.fail_attempt(DOWN)
        assert await two.number() == 1
        one.transport.gate.set()
        assert (await reading).version_number == 1


async def test_store_that_is_unavailable_costs_nothing_but_requests() -> None:
    async with fleet(2) as made:
        made.store.fail(OSError("no route"))
        assert [await each.number() for each in made.processes] == [1, 1]
        assert made.requests == 2


async def test_entry_of_a_format_to_come_is_replaced() -> None:
    async with fleet(2) as made:
        one, two = made.processes
        await one.number()
        await until(lambda: made.store.entries)
        entries = await one.store.entries()
        ((_, name), entry), *_ = made.store.entries.items()
        entry.content = entries._cipher.encrypt("prompt", name, b"{}\n[]")
        assert await two.number() == 1
        assert made.requests == 2
