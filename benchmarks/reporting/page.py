"""The figures in the documentation: the goals, the clients side by side, the charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.reporting.report import Report, Row, table
from benchmarks.suites.micro.token_peers import NOTES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
CHARTS = {
    "layers.svg": "The CPU time of one uncached request, layer by layer",
    "slow-renewal.svg": "Latency while renewals are slow",
    "scope-down.svg": "Latency while Scope is down",
    "fleet.svg": "The exchanges of 8 processes that share a token, and of 8 on their own",
    "scale-processes.svg": "The exchanges of 1 to 64 processes on one store",
    "scale-coroutines.svg": "The CPU time of 1 to 100,000 coroutines that wait for one token",
    "scale-prompts.svg": "The CPU time of a read with 10 to 100,000 cached prompts",
    "stores.svg": "The first read of a prompt that another process has",
}
SIDE_BY_SIDE = ("load", "stores")
FLEET = "fleet"
WHOLE = ("instructions", FLEET, "secret-managers")
"""Suites whose rows are all on the page."""
MICRO = "micro"
PEERS = (*NOTES, "langfuse", "scope_client")
TOKENS, CLIENTS = "tokens", ("scope_async", "scope_client")
FLOOR = "bare aiohttp"


def update_page(report: Report, path: Path, figures: Callable[[Report], str]) -> None:
    """Replace the text between the markers by the figures.

    Raises:
        ValueError: the page has no markers; put them where the results belong.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path.name} has no {BEGIN} … {END}")
    path.write_text(f"{before}{begin}\n\n{figures(report)}\n\n{end}{after}", encoding="utf-8")


def summary(report: Report) -> str:
    """Return the summary in Markdown."""
    rows = [row for found in report.suites.values() for row in found]
    parts = [report.measured_on(), goals(report)]
    if report.missing:
        parts.append(report.not_measured())
    if ratios := [row for row in rows if row["floor"].startswith(FLOOR) and "uncached" in row["name"]]:
        parts.append(table(ratios))
    parts += [table(report.suites[name]) for name in WHOLE if name in report.suites]
    if clients := [row for row in report.suites.get(TOKENS, []) if row["name"].endswith(CLIENTS)]:
        parts.append(table(clients))
    parts += [side_by_side(report.suites[name]) for name in SIDE_BY_SIDE if name in report.suites]
    if peers := [row for row in report.suites.get(MICRO, []) if row["floor"].startswith(PEERS)]:
        parts.append(table(peers))
    return "\n\n".join([*parts, *charts(report, CHARTS)])


def fleet_summary(report: Report) -> str:
    """Return what processes that share a token have of it, in Markdown."""
    if FLEET not in report.suites:
        return f"The committed record has no run of `{FLEET}`."
    return "\n\n".join([report.measured_on(), table(report.suites[FLEET]), *charts(report, ["fleet.svg"])])


def charts(report: Report, names: Iterable[str]) -> list[str]:
    """Return the charts of these names that the report has."""
    return [f"![{CHARTS[name]}](../benchmarks/results/{name})" for name in names if name in report.charts]


PAGES: Mapping[Path, Callable[[Report], str]] = {PAGE: summary, DOCS / "stores.md": fleet_summary}
"""The pages with figures, each between two markers, and what writes them."""


def goals(report: Report) -> str:
    """Return how many goals were reached, and each that was not."""
    aimed = [row for rows in report.suites.values() for row in rows if row["goal"] != "-"]
    missed = [row for row in aimed if not row["reached"]]
    text = f"{len(aimed) - len(missed)} of {len(aimed)} goals were reached in this run"
    if not missed:
        return f"{text}."
    return (
        f"{text}. Missed: "
        + "; ".join(f"{row['name']}: {row['result']}, goal {row['goal']}" for row in missed).replace(
            "|", "&#124;"
        )
        + "."
    )


def side_by_side(rows: list[Row]) -> str:
    """Return a column for each client, with median and quartiles, from rows called `client: what`."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        client, colon, what = row["name"].partition(": ")
        if colon and row["median"] is not None:
            found.setdefault(f"{what} ({row['unit']})", {})[client] = _spread(row["median"], *row["spread"])
    clients = list(dict.fromkeys(client for cells in found.values() for client in cells))
    lines = [f"| Median (quartiles) | {' | '.join(clients)} |", "|---" * (len(clients) + 1) + "|"]
    lines += [
        f"| {what} | {' | '.join(cells.get(client, '') for client in clients)} |"
        for what, cells in found.items()
    ]
    return "\n".join(lines)


def _spread(median: float, low: float, high: float) -> str:
    return _number(median) if low == high else f"{_number(median)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    """Return three significant digits, without an exponent."""
    return f"{value:,.0f}" if value == 0 or abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - as written above
