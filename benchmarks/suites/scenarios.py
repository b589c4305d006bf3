"""Latency over time while services fail, as charts with the faults and renewals marked.

Local Scope runs in its own process, and its control API starts and ends the faults. It does more per
request than the stub server of the suite `load`: compare within a chart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.harness.local_scope import RunningScope, running_scope
from benchmarks.harness.result import Result, SuiteResult
from benchmarks.harness.timeline import PROMPT, Timeline
from benchmarks.reporting.line_chart import Axis, Line, LineChart
from benchmarks.suites.load.coroutines import coroutine_scaling
from scope_async import ApiKeyCredentials, ScopeClient, ScopeError

RATE = 200.0
LIFETIME = 6.0
SLOW = 2.0
HERD = 1_000

Scenario = tuple[list[Result], LineChart]


@asynccontextmanager
async def running_client(
    timeline: Timeline, current: list[ApiKeyCredentials] | None = None, **options: Any
) -> AsyncIterator[tuple[RunningScope, ScopeClient]]:
    """Yield a Local Scope and a client of it that has a token.

    The client's credentials are the last of `current`, which begins with those of the first API key.
    """
    current = [] if current is None else current

    async def provider() -> ApiKeyCredentials:
        return current[-1]

    async with running_scope(f"--token-ttl={LIFETIME}") as local:
        current.append(local.credentials)
        async with local.client(provider, hooks=[timeline], **options) as scope:
            await scope.get_prompt_version(PROMPT)
            timeline.begin()
            yield local, scope


async def slow_renewal(seconds: float) -> Scenario:
    """Let every exchange take 2 s."""
    timeline = Timeline()
    async with running_client(timeline) as (local, scope), local.fault(f"exchange:latency={SLOW}"):
        await timeline.load(scope, RATE, seconds)
    timeline.bands = list(timeline.renewed)
    name = "renewals that take 2 s"
    found = [
        *timeline.results(name, affected=len(timeline.renewed)),
        Result.count(
            f"{name}: requests that waited for a token",
            timeline.waited,
            0,
            unit="requests",
            reached=timeline.waited == 0 and bool(timeline.renewed),
        ),
    ]
    title = f"{timeline.waited} of {timeline.made:,} requests waited for a token while each renewal took 2 s"
    return found, timeline.chart(title, band="a renewal is under way")


async def auth_down(seconds: float) -> Scenario:
    """Take the auth API down for 80 % of a token's life, right after there is a new one, again and again."""
    timeline = Timeline()
    async with running_client(timeline) as (local, scope):

        async def outages() -> None:
            while True:
                with timeline.band():
                    async with local.fault("exchange:status=503"):
                        await asyncio.sleep(0.8 * LIFETIME)
                await timeline.wait_for_new_token()

        await _run_beside(outages(), timeline.load(scope, RATE, seconds))
    title = f"{timeline.failures} failed while the auth API was down for 80 % of a token's life"
    return timeline.results("auth API down", affected=timeline.refused), timeline.chart(
        title, band="the auth API answers 503"
    )


async def rotation(seconds: float) -> Scenario:
    """Replace the API key under load: rotate, wait until the new one is in use, revoke the old one."""
    timeline = Timeline()
    current: list[ApiKeyCredentials] = []
    async with running_client(timeline, current) as (local, scope), local.admin() as admin:

        async def rotate() -> None:
            await asyncio.sleep(0.1 * seconds)
            timeline.marks.append(timeline.now())
            old = current[-1]
            current.append((await admin.rotate(old.api_key, overlap=600)).credentials())
            await timeline.wait_for_new_token()
            timeline.marks.append(timeline.now())
            await asyncio.sleep(0.2 * seconds)
            await admin.revoke(old.api_key, reason="replaced")
            timeline.marks.append(timeline.now())

        await _run_beside(rotate(), timeline.load(scope, RATE, seconds))
    found = [
        *timeline.results("rotation under load", affected=len(timeline.marks)),
        Result.count("rotation under load: steps", len(timeline.marks), 3, unit="steps"),
    ]
    title = f"{timeline.failures} failed while the API key was replaced and the old one revoked"
    note = "from left to right: the key is rotated, the new one comes into use, the old one is revoked"
    return found, timeline.chart(title, band="", mark="a step of the rotation", note=note)


async def scope_down(seconds: float) -> Scenario:
    """Take the prompts API down for the middle half, with copies that are fresh for 1 s."""
    timeline = Timeline()
    async with running_client(timeline, cache_ttl=1, stale_while_revalidate=1) as (local, scope):

        async def outage() -> None:
            await asyncio.sleep(seconds / 4)
            with timeline.band():
                async with local.fault("prompt:status=503"):
                    await asyncio.sleep(seconds / 2)

        await _run_beside(outage(), timeline.load(scope, RATE, seconds, cache=True))
    title = f"{timeline.failures} failed while Scope was down; the longest wait was {timeline.longest:.0f} ms"
    note = f"{timeline.stale:,} got the last good copy, the first ones after one failed attempt"
    found = timeline.results("Scope down, copies fresh for 1 s", affected=timeline.retried)
    return found, timeline.chart(title, band="Scope answers 503", mark="", note=note)


async def thundering_herd(_: float) -> Scenario:
    """Let 1,000 coroutines use a client without a token at once, while an exchange takes 0.5 s."""
    answered: list[float] = []
    failed = 0
    timeline = Timeline()
    async with running_scope("--fault=exchange:latency=0.5") as local:
        async with local.client(hooks=[timeline]) as scope:
            timeline.begin()

            async def ask() -> None:
                nonlocal failed
                try:
                    await scope.get_prompt_version(PROMPT, cache=False)
                except ScopeError:
                    failed += 1
                answered.append(timeline.now())

            await asyncio.gather(*(ask() for _ in range(HERD)))
        exchanges = await local.exchanges()
    found = [
        Result.count(f"{HERD:,} coroutines without a token: exchanges", exchanges, 1, unit="exchanges"),
        Result.count(f"{HERD:,} coroutines without a token: failed", failed, 0, unit="requests"),
    ]
    steps = [(0.0, 0.0), *((at, float(number)) for number, at in enumerate(sorted(answered), 1))]
    chart = LineChart(
        f"{HERD:,} coroutines that started together made {exchanges} exchange, {failed} failed",
        Axis("time since the start (s)", 0, 1.05 * max(answered)),
        Axis("requests answered", 0, HERD),
        [Line("requests answered", steps[:: max(1, HERD // 200)] + steps[-1:])],
        bands=timeline.renewed,
        band_label="the exchange is under way",
    )
    return found, chart


async def _run_beside(happening: Any, load: Any) -> None:
    """Run `happening` beside the load, and cancel it when the load ends."""
    task = asyncio.ensure_future(happening)
    try:
        await load
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


SCENARIOS = {
    "slow-renewal.svg": (slow_renewal, 24.0, 7.0),
    "auth-down.svg": (auth_down, 24.0, 7.0),
    "cold-start.svg": (thundering_herd, 0.0, 0.0),
    "rotation.svg": (rotation, 20.0, 6.5),
    "scope-down.svg": (scope_down, 24.0, 6.0),
}


async def run(*, quick: bool) -> SuiteResult:
    """Return results and charts of all scenarios.

    In a quick run, where only counts matter, they run at once; otherwise one after the other.
    """
    if quick:
        outcomes = await asyncio.gather(*(scenario(seconds) for scenario, _, seconds in SCENARIOS.values()))
    else:
        outcomes = [await scenario(seconds) for scenario, seconds, _ in SCENARIOS.values()]
    found, chart = await coroutine_scaling(quick=quick)
    results = [result for results, _ in outcomes for result in results]
    charts = {name: chart.svg() for name, (_, chart) in zip(SCENARIOS, outcomes, strict=True)}
    return SuiteResult([*results, *found], {**charts, "coroutines.svg": chart.svg()})
