"""`WaitBudget`: no call waits for the store longer than half a second, whatever it asks it for.

In virtual time, where exchange and service take none: all the time of a call is the store's.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from scope_async import ApiKeyCredentials, TokenSource
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.prompts.service import PromptService
from scope_async.stores.client_store import ClientStore
from scope_async.stores.wait_budget import CALLERS_BUDGET, QUICK, WaitBudget
from tests.fakes.exchange import ADDRESSES, FakeAuth
from tests.fakes.memory_store import MemoryStore
from tests.fakes.transport import FakeTransport
from tests.simulation.clock import MachineClock
from tests.simulation.event_loop import VirtualLoop

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "a secret of many characters")
LONGEST = 0.5


class Service(FakeTransport):
    """Wants a token of each call, and refuses the first one while `refusing`."""

    def __init__(self, tokens: TokenSource) -> None:
        super().__init__()
        self._tokens = tokens
        self.refusing = False

    async def call(self, *args, **options):
        token = await self._tokens.get()
        if self.refusing:
            self._tokens.invalidate(token)
            await self._tokens.get()
        return await super().call(*args, **options)


class Process:
    """One of several that share a store in virtual time."""

    def __init__(self, loop: VirtualLoop, store: MemoryStore) -> None:
        self._loop = loop
        clock, config, background = MachineClock(loop, Random(1)), Config(**ADDRESSES), Background()
        shared = ClientStore(
            store, config, background=background, clock=clock, emit=None, rng=Random(1).random
        )
        self.store = shared
        self.tokens = TokenSource(
            CREDENTIALS, config=config, exchange=FakeAuth(), clock=clock, background=background, store=shared
        )
        self.service = Service(self.tokens)
        self._prompts = PromptService(
            config,
            transport=self.service,
            token_provider=self.tokens,
            background=background,
            clock=clock,
            emit=lambda _: None,
            organization=lambda: "org_1",
            store=shared,
        )

    async def read(self, name: str) -> float:
        """Return the seconds that a read of this prompt took."""
        began = self._loop.time()
        assert (await self._prompts.fetch(name)).name == name
        return self._loop.time() - began


async def read_in_all_ways(loop: VirtualLoop, store: MemoryStore) -> list[float]:
    """Return how long the calls of two processes took, the second of which finds all in the store."""
    waits: list[float] = []
    for _ in range(2):
        process = Process(loop, store)
        await process.tokens.start()
        waits.append(await process.read("cold"))
        await asyncio.sleep(60)
        process.tokens.invalidate(await process.tokens.get())
        waits.append(await process.read("without a token"))
        process.service.refusing = True
        for number in range(5):
            waits.append(await process.read(f"refused {number}"))
            await asyncio.sleep(0.1 if number % 2 else 20.0)
        waits += await asyncio.gather(*(process.read(f"at once {number}") for number in range(20)))
        await process.tokens.aclose()
    return waits


@pytest.mark.parametrize("delay", [0.02, 0.12, 0.2, 0.4, 30.0])
def test_call_waits_at_most_half_a_second_for_a_slow_store(delay: float) -> None:
    loop = VirtualLoop()
    store = MemoryStore(loop.time)
    store.delay = delay
    waits = loop.run_until_complete(read_in_all_ways(loop, store))
    loop.close()
    assert max(waits) <= LONGEST
    assert max(waits) >= min(delay, CALLERS_BUDGET)  # it was asked


async def read_what_another_one_fetches(loop: VirtualLoop, store: MemoryStore) -> float:
    """Return how long a call takes that waits for another process when the store freezes."""
    one, two = Process(loop, store), Process(loop, store)
    for process in (one, two):
        await process.tokens.start()
        await process.tokens.get()
    one.service.gate.clear()
    fetching = asyncio.create_task(one.read("greeting"))
    await asyncio.sleep(1.0)
    waiting = asyncio.create_task(two.read("greeting"))
    await asyncio.sleep(0.01)
    store.delay = 30.0
    one.service.gate.set()
    waited, _ = await asyncio.gather(waiting, fetching)
    for process in (one, two):
        await process.tokens.aclose()
    return waited


def test_call_stops_waiting_for_another_process_once_the_store_is_frozen() -> None:
    loop = VirtualLoop()
    waited = loop.run_until_complete(read_what_another_one_fetches(loop, MemoryStore(loop.time)))
    loop.close()
    assert 0.25 < waited <= LONGEST


async def read_slow_then_quick(loop: VirtualLoop, store: MemoryStore) -> list[bool]:
    process, states = Process(loop, store), []
    await process.tokens.start()
    for delay in (0.2, 0.0):
        store.delay = delay
        for number in range(3):
            await process.read(f"{delay} {number}")
        await asyncio.sleep(10.0)
        states.append(process.store.status().available)
    await process.tokens.aclose()
    return states


def test_store_is_left_alone_while_it_is_slow() -> None:
    loop = VirtualLoop()
    assert loop.run_until_complete(read_slow_then_quick(loop, MemoryStore(loop.time))) == [False, True]
    loop.close()


class Seconds:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("waits", "left"),
    [
        ([(0.0, 0.9 * QUICK), (1.0, 1.0 + 0.9 * QUICK)], CALLERS_BUDGET),
        ([(0.0, 0.25)], CALLERS_BUDGET - 0.25),
        ([(0.0, 0.25), (1.0, 1.25)], CALLERS_BUDGET - 0.5),
        ([(0.0, 0.25), (0.125, 0.375)], CALLERS_BUDGET - 0.375),
        ([(-40.0, -39.5), (0.0, 0.25)], CALLERS_BUDGET - 0.25),
    ],
    ids=["quick", "slow", "one after the other", "at the same time", "long ago"],
)
def test_left_is_what_was_not_waited(waits: list[tuple[float, float]], left: float) -> None:
    clock = Seconds()
    budget = WaitBudget(clock)
    events = sorted(
        [(begin, index, True) for index, (begin, _) in enumerate(waits)]
        + [(end, index, False) for index, (_, end) in enumerate(waits)]
    )
    under_way = {}
    for clock.now, index, begins in events:
        if begins:
            under_way[index] = budget.waiting()
            under_way[index].__enter__()
        else:
            under_way[index].__exit__(None, None, None)
    assert budget.left() == pytest.approx(left)


def test_left_counts_a_wait_under_way_and_none_that_is_free() -> None:
    clock = Seconds()
    budget = WaitBudget(clock)
    with budget.waiting() as wait:
        clock.now = 0.25
        assert budget.left() == pytest.approx(CALLERS_BUDGET - 0.25)
        wait.free = True
    assert budget.left() == CALLERS_BUDGET
