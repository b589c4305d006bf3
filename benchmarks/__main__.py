"""Measure what this project promises, in one run.

    python -m benchmarks [NAME…]

Prints each result, and writes `latest.json`, `latest.md` and charts to benchmarks/results. A report
is one run of all suites: with names, or with `--quick`, nothing is written. Exits with 1 if a count
(exchanges, requests, failures) is wrong or a suite could not run; a time never decides.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from benchmarks.harness.environment import CpuTimes, describe_environment, load_average, stolen_since
from benchmarks.harness.result import Result, SuiteResult
from benchmarks.registry import SUITES
from benchmarks.reporting.page import PAGES, update_page
from benchmarks.reporting.report import Report, row


def main() -> None:
    options = _options()
    if options.page:
        for path, figures in PAGES.items():
            update_page(Report.read(), path, figures)
        return
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    environment = describe_environment(sys.argv[1:])
    cpu_times = CpuTimes.read()
    found: dict[str, SuiteResult] = {}
    skipped: dict[str, str] = {}
    for name in options.names or SUITES:
        try:
            found[name] = _run(name, quick=options.quick)
            if options.quick and _wrong(found[name].results):
                print("     again: a count depends on a renewal in time, and the machine may be busy")
                found[name] = _run(name, quick=True)
        except ModuleNotFoundError as error:
            skipped[name] = f"{error.name} is not installed"
            print(f"     {skipped[name]}")
    results = [result for suite_result in found.values() for result in suite_result.results]
    missing = sorted({what for suite_result in found.values() for what in suite_result.missing})
    for what in missing:
        print(f"not measured, since it is not installed: {what}")
    if not (options.quick or options.names):
        rows = {
            name: [row(result) for result in suite_result.results] for name, suite_result in found.items()
        }
        charts = {name: svg for suite_result in found.values() for name, svg in suite_result.charts.items()}
        environment["load after"] = load_average()
        environment["stolen"] = stolen_since(cpu_times)
        Report(environment, rows, skipped, sorted(charts), missing).write(charts)
    sys.exit(_verdict(results, complete=not skipped))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUITES))
    parser.add_argument("--quick", action="store_true", help="check that it runs and that counts are right")
    parser.add_argument("--page", action="store_true", help="put the last results into the pages of docs/")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in SUITES]:
        parser.error(f"no suite is called {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


def _run(name: str, *, quick: bool) -> SuiteResult:
    print(f"{name}", flush=True)
    started = time.perf_counter()
    suite_result = SUITES[name](quick)
    for result in suite_result.results:
        print(result.text(), flush=True)
    print(f"     {name}: {time.perf_counter() - started:.0f} s", flush=True)
    return suite_result


def _wrong(results: list[Result]) -> list[Result]:
    return [result for result in results if result.counted and not result.reached]


def _verdict(results: list[Result], *, complete: bool) -> int:
    wrong = _wrong(results)
    for result in wrong:
        print(f"wrong count: {result.name}: {result.measured}, not {result.goal}", file=sys.stderr)
    return 0 if complete and not wrong else 1


if __name__ == "__main__":
    main()
