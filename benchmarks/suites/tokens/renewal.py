"""The effect of renewals on requests: a client and Local Scope in two processes, in real time."""

from __future__ import annotations

import time

from benchmarks.harness.local_scope import running_scope
from benchmarks.harness.result import Result, Spread
from scope_async import ScopeClient, ScopeError
from scope_async.telemetry.events import TokenWaited

RENEWAL = 2.0
LIFETIME = 6.0


class Requests:
    """Makes requests one after the other and returns the seconds that each took."""

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
        """Make requests while the renewal is in flight, or is not, for at most `at_most` seconds."""
        ends_at = time.perf_counter() + at_most
        taken = []
        while time.perf_counter() < ends_at and self._scope.tokens.status().refreshing is refreshing:
            taken.append(await self.one())
        return taken


def slowest_excluding(share: float, taken: list[float]) -> float:
    """Return the slowest in milliseconds, excluding the slowest `share` of all."""
    ordered = sorted(taken)
    return ordered[-1 - int(share * len(ordered))] * 1000


async def slow_renewals(cycles: int) -> list[Result]:
    """Compare requests while a renewal of 2 s is in flight with those just before it began."""
    waited: list[TokenWaited] = []

    def hook(event: object) -> None:
        if isinstance(event, TokenWaited):
            waited.append(event)

    quiet: list[list[float]] = []
    renewing: list[list[float]] = []
    options = f"--token-ttl={LIFETIME}", f"--fault=exchange:latency={RENEWAL}"
    async with running_scope(*options) as local, local.client(hooks=[hook]) as scope:
        requests = Requests(scope)
        await requests.one()
        waited.clear()
        for number in range(cycles + 1):
            before = await requests.while_refreshing(False, LIFETIME)
            during = await requests.while_refreshing(True, 2 * RENEWAL)
            # The renewal began during the last of these.
            during.insert(0, before.pop())
            if number:  # the first cycle is a warm-up
                # Equal numbers, since the slowest of more requests is slower; both ends of a renewal count.
                size = min(len(before), len(during))
                quiet.append(before[-size:])
                renewing.append(during[: size // 2] + during[len(during) - size + size // 2 :])
        exchanges = scope.tokens.status().exchanges
    return [
        *(
            Result.at_most(
                f"requests while a renewal takes 2 s: {name}",
                Spread.of_ratios(
                    [slowest_excluding(share, taken) for taken in renewing],
                    [slowest_excluding(share, taken) for taken in quiet],
                ),
                1.2,
                floor="no renewal",
                detail=f"without {Spread.of([slowest_excluding(share, taken) for taken in quiet]).show()} ms",
            )
            for name, share in (("slowest", 0.0), ("all but 1 %", 0.01))
        ),
        Result.count(
            "requests that waited for a renewal or failed",
            len(waited) + requests.failed,
            0,
            unit="requests",
            detail=f"of {sum(map(len, renewing)):,} during {cycles} renewals; {exchanges} exchanges",
        ),
    ]


async def auth_api_down(rounds: int) -> list[Result]:
    """Take the auth API down for four fifths of a token's life."""
    made = failed = failures = 0
    async with running_scope(f"--token-ttl={LIFETIME}") as local, local.client() as scope:
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
        Result.count(
            "auth API down for 80 % of a token's life",
            failed,
            0,
            unit="failed requests",
            reached=failed == 0 and failures > 0,
            detail=f"{made:,} requests, {failures} failures, {rounds} outages of {0.8 * LIFETIME:.1f} s",
        )
    ]
