"""`SharedEntries`: one fetch for all, and a store that is never in the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random

import pytest

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.stores.availability import Availability, StoreStatus
from scope_async.stores.pending_jobs import PendingJobs
from scope_async.stores.protocol import Change, LeaseHeld, StoredEntry
from scope_async.stores.shared_entries import LEASE_DURATION, Fetched, SharedEntries, SharedEntry
from scope_async.stores.wait_budget import CALLERS_BUDGET
from scope_async.telemetry.events import Event, LeaseLost, LeaseTaken
from tests.fakes.memory_store import MemoryStore
from tests.fakes.waiting import until
from tests.simulation.clock import MachineClock
from tests.simulation.event_loop import VirtualLoop
from tests.unit.stores.test_encryption import BINDING


class Process:
    """One of several that share a store."""

    def __init__(self, store: MemoryStore, binding=BINDING, clock: Clock | None = None) -> None:
        self.background = Background()
        self.changes: list[Change] = []
        self.states: list[StoreStatus] = []
        self.fetches = 0
        self.result: bytes | Exception = b"content"
        self.gate = asyncio.Event()
        self.gate.set()
        clock, rng = clock or SystemClock(), lambda: 0.0
        self.events: list[Event] = []
        self.jobs = PendingJobs(self.background)
        self.availability = Availability(clock=clock, rng=rng, on_change=self.states.append)
        self.entries = SharedEntries(
            store,
            binding,
            availability=self.availability,
            jobs=self.jobs,
            clock=clock,
            rng=rng,
            emit=self.events.append,
        )
        self.entries.subscribe(self.changes.append)
        self.background.add_service(self.entries.listen)

    async def fetch(self) -> Fetched:
        self.fetches += 1
        await self.gate.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return Fetched(self.result, lifetime=60, tags=(self.entries.tag("greeting"),))

    async def obtain(self, name: str = "greeting", **options):
        return await self.entries.obtain(self.entries.slot("prompt", name), self.fetch, **options)


@asynccontextmanager
async def processes(count: int, store: MemoryStore, clock: Clock | None = None):
    made = [Process(store, clock=clock) for _ in range(count)]
    for each in made:
        each.background.start()
    await until(lambda: all(each.changes for each in made) or store.failure is not None)
    try:
        yield made
    finally:
        for each in made:
            await each.background.aclose()


def run_in_virtual_time(
    scenario: Callable[[MemoryStore, MachineClock], Coroutine[None, None, None]],
) -> None:
    loop = VirtualLoop()
    loop.run_until_complete(scenario(MemoryStore(loop.time), MachineClock(loop, Random(1))))
    loop.close()


@pytest.fixture
def shared_store() -> MemoryStore:
    return MemoryStore(SystemClock().monotonic)


async def test_obtain_fetches_once_for_all(shared_store) -> None:
    async with processes(8, shared_store) as fleet:
        found = await asyncio.gather(*(each.obtain() for each in fleet))
        assert [each.content for each in found] == [b"content"] * 8
        assert len({each.version for each in found}) == 1
        assert sum(each.fetches for each in fleet) == 1


async def test_obtain_returns_another_version_than_the_known_one(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        first = await one.obtain()
        await until(lambda: shared_store.entries)
        two.result = b"newer"
        second = await two.obtain(known=first.version)
        assert second.content == b"newer"
        assert second.version != first.version
        await until(lambda: one.changes[-1].version == second.version)
        found = await one.obtain(known=first.version)
        assert isinstance(found, SharedEntry)
        assert found.content == b"newer"
        assert 59 < found.expires_in <= 60


async def test_obtain_fetches_again_what_is_not_acceptable(shared_store) -> None:
    async with processes(1, shared_store) as (one,):
        await one.obtain()
        await until(lambda: shared_store.entries)
        assert isinstance(await one.obtain(accept=lambda entry: entry.expires_in > 100), Fetched)
        assert one.fetches == 2


async def test_obtain_raises_the_error_of_its_own_fetch_and_leaves_the_lease_to_the_next(
    shared_store,
) -> None:
    async with processes(2, shared_store) as (one, two):
        one.gate.clear()
        one.result = OSError("the service is down")
        failing = asyncio.create_task(one.obtain())
        await until(lambda: one.fetches)
        waiting = asyncio.create_task(two.obtain())
        await until(lambda: shared_store.calls.count("acquire") == 2)
        one.gate.set()
        with pytest.raises(OSError, match="the service is down"):
            await failing
        assert (await waiting).content == b"content"


async def test_entry_that_cannot_be_decrypted_is_absent(shared_store) -> None:
    async with processes(1, shared_store) as (one,):
        await one.obtain()
        await until(lambda: shared_store.entries)
        for entry in shared_store.entries.values():
            entry.content = b"garbage"
        assert await one.entries.get(one.entries.slot("prompt", "greeting")) is None
        assert isinstance(await one.obtain(), Fetched)


async def test_store_holds_nothing_readable(shared_store) -> None:
    async with processes(1, shared_store) as (one,):
        await one.obtain()
        await until(lambda: shared_store.entries)
        text = repr((shared_store.entries, shared_store.leases)).encode()
        for secret in (b"content'", b"greeting", BINDING.api_secret.encode(), BINDING.api_key.encode()):
            assert secret not in text


async def test_delete_of_a_refused_version_reaches_everyone(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        found = await one.obtain()
        await until(lambda: shared_store.entries)
        slot = one.entries.slot("prompt", "greeting")
        await one.entries.delete(slot, found.version)
        await one.entries.delete(slot, found.version)
        await until(lambda: two.changes[-1].kind == "deleted")
        assert two.changes[-1] == Change("deleted", slot.name, found.version)
        assert await two.entries.get(slot) is None


async def test_invalidate_reaches_everyone_under_the_tag_of_the_prompt(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        await one.obtain()
        await until(lambda: shared_store.entries)
        await one.entries.invalidate("another")
        assert shared_store.entries
        await one.entries.invalidate("greeting")
        assert not shared_store.entries
        await until(lambda: two.changes[-1] == Change("invalidated", two.entries.tag("greeting")))


class OwnEngine(MemoryStore):
    """Somebody's engine, whose answers are anything."""

    answer: object = None

    async def get(self, *_: object, **__: object):
        return await self.acquire()

    async def acquire(self, *_: object, **__: object):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        LeaseHeld(float("nan")),
        StoredEntry("text", "v", 1.0),
        StoredEntry(b"", "v", "soon"),
        asyncio.CancelledError(),
        BaseException("a panic"),
    ],
    ids=repr,
)
async def test_engine_that_answers_with_anything_is_absent(answer) -> None:
    store = OwnEngine(SystemClock().monotonic)
    async with processes(1, store) as (one,):
        store.answer = answer
        for _ in range(2):
            assert isinstance(await one.obtain(), Fetched)
        await one.entries.get(one.entries.slot("prompt", "greeting"))
        assert not one.availability.status().available
        assert one.background.running


@pytest.mark.parametrize("failure", [OSError("no route"), RuntimeError("a bug in the engine")])
async def test_store_that_fails_is_absent_and_logged_once(shared_store, caplog, failure) -> None:
    caplog.set_level(logging.INFO, logger="scope_async.stores")
    async with processes(1, shared_store) as (one,):
        shared_store.fail(failure)
        for _ in range(5):
            assert isinstance(await one.obtain(), Fetched)
        assert await one.entries.get(one.entries.slot("prompt", "greeting")) is None
        assert not one.availability.status().available
        assert str(failure) in one.availability.status().last_error
        shared_store.failure = None
        await until(lambda: one.availability.status().available)
        await one.obtain()
        await until(lambda: shared_store.entries)
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert [text.split(",")[0].split(" after")[0] for text in caplog.messages] == [
        f"the shared store cannot be used: going on without it: {failure}",
        "the shared store cannot be used: over",
    ]
    assert [state.available for state in one.states] == [False, True]


def test_store_that_hangs_is_waited_for_once() -> None:
    async def obtain(store: MemoryStore, clock: MachineClock) -> None:
        async with processes(1, store, clock) as (one,):
            store.delay = 30.0
            before = clock.monotonic()
            assert isinstance(await one.obtain(), Fetched)
            assert one.availability.status().last_error == "no answer within 0.4 s"
            calls = len(store.calls)
            await asyncio.gather(*(one.obtain() for _ in range(100)))
            assert clock.monotonic() - before == pytest.approx(CALLERS_BUDGET)
            assert store.calls[calls:].count("acquire") <= 1  # a probe

    run_in_virtual_time(obtain)


def test_lease_is_renewed_while_its_holder_fetches() -> None:
    async def fetch_slowly(store: MemoryStore, clock: MachineClock) -> None:
        async with processes(2, store, clock) as (one, two):
            one.gate.clear()
            fetching = asyncio.create_task(one.obtain())
            await until(lambda: one.fetches)
            waiting = asyncio.create_task(two.obtain())
            await until(lambda: store.calls.count("renew") >= 6)
            assert clock.monotonic() > LEASE_DURATION
            one.gate.set()
            assert (await fetching).version == (await waiting).version
            assert two.fetches == 0

    run_in_virtual_time(fetch_slowly)


async def test_holder_that_stopped_is_replaced(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        one.gate.clear()
        fetching = asyncio.create_task(one.obtain())
        await until(lambda: one.fetches)
        shared_store.leases = {
            key: (owner, 0.0, lease) for key, (owner, _, lease) in shared_store.leases.items()
        }
        two.result = b"by two"
        assert (await two.obtain()).content == b"by two"
        await until(lambda: shared_store.entries)
        one.gate.set()
        assert (await fetching).content == b"content"
        await until(lambda: LeaseLost(kind="prompt") in one.events)
        assert [type(event) for event in one.events] == [LeaseTaken, LeaseLost]
        assert [type(event) for event in two.events] == [LeaseTaken]
        assert (await two.entries.get(two.entries.slot("prompt", "greeting"))).content == b"by two"


async def test_obtain_waits_for_another_process_no_longer_than_max_wait(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        one.gate.clear()
        fetching = asyncio.create_task(one.obtain())
        await until(lambda: one.fetches)
        two.result = b"alone"
        found = await two.obtain(max_wait=0)
        assert (found.content, found.version) == (b"alone", "")
        one.gate.set()
        await fetching


def test_obtain_of_a_slow_store_takes_no_more_than_its_budget() -> None:
    async def obtain(store: MemoryStore, clock: MachineClock) -> None:
        async with processes(1, store, clock) as (one,):
            await one.obtain()
            await until(lambda: store.entries)
            store.delay, before = 0.3, clock.monotonic()
            # Unacceptable at the first look, and the second one would come too late.
            found = await one.obtain(accept=lambda _: False)
            assert clock.monotonic() - before == pytest.approx(CALLERS_BUDGET)
            assert (found.content, found.version) == (b"content", "")
            assert one.availability.status().last_error == "no answer within 0.1 s"

    run_in_virtual_time(obtain)


def test_obtain_fetches_nothing_during_the_cooldown_of_an_error() -> None:
    async def obtain(store: MemoryStore, clock: MachineClock) -> None:
        async with processes(2, store, clock) as (one, two):
            one.result = OSError("the service is down")
            with pytest.raises(OSError, match="down"):
                await one.obtain(cooldown=lambda _: 20.0)
            failed_at = clock.monotonic()
            await until(lambda: "release" in store.calls)
            await two.obtain()
            assert clock.monotonic() - failed_at >= 20.0

    run_in_virtual_time(obtain)


@pytest.mark.parametrize("result", [b"content", OSError("the service")], ids=["fetched", "failed"])
async def test_lease_is_ended_when_the_store_is_back_from_an_outage(shared_store, result) -> None:
    async with processes(1, shared_store) as (one,):
        one.gate.clear()
        one.result = result
        fetching = asyncio.create_task(one.obtain())
        await until(lambda: one.fetches)
        shared_store.fail(OSError("no route"))
        one.gate.set()
        await asyncio.wait({fetching})
        assert (fetching.exception() is None) == isinstance(result, bytes)
        await until(lambda: not one.availability.status().available)
        shared_store.failure = None
        await until(lambda: one.availability.status().available)
        slot = one.entries.slot("prompt", "greeting")
        await until(
            lambda: slot.name not in {name for (_, name), (owner, *_) in shared_store.leases.items() if owner}
        )
        assert bool(shared_store.entries) == isinstance(result, bytes)


async def test_lease_that_is_released_early_is_for_the_next(shared_store) -> None:
    async with processes(2, shared_store) as (one, two):
        one.gate.clear()
        fetching = asyncio.create_task(one.obtain())
        await until(lambda: one.fetches)
        one.entries.release_early(one.entries.slot("prompt", "greeting"))
        two.result = b"by two"
        assert (await two.obtain()).content == b"by two"
        one.gate.set()
        assert (await fetching).content == b"content"


async def test_entry_is_written_when_the_pending_jobs_are_done(shared_store) -> None:
    async with processes(1, shared_store) as (one,):
        shared_store.delay = 0.05
        await one.obtain()
        assert not shared_store.entries
        await one.jobs.wait(at_most=5)
        assert shared_store.entries
