"""A fleet of many hosts that shares a token through the simulated store, and its invariants."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from random import Random
from time import perf_counter

import attrs

from scope_async import AccessToken, ApiKeyCredentials, TokenSource
from scope_async._core.concurrency.background import Background
from scope_async.auth.exchange import ExchangeResponse
from scope_async.config import Config
from scope_async.stores.client_store import ClientStore
from tests.fakes.exchange import ADDRESSES
from tests.simulation.clock import MachineClock
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.outages import HOUR
from tests.simulation.runner import without_log_and_gc
from tests.simulation.shared.store import SimulatedStore, StoreLink, StoreOutage, draw_outages

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "a secret of many characters")
_CONFIG = Config(**ADDRESSES)
_LOOK_EVERY = HOUR / 2


@attrs.frozen
class FleetOutcome:
    """The result of a run.

    Attributes:
        exchanges: all of them; `calm_exchanges` those in the `calm_lives` lives of a token in which the
            store was well for everybody.
        busiest_second: most exchanges in one second, while the store was well.
        first_second: exchanges in the first second, in which all clients started.
        violations: broken invariants.
        seconds: the real time that the run took.
    """

    exchanges: int
    calm_exchanges: int
    calm_lives: float
    busiest_second: int
    first_second: int
    killed: int
    outages: int
    violations: tuple[AssertionError, ...]
    seconds: float = attrs.field(eq=False)


class SharedAuthApi:
    """The auth API of all clients; a token lives `lifetime` seconds."""

    def __init__(self, loop: VirtualLoop, random: Random, lifetime: float) -> None:
        self._loop = loop
        self._random = random
        self.lifetime = lifetime
        self.exchanged_at: list[float] = []
        self._ends: dict[str, float] = {}

    async def __call__(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        assert credentials == CREDENTIALS
        assert rejected is None
        now = self._loop.time()
        self.exchanged_at.append(now)
        value = f"token-{len(self.exchanged_at)}"
        self._ends[value] = now + self.lifetime
        await asyncio.sleep(self._random.uniform(0.02, 0.5))
        return ExchangeResponse(value, self.lifetime)

    def accepts(self, token: AccessToken) -> bool:
        return self._loop.time() < self._ends[token.value]


class FleetClient:
    """A token source on a host, with a link of its own to the store."""

    def __init__(self, number: int, fleet: SharedFleet) -> None:
        self.random = random = Random(f"{fleet.seed}/{number}/{fleet.killed}")
        loop, self.clock = fleet.loop, MachineClock(fleet.loop, random)
        # The clocks of two hosts have nothing in common.
        offset = random.uniform(0.0, 1e6)
        self.clock.monotonic = lambda: loop.time() + offset
        self.link = StoreLink(fleet.store, loop, random, number % fleet.hosts)
        background = Background()
        store = ClientStore(
            self.link, _CONFIG, background=background, clock=self.clock, emit=None, rng=random.random
        )
        self.tokens = TokenSource(
            CREDENTIALS,
            config=_CONFIG,
            exchange=fleet.auth,
            clock=self.clock,
            rng=random.random,
            background=background,
            store=store,
        )


class SharedFleet:
    """Runs the clients; some are killed and replaced, at any moment."""

    def __init__(self, seed: int, loop: VirtualLoop, *, clients: int, hosts: int, lifetime: float) -> None:
        self.seed = seed
        self.loop = loop
        self.hosts = hosts
        self.killed = 0
        self.violations: list[AssertionError] = []
        self._count = clients
        self._random = Random(f"{seed}/fleet")
        self.auth = SharedAuthApi(loop, self._random, lifetime)
        self.outages: list[StoreOutage] = []

    async def run(self, seconds: float) -> None:
        self.outages = draw_outages(self.seed, seconds, self.hosts)
        self.store = SimulatedStore(self.loop, self.outages)
        clients = [FleetClient(number, self) for number in range(self._count)]
        for client in clients:
            await client.tokens.start()
        while self.loop.time() < seconds:
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * _LOOK_EVERY)
            for client in clients:
                self._look(client)
            if self._random.random() < 0.1:
                await self._replace(clients, self._random.randrange(self._count))
        for client in clients:
            await client.tokens.aclose()
        self.violations += self.store.violations

    def _look(self, client: FleetClient) -> None:
        token = client.tokens.peek()
        if token is None:
            self.violations.append(AssertionError(f"no token after {self.loop.time() / HOUR:.3f} h"))
        elif not self.auth.accepts(token):
            self.violations.append(AssertionError(f"{token!r} after its end"))

    async def _replace(self, clients: list[FleetClient], number: int) -> None:
        """End a client that can say no word to the store any more, and start another one."""
        clients[number].link.stopped = True
        await clients[number].tokens.aclose()
        self.killed += 1
        clients[number] = FleetClient(number, self)
        await clients[number].tokens.start()
        await clients[number].tokens.get()


def simulate_fleet(
    seed: int, *, clients: int, hosts: int, days: float, lifetime: float = 12 * HOUR
) -> FleetOutcome:
    """Run the clients for `days`, all of them started at the same moment; a seed repeats its run exactly."""
    began, seconds = perf_counter(), days * 24 * HOUR
    loop = VirtualLoop()
    fleet = SharedFleet(seed, loop, clients=clients, hosts=hosts, lifetime=lifetime)
    with without_log_and_gc():
        loop.run_until_complete(fleet.run(seconds))
        loop.close()
    exchanged_at = fleet.auth.exchanged_at
    calm = _calm_spans(fleet.outages, seconds, lifetime)
    in_calm = [at for at in exchanged_at if any(start <= at < end for start, end in calm)]
    return FleetOutcome(
        exchanges=len(exchanged_at),
        calm_exchanges=len(in_calm),
        calm_lives=sum(end - start for start, end in calm) / lifetime,
        busiest_second=max(Counter(map(math.floor, in_calm)).values(), default=0),
        first_second=sum(at < 1.0 for at in exchanged_at),
        killed=fleet.killed,
        outages=len(fleet.outages),
        violations=tuple(fleet.violations),
        seconds=perf_counter() - began,
    )


def _calm_spans(outages: list[StoreOutage], seconds: float, lifetime: float) -> list[tuple[float, float]]:
    """Return when the store was well for everybody, and had been for a life of the token."""
    spans, at = [], 0.0
    for outage in sorted(outages, key=lambda each: each.starts_at):
        if outage.starts_at > at:
            spans.append((at, outage.starts_at))
        at = max(at, outage.ends_at + lifetime)
    return [*spans, (at, seconds)] if at < seconds else spans
