"""What requests notice of renewals: a client and Local Scope in two processes, with real time."""

from __future__ import annotations

import time

from benchmarks.harness.local_scope import scene
from benchmarks.harness.result import Figure, Spread
from scope_async import ScopeClient, ScopeError
from scope_async.telemetry.events import TokenWaited

RENEWAL = 2.0
LIFETIME = 6.0


class Requests:
    """Requests one after the other; remembers the seconds that each took."""

    def __init__(self, scope: ScopeClient) -> None:
        self._scope = scope
        self.failed = 0

    async def one(self) -> float:
        started = time.perf_counter()
        try:
            await self._scope.get_prompt_version("greeting", cache=False)
        except ScopeError:
            self.failed += 1
        return time.perf_counter() - started

    async def while_refreshing(self, refreshing: bool, at_most: float) -> list[float]:
        """Make requests until the renewal begins or ends, or the time is over."""
        ends_at = time.perf_counter() + at_most
        taken = []
        while time.perf_counter() < ends_at and self._scope.tokens.status().refreshing is refreshing:
            taken.append(await self.one())
        return taken


def slowest_but_for(share: float, taken: list[float]) -> float:
    """Return the slowest in milliseconds, leaving out the slowest `share` of all."""
    ordered = sorted(taken)
    return ordered[-1 - int(share * len(ordered))] * 1000


async def slow_renewals(cycles: int) -> list[Figure]:
    """Compare requests while a renewal of 2 s is under way with those just before it began."""
    waited: list[TokenWaited] = []

    def hook(event: object) -> None:
        if isinstance(event, TokenWaited):
            waited.append(event)

    quiet: list[list[float]] = []
    renewing: list[list[float]] = []
    options = f"--token-ttl={LIFETIME}", f"--fault=exchange:latency={RENEWAL}"
    async with scene(*options) as local, local.client(hooks=[hook]) as scope:
        requests = Requests(scope)
        await requests.one()
        waited.clear()
        for number in range(cycles + 1):
            before = await requests.while_refreshing(False, LIFETIME)
            during = await requests.while_refreshing(True, 2 * RENEWAL)
            # The renewal began while the last of these was under way.
            during.insert(0, before.pop())
            if number:  # the first is still warming up
                # As many of each: the slowest of more is slower. Both ends of a renewal count.
                size = min(len(before), len(during))
                quiet.append(before[-size:])
                renewing.append(during[: size // 2] + during[len(during) - size + size // 2 :])
        exchanges = scope.tokens.status().exchanges
    return [
        *(
            Figure.at_most(
                f"requests while a renewal takes 2 s: {name}",
                Spread.of_ratios(
                    [slowest_but_for(share, taken) for taken in renewing],
                    [slowest_but_for(share, taken) for taken in quiet],
                ),
                1.2,
                floor="no renewal",
                detail=f"without {Spread.of([slowest_but_for(share, taken) for taken in quiet]).show()} ms",
            )
            for name, share in (("slowest", 0.0), ("all but 1 %", 0.01))
        ),
        Figure.count(
            "requests that waited for a renewal or failed",
            len(waited) + requests.failed,
            0,
            unit="requests",
            detail=f"of {sum(map(len, renewing)):,} during {cycles} renewals; {exchanges} exchanges",
        ),
    ]


async def auth_api_down(rounds: int) -> list[Figure]:
    """Take the auth API down for four fifths of a token's life."""
    made = failed = failures = 0
    async with scene(f"--token-ttl={LIFETIME}") as local, local.client() as scope:
        requests = Requests(scope)
        await requests.one()
        for _ in range(rounds):
            generation = scope.tokens.status().generation
            async with local.fault("exchange:status=503"):
                down_until = time.perf_counter() + 0.8 * LIFETIME
                while time.perf_counter() < down_until:
                    await requests.one()
                    made += 1
            while scope.tokens.status().generation == generation:
                await requests.one()
                made += 1
        failed, failures = requests.failed, scope.tokens.status().failures
    return [
        Figure.count(
            "auth API down for 80 % of a token's life",
            failed,
            0,
            unit="failed requests",
            reached=failed == 0 and failures > 0,
            detail=f"{made:,} requests, {failures} failures, {rounds} outages of {0.8 * LIFETIME:.1f} s",
        )
    ]
