"""Scope down for an hour: what callers get, and how often the service is tried. Counts only."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from types import SimpleNamespace

import aiohttp
from anyio.lowlevel import checkpoint

from benchmarks.harness.result import Result
from benchmarks.harness.stub_server import CREDENTIALS, server_process
from scope_async import ScopeClient, ScopeError
from scope_async._core.clock import FakeClock

HOUR = 3600.0
STEP = 10.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0


async def service_down(*, prompts: int) -> list[Result]:
    """Return the results of an hour on a fake clock, in which every prompt is read every 10 s."""
    clock = FakeClock(ticking=False)
    attempts: dict[str, list[float]] = defaultdict(list)

    async def note(
        _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        attempts[params.url.path].append(clock.monotonic())

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    names = [f"prompt-{number}" for number in range(prompts)]
    failed = stale = reads = 0
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        with server_process() as url:
            scope = ScopeClient(
                CREDENTIALS,
                base_url=url,
                auth_api_url=url,
                session=session,
                clock=clock,
                cache_max_entries=prompts,
                max_retries=0,
            )
            await scope.start()
            await scope.prefetch(names)
        # From here on every connection is refused.
        attempts.clear()
        try:
            for _ in range(int(HOUR / STEP)):
                clock.advance(STEP)
                for name in names:
                    reads += 1
                    try:
                        stale += (await scope.get_prompt_version(name)).is_stale
                    except ScopeError:
                        failed += 1
                await checkpoint()
        finally:
            await scope.aclose()
    early = sum(_early(times) for times in attempts.values())
    asked = sum(map(len, attempts.values()))
    return [
        Result.count(
            "Scope down for an hour, reads",
            failed,
            0,
            unit="failed reads",
            reached=failed == 0 and stale > 0,
            detail=f"{reads:,} reads of {prompts:,} prompts, {stale:,} of them stale",
        ),
        Result.count(
            "Scope down for an hour, more than 1 attempt per prompt and delay",
            early,
            0,
            unit="attempts",
            reached=early == 0 and asked >= prompts,
            detail=f"{asked:,} attempts, {asked / prompts:.1f} per prompt",
        ),
    ]


def _early(times: list[float]) -> int:
    """Return the number of attempts that came before half of their delay was over."""
    delays = (min(LONGEST_DELAY, FIRST_DELAY * 2.0**failures) / 2 for failures in range(len(times)))
    gaps = (later - earlier for earlier, later in pairwise(times))
    return sum(gap < delay for gap, delay in zip(gaps, delays, strict=False))
