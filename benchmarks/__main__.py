"""Measure what this project promises, in one run.

    python -m benchmarks [NAME…]

Prints figures as it goes, and writes `latest.json`, `latest.md` and charts to benchmarks/results: a
report is one run of everything, so with names, or with `--quick`, nothing is written. Exits with 1
when a count (exchanges, requests, failures) is not what it must be, or a suite could not run. Times
never decide.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from benchmarks.harness.environment import load_average, surroundings
from benchmarks.harness.result import Figure, Findings
from benchmarks.registry import SUITES
from benchmarks.reporting.readme import into_readme
from benchmarks.reporting.report import Report, row


def main() -> None:
    options = _options()
    if options.readme:
        into_readme(Report.read())
        return
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    environment = surroundings(sys.argv[1:])
    found: dict[str, Findings] = {}
    skipped: dict[str, str] = {}
    for name in options.names or SUITES:
        try:
            found[name] = _run(name, quick=options.quick)
        except ModuleNotFoundError as error:
            skipped[name] = f"{error.name} is not installed"
            print(f"     {skipped[name]}")
    figures = [figure for findings in found.values() for figure in findings.figures]
    missing = sorted({what for findings in found.values() for what in findings.missing})
    for what in missing:
        print(f"not measured, since it is not installed: {what}")
    if not (options.quick or options.names):
        rows = {name: [row(figure) for figure in findings.figures] for name, findings in found.items()}
        charts = {name: svg for findings in found.values() for name, svg in findings.charts.items()}
        environment["load after"] = load_average()
        Report(environment, rows, skipped, sorted(charts), missing).write(charts)
    sys.exit(_verdict(figures, complete=not skipped))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUITES))
    parser.add_argument("--quick", action="store_true", help="check that it runs and that counts are right")
    parser.add_argument("--readme", action="store_true", help="put the last results into README.md")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in SUITES]:
        parser.error(f"no suite is called {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


def _run(name: str, *, quick: bool) -> Findings:
    print(f"{name}", flush=True)
    started = time.perf_counter()
    findings = SUITES[name](quick)
    for figure in findings.figures:
        print(figure.lines(), flush=True)
    print(f"     {name}: {time.perf_counter() - started:.0f} s", flush=True)
    return findings


def _verdict(figures: list[Figure], *, complete: bool) -> int:
    wrong = [figure for figure in figures if figure.counted and not figure.reached]
    for figure in wrong:
        print(f"wrong count: {figure.name}: {figure.result}, not {figure.goal}", file=sys.stderr)
    return 0 if complete and not wrong else 1


if __name__ == "__main__":
    main()
