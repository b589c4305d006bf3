"""The report of a run, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.harness.result import Result

RESULTS = Path(__file__).parents[1] / "results"

Row = dict[str, Any]


def row(result: Result) -> Row:
    """Return a result as plain data."""
    quantity = result.quantity
    return {
        "name": result.name,
        "median": None if quantity is None else quantity.median,
        "spread": None if quantity is None else [quantity.low, quantity.high],
        "unit": result.unit,
        "goal": result.goal,
        "floor": result.floor,
        "reached": result.reached,
        "counted": result.counted,
        "result": result.measured,
        "detail": result.detail,
    }


@attrs.frozen
class Report:
    """The environment of a run, and the rows of each suite."""

    environment: dict[str, Any]
    suites: dict[str, list[Row]]
    skipped: dict[str, str] = attrs.field(factory=dict)
    charts: list[str] = attrs.field(factory=list)
    missing: list[str] = attrs.field(factory=list)

    def write(self, charts: Mapping[str, str], folder: Path = RESULTS) -> None:
        """Write `latest.json`, `latest.md` and the charts."""
        folder.mkdir(exist_ok=True)
        text = json.dumps(attrs.asdict(self), indent=2, ensure_ascii=False)
        for name, svg in charts.items():
            (folder / name).write_text(svg, encoding="utf-8")
        (folder / "latest.json").write_text(text + "\n", encoding="utf-8")
        (folder / "latest.md").write_text(self.markdown(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path = RESULTS) -> Report:
        """Return the report that was written last."""
        return cls(**json.loads((folder / "latest.json").read_text(encoding="utf-8")))

    def markdown(self) -> str:
        """Return the whole report in Markdown."""
        charts = [f"![{name.removesuffix('.svg')}]({name})" for name in self.charts]
        parts = [
            "# Benchmarks",
            "Written by the harness. Median (quartiles); a comparison is a ratio within one run.",
            self.measured_on(),
            *(part for name in self.suites for part in (f"## {name}", table(self.suites[name]))),
            *(f"`{name}` did not run: {reason}" for name, reason in self.skipped.items()),
            *([self.not_measured()] if self.missing else []),
            *(["## Charts", *charts] if charts else []),
        ]
        return "\n\n".join(parts) + "\n"

    def measured_on(self) -> str:
        """Return the environment in one paragraph."""
        found = self.environment
        versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        before, after = (", ".join(map(str, found[when])) for when in ("load", "load after"))
        stolen = "" if found.get("stolen") is None else f"; {found['stolen']} % of the CPU time stolen"
        return (
            f"`{found['command']}` on {found['date'][:10]}, commit {found['commit']}: {found['processor']},"
            f" {found['cores']} cores (load before the run {before}; after it {after}{stolen}),"
            f" {found['system']}, {found['python']}, {found['event loop']}; {versions}."
        )

    def not_measured(self) -> str:
        """Return what was not installed in this run."""
        return f"Not measured, since not installed: {'; '.join(self.missing)}."


def table(rows: Iterable[Row]) -> str:
    """Return rows in Markdown."""
    lines = ["| What | Result | Goal | |", "|---|---|---|---|"]
    for found in rows:
        aimed = found["goal"] != "-"
        sign = "" if not aimed else "reached" if found["reached"] else "**missed**"
        detail = f"<br><sub>{found['detail']}</sub>" if found["detail"] else ""
        cells = (found["name"] + detail, found["result"], found["goal"] if aimed else "", sign)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)
