"""The suites by name; each is imported when it runs, since some need what is in the extra `bench`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks.harness.result import Findings

Suite = Callable[[bool], Findings]


def tokens(quick: bool) -> Findings:
    from benchmarks.suites.tokens import figures  # noqa: PLC0415 - see above; so are the others

    return Findings(asyncio.run(figures(quick=quick)))


def prompts(quick: bool) -> Findings:
    from benchmarks.suites.prompts import figures  # noqa: PLC0415

    return Findings(asyncio.run(figures(quick=quick)))


def micro(quick: bool) -> Findings:
    from benchmarks.suites.micro import findings  # noqa: PLC0415

    return findings(quick=quick)


def layers(quick: bool) -> Findings:
    from benchmarks.suites.request import findings  # noqa: PLC0415

    return asyncio.run(findings(quick=quick))


def telemetry(quick: bool) -> Findings:
    from benchmarks.suites.telemetry import figures  # noqa: PLC0415

    rounds, hits, fetches = (2, 500, 50) if quick else (15, 20_000, 300)
    return Findings(asyncio.run(figures(rounds=rounds, hits=hits, fetches=fetches)))


def import_time(quick: bool) -> Findings:
    from benchmarks.suites.import_time import figures  # noqa: PLC0415

    return Findings(figures(2 if quick else 20))


def local_scope(quick: bool) -> Findings:
    from benchmarks.suites.local_scope import figures  # noqa: PLC0415

    return Findings(figures(rounds=2 if quick else 9, requests=200 if quick else 4000))


def load(quick: bool) -> Findings:
    from benchmarks.suites.load import findings  # noqa: PLC0415

    return findings(quick=quick)


def scenarios(quick: bool) -> Findings:
    from benchmarks.suites.scenarios import findings  # noqa: PLC0415

    return asyncio.run(findings(quick=quick))


SUITES: dict[str, Suite] = {
    "micro": micro,
    "load": load,
    "scenarios": scenarios,
    "tokens": tokens,
    "prompts": prompts,
    "layers": layers,
    "telemetry": telemetry,
    "local-scope": local_scope,
    "import-time": import_time,
}
