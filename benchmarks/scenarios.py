"""What a client does on bad days, as charts: latency over time, with faults and renewals marked.

Local Scope runs in the same process and on the same loop, so that faults begin and end at known
moments. Its own work is in every latency: compare within a chart, not with the suite `load`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.chart import Axis, Chart, Line
from benchmarks.coroutines import growth
from benchmarks.figure import Figure, Findings
from benchmarks.timeline import PROMPT, Timeline
from scope_async import ApiKeyCredentials, ScopeClient, ScopeError
from scope_async.local import LocalScope

RATE = 200.0
LIFETIME = 6.0
SLOW = 2.0
HERD = 1_000

Scenario = tuple[list[Figure], Chart]


@asynccontextmanager
async def scene(timeline: Timeline, **options: Any) -> AsyncIterator[tuple[LocalScope, ScopeClient]]:
    """Give a Local Scope and a client of it that has a token already."""
    async with LocalScope(token_ttl=LIFETIME) as local:
        await local.add_prompt(PROMPT, "Hello, {{name}}!")
        options = {"base_url": local.url, "auth_api_url": local.url, "hooks": [timeline], **options}
        credentials = options.pop("credentials", local.credentials)
        async with ScopeClient(credentials, **options) as scope:
            await scope.get_prompt_version(PROMPT)
            timeline.begin()
            yield local, scope


async def slow_renewal(seconds: float) -> Scenario:
    """Let every exchange take 2 s."""
    timeline = Timeline()
    async with scene(timeline) as (local, scope):
        local.faults.latency("exchange", SLOW)
        await timeline.load(scope, RATE, seconds)
    timeline.bands = list(timeline.renewed)
    name = "renewals that take 2 s"
    found = [
        *timeline.figures(name, hurt=len(timeline.renewed)),
        Figure.count(
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
    async with scene(timeline) as (local, scope):

        async def outages() -> None:
            while True:
                with timeline.band(), local.faults.status("exchange", 503):
                    await asyncio.sleep(0.8 * LIFETIME)
                await timeline.new_token()

        await _beside(outages(), timeline.load(scope, RATE, seconds))
    title = f"{timeline.failures} failed while the auth API was down for 80 % of a token's life"
    return timeline.figures("auth API down", hurt=timeline.refused), timeline.chart(
        title, band="the auth API answers 503"
    )


async def rotation(seconds: float) -> Scenario:
    """Replace the API key under load: rotate, wait until the new one is in use, revoke the old one."""
    timeline = Timeline()
    current: list[ApiKeyCredentials] = []

    async with LocalScope(token_ttl=LIFETIME) as local:
        await local.add_prompt(PROMPT, "Hello, {{name}}!")
        current.append(local.credentials)

        async def provider() -> ApiKeyCredentials:
            return current[-1]

        async with ScopeClient(
            provider, base_url=local.url, auth_api_url=local.url, hooks=[timeline]
        ) as scope:
            await scope.get_prompt_version(PROMPT)
            timeline.begin()

            async def rotate() -> None:
                await asyncio.sleep(0.1 * seconds)
                timeline.marks.append(timeline.now())
                old = current[-1]
                current.append(await local.rotate_key(old.api_key, overlap=600))
                await timeline.new_token()
                timeline.marks.append(timeline.now())
                await asyncio.sleep(0.2 * seconds)
                await local.revoke_key(old.api_key, "replaced")
                timeline.marks.append(timeline.now())

            await _beside(rotate(), timeline.load(scope, RATE, seconds))
    found = [
        *timeline.figures("rotation under load", hurt=len(timeline.marks)),
        Figure.count("rotation under load: steps", len(timeline.marks), 3, unit="steps"),
    ]
    title = f"{timeline.failures} failed while the API key was replaced and the old one revoked"
    note = "from left to right: the key is rotated, the new one comes into use, the old one is revoked"
    return found, timeline.chart(title, band="", mark="a step of the rotation", note=note)


async def scope_down(seconds: float) -> Scenario:
    """Take the prompts API down for the middle half, with copies that are fresh for 1 s."""
    timeline = Timeline()
    async with scene(timeline, cache_ttl=1, stale_while_revalidate=1) as (local, scope):

        async def outage() -> None:
            await asyncio.sleep(seconds / 4)
            with timeline.band(), local.faults.status("prompt", 503):
                await asyncio.sleep(seconds / 2)

        await _beside(outage(), timeline.load(scope, RATE, seconds, cache=True))
    title = f"{timeline.failures} failed while Scope was down; the longest wait was {timeline.longest:.0f} ms"
    note = f"{timeline.stale:,} got the last good copy, the first ones after one failed attempt"
    found = timeline.figures("Scope down, copies fresh for 1 s", hurt=timeline.retried)
    return found, timeline.chart(title, band="Scope answers 503", mark="", note=note)


async def herd(_: float) -> Scenario:
    """Let 1,000 coroutines ask at once of a client that has no token, while an exchange takes 0.5 s."""
    answered: list[float] = []
    failed = 0
    async with LocalScope() as local:
        await local.add_prompt(PROMPT, "Hello, {{name}}!")
        local.faults.latency("exchange", 0.5)
        timeline = Timeline()
        async with ScopeClient(
            local.credentials, base_url=local.url, auth_api_url=local.url, hooks=[timeline]
        ) as scope:
            timeline.begin()

            async def ask() -> None:
                nonlocal failed
                try:
                    await scope.get_prompt_version(PROMPT, cache=False)
                except ScopeError:
                    failed += 1
                answered.append(timeline.now())

            await asyncio.gather(*(ask() for _ in range(HERD)))
        exchanges = local.journal.count("exchange")
    found = [
        Figure.count(f"{HERD:,} coroutines without a token: exchanges", exchanges, 1, unit="exchanges"),
        Figure.count(f"{HERD:,} coroutines without a token: failed", failed, 0, unit="requests"),
    ]
    steps = [(0.0, 0.0), *((at, float(number)) for number, at in enumerate(sorted(answered), 1))]
    chart = Chart(
        f"{HERD:,} coroutines that started together made {exchanges} exchange, {failed} failed",
        Axis("time since the start (s)", 0, 1.05 * max(answered)),
        Axis("requests answered", 0, HERD),
        [Line("requests answered", steps[:: max(1, HERD // 200)] + steps[-1:])],
        bands=timeline.renewed,
        band_label="the exchange is under way",
    )
    return found, chart


async def _beside(happening: Any, load: Any) -> None:
    """Run what happens beside the load, and end it with the load."""
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
    "cold-start.svg": (herd, 0.0, 0.0),
    "rotation.svg": (rotation, 20.0, 6.5),
    "scope-down.svg": (scope_down, 24.0, 6.0),
}


async def findings(*, quick: bool) -> Findings:
    """Return figures and charts of all scenarios."""
    figures: list[Figure] = []
    charts: dict[str, str] = {}
    for name, (scenario, seconds, quick_seconds) in SCENARIOS.items():
        found, chart = await scenario(quick_seconds if quick else seconds)
        figures += found
        charts[name] = chart.svg()
    found, chart = await growth(quick=quick)
    return Findings([*figures, *found], {**charts, "coroutines.svg": chart.svg()})
