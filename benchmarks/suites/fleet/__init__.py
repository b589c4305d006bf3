"""Eight processes that use one API key behind a limiter: with one token for all, and each on its own."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import attrs

from benchmarks.harness.fleet import OFFICIAL, OURS, FleetCalls, run_fleet
from benchmarks.harness.limited_service import WINDOW, limited_service
from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stores import ALONE, FILE, missing_stores, store_urls
from benchmarks.harness.stub_server import new_credentials
from benchmarks.reporting.bar_chart import BarChart

LIFETIME = 6.0
LIMIT = 2
INDEPENDENT = "scope_client, official SDK"


@attrs.frozen
class FleetOutcome:
    """The calls of a fleet, with a shared token or not, and the exchanges granted and refused."""

    is_shared: bool
    made: FleetCalls
    granted: int
    refused: int

    @property
    def asked(self) -> int:
        return self.granted + self.refused


async def results(*, quick: bool) -> SuiteResult:
    """Return the exchanges and the failed calls of a fleet of each kind.

    In a quick run, where only counts matter, the fleets run at once; otherwise one after the other.
    """
    processes, seconds = (2, 2.0) if quick else (8, 12.0)
    with store_urls() as every:
        urls = {name: every[name] for name in (ALONE, FILE)} if quick else every
        kinds = {f"{OURS}, {name}": (OURS, store) for name, store in urls.items()}
        if find_spec("scope_client") is not None:
            kinds[INDEPENDENT] = (OFFICIAL, "")
        runs = [_run(*kind, processes=processes, seconds=seconds) for kind in kinds.values()]
        outcomes = await asyncio.gather(*runs) if quick else [await run for run in runs]
    found = dict(zip(kinds, outcomes, strict=True))
    rows = [row for name, outcome in found.items() for row in _rows(name, outcome, processes, seconds)]
    missing = missing_stores(every)
    if INDEPENDENT not in found:
        missing.append("scope_client, the official SDK, as a fleet")
    return SuiteResult(rows, {"fleet.svg": chart(found, processes, seconds).svg()}, missing)


async def _run(kind: str, store: str, *, processes: int, seconds: float) -> FleetOutcome:
    async with limited_service(lifetime=LIFETIME, limit=LIMIT) as service:
        made = await run_fleet(
            kind, service.url, new_credentials(), store=store, processes=processes, seconds=seconds
        )
        return FleetOutcome(bool(store), made, service.granted, service.refused)


def _rows(name: str, outcome: FleetOutcome, processes: int, seconds: float) -> list[Result]:
    fleet = f"{processes} processes, {name}"
    asked = Result.informative(
        f"{fleet}: exchanges",
        Spread.exactly(outcome.asked),
        "exchanges",
        digits=0,
        detail=f"{outcome.refused} of them refused with 429; tokens of {LIFETIME:g} s, {seconds:g} s,"
        f" {LIMIT} exchanges in {WINDOW:g} s",
    )
    made = outcome.made
    detail = f"of {made.calls:,} calls"
    if not outcome.is_shared:
        failed = Result.informative(
            f"{fleet}: failed", Spread.exactly(made.failed), "calls", digits=0, detail=detail
        )
    else:
        failed = Result.count(
            f"{fleet}: failed",
            made.failed,
            0,
            unit="calls",
            reached=made.failed == 0 and made.calls > 0,
            detail="; ".join([detail, *made.errors[:1]]),
        )
    return [asked, failed]


def chart(found: dict[str, FleetOutcome], processes: int, seconds: float) -> BarChart:
    """Return the exchanges that each fleet asked for."""
    alone = found[f"{OURS}, {ALONE}"].asked
    shared = max(outcome.asked for outcome in found.values() if outcome.is_shared)
    return BarChart(
        f"{processes} processes that share a token ask for {shared}, each on its own for {alone}",
        f"exchanges asked for in {seconds:g} s, with tokens of {LIFETIME:g} s; in brackets failed calls",
        {f"{name} ({outcome.made.failed:,} failed)": float(outcome.asked) for name, outcome in found.items()},
        digits=0,
    )
