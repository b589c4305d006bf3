"""The throughput of uncached fetches next to that of bare aiohttp, interleaved."""

from __future__ import annotations

from functools import partial

from benchmarks.harness.closed_loop import Fetch, LoadTimes, bare_fetch, bare_session, closed_loop
from benchmarks.harness.interleave import Measure, interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CHANGING, CREDENTIALS, SAME, server_process
from scope_async import ScopeClient

AT_ONCE = 50
GOAL = 0.9
KNOWN = "uncached fetch, the same answer again"
NEW = "uncached fetch, an answer that is new each time"


async def fetches(*, rounds: int, requests: int) -> list[Result]:
    """Return requests per second next to bare aiohttp's.

    A reply of the same bytes as the copy in memory is not decoded again; a new one is decoded and
    validated field by field.
    """
    with server_process() as url:
        async with (
            bare_session() as session,
            ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope,
        ):
            loads: dict[str, Fetch] = {
                **{f"bare {name}": bare_fetch(session, url, name) for name in (SAME, CHANGING)},
                **{name: partial(scope.get_prompt_version, name, cache=False) for name in (SAME, CHANGING)},
            }
            taken: dict[str, list[LoadTimes]] = {name: [] for name in loads}
            measures = {name: _measure(fetch, requests, taken[name]) for name, fetch in loads.items()}
            await interleave(measures, rounds)
    # The first round is a warm-up.
    warm = {name: found[1:] for name, found in taken.items()}
    return [
        _figure(KNOWN, warm[SAME], warm[f"bare {SAME}"], goal=GOAL),
        _figure(NEW, warm[CHANGING], warm[f"bare {CHANGING}"], goal=None),
    ]


def _measure(fetch: Fetch, requests: int, taken: list[LoadTimes]) -> Measure:
    async def measure() -> float:
        taken.append(await closed_loop(fetch, requests=requests, at_once=AT_ONCE))
        return taken[-1].per_second

    return measure


def _figure(name: str, ours: list[LoadTimes], bare: list[LoadTimes], *, goal: float | None) -> Result:
    ratios = Spread.of_ratios([taken.per_second for taken in ours], [taken.per_second for taken in bare])
    cpu, floor = [taken.cpu for taken in ours], [taken.cpu for taken in bare]
    detail = (
        f"requests/s {Spread.of([taken.per_second for taken in ours]).show(0)}, "
        f"bare {Spread.of([taken.per_second for taken in bare]).show(0)}; "
        f"CPU per request {Spread.of(cpu).show(0)} µs, bare {Spread.of(floor).show(0)} µs, "
        f"{Spread.of_ratios(floor, cpu).show()} x by CPU time"
    )
    if goal is None:
        return Result.informative(name, ratios, "x", floor="bare aiohttp", detail=detail)
    return Result.at_least(name, ratios, goal, floor="bare aiohttp", detail=detail)
