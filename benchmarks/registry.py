"""The suites by name; each is imported when it runs, since some need the extra `bench`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks.harness.result import SuiteResult

Suite = Callable[[bool], SuiteResult]


def tokens(quick: bool) -> SuiteResult:
    from benchmarks.suites.tokens import results  # noqa: PLC0415 - see above; so are the others

    return asyncio.run(results(quick=quick))


def prompts(quick: bool) -> SuiteResult:
    from benchmarks.suites.prompts import results  # noqa: PLC0415

    return SuiteResult(asyncio.run(results(quick=quick)))


def micro(quick: bool) -> SuiteResult:
    from benchmarks.suites.micro import run  # noqa: PLC0415

    return run(quick=quick)


def stores(quick: bool) -> SuiteResult:
    from benchmarks.suites.stores import results  # noqa: PLC0415

    return asyncio.run(results(quick=quick))


def fleet(quick: bool) -> SuiteResult:
    from benchmarks.suites.fleet import results  # noqa: PLC0415

    return asyncio.run(results(quick=quick))


def secret_managers(quick: bool) -> SuiteResult:
    from benchmarks.suites.secret_managers import results  # noqa: PLC0415

    rounds, asked, remembered = (1, 3, 100) if quick else (15, 40, 10_000)
    return asyncio.run(results(rounds=rounds, asked=asked, remembered=remembered))


def scale(quick: bool) -> SuiteResult:
    from benchmarks.suites.scale import run  # noqa: PLC0415

    return run(quick=quick)


def simulated_fleet(quick: bool) -> SuiteResult:
    from benchmarks.suites.simulated_fleet import results  # noqa: PLC0415

    return SuiteResult(results(quick=quick))


def layers(quick: bool) -> SuiteResult:
    from benchmarks.suites.request import run  # noqa: PLC0415

    return asyncio.run(run(quick=quick))


def telemetry(quick: bool) -> SuiteResult:
    from benchmarks.suites.telemetry import results  # noqa: PLC0415

    rounds, hits, fetches = (2, 500, 50) if quick else (15, 20_000, 300)
    return SuiteResult(asyncio.run(results(rounds=rounds, hits=hits, fetches=fetches)))


def import_time(quick: bool) -> SuiteResult:
    from benchmarks.suites.import_time import results  # noqa: PLC0415

    return SuiteResult(results(2 if quick else 20))


def instructions(quick: bool) -> SuiteResult:
    from benchmarks.suites.instructions import run  # noqa: PLC0415

    return run(quick=quick)


def local_scope(quick: bool) -> SuiteResult:
    from benchmarks.suites.local_scope import results  # noqa: PLC0415

    return SuiteResult(results(rounds=2 if quick else 9, requests=200 if quick else 4000))


def load(quick: bool) -> SuiteResult:
    from benchmarks.suites.load import run  # noqa: PLC0415

    return run(quick=quick)


def scenarios(quick: bool) -> SuiteResult:
    from benchmarks.suites.scenarios import run  # noqa: PLC0415

    return asyncio.run(run(quick=quick))


SUITES: dict[str, Suite] = {
    "micro": micro,
    "load": load,
    "scenarios": scenarios,
    "tokens": tokens,
    "prompts": prompts,
    "stores": stores,
    "fleet": fleet,
    "secret-managers": secret_managers,
    "scale": scale,
    "simulated-fleet": simulated_fleet,
    "layers": layers,
    "telemetry": telemetry,
    "instructions": instructions,
    "local-scope": local_scope,
    "import-time": import_time,
}
