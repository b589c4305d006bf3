"""Tests of how the benchmarks are reported, and that what is reported is what was measured."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
pytest.importorskip("pyperf", reason="pyperf is not installed")
pytest.importorskip("pyinstrument", reason="pyinstrument is not installed")

from benchmarks.harness.result import Result, Spread
from benchmarks.reporting.bar_chart import BarChart
from benchmarks.reporting.line_chart import Axis, Line, LineChart, time_slots
from benchmarks.reporting.page import BEGIN, END, PAGES, fleet_summary, summary, update_page
from benchmarks.reporting.report import RESULTS, Report, row, table
from benchmarks.suites.micro import Comparison

ROOT = RESULTS.parents[1]


def environment() -> dict[str, object]:
    return {
        "command": "python -m benchmarks",
        "date": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "processor": "a processor",
        "cores": 2,
        "load": [0.0, 0.1, 0.2],
        "load after": [1.0, 1.1, 1.2],
        "system": "Linux",
        "python": "CPython 3.11",
        "event loop": "asyncio",
        "versions": {"aiohttp": "3.12"},
    }


def test_row_has_the_values_of_a_result() -> None:
    found = row(Result.at_most("read", Spread(1.5, 1.4, 1.6), 2, floor="a dict"))
    assert found["name"] == "read"
    assert (found["median"], found["spread"], found["unit"]) == (1.5, [1.4, 1.6], "x")
    assert (found["floor"], found["goal"]) == ("a dict", "<= 2 x a dict")
    assert found["reached"] is True
    assert json.loads(json.dumps(found)) == found


def test_report_reads_what_it_wrote_and_updates_the_page(tmp_path) -> None:
    speed = Result.informative("bare aiohttp: speed", Spread(9000, 8000, 9500), "requests/s")
    slow = Result.at_most("read", Spread(9, 9, 9), 2, floor="a dict")
    peer = Comparison("our read", "azure-core").result([{"our read": [1.0], "azure-core": [4.0]}])
    floor = Comparison("our read", "plain Python").result([{"our read": [1.0], "plain Python": [4.0]}])
    assert peer is not None
    assert floor is not None
    written = Report(
        environment(), {"load": [row(speed)], "tokens": [row(slow)], "micro": [row(peer), row(floor)]}
    )
    written.write({"a.svg": "<svg/>"}, tmp_path)
    assert Report.read(tmp_path) == written
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update_page(Report.read(tmp_path), page, summary)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| speed (requests/s) | 9,000 (8,000 to 9,500) |" in text
    assert "next to azure-core" in text
    assert "next to plain Python" not in text
    assert "0 of 1 goals were reached in this run. Missed: read: 9.00 x" in text


def test_report_says_how_much_cpu_time_was_stolen() -> None:
    assert "stolen" not in Report(environment(), {}).measured_on()
    told = Report({**environment(), "stolen": 12.5}, {}).measured_on()
    assert "after it 1.0, 1.1, 1.2; 12.5 % of the CPU time stolen)" in told


def test_pages_have_the_rows_of_stores_fleets_and_clients() -> None:
    def told(name: str) -> dict[str, Any]:
        return row(Result.informative(name, Spread.exactly(7.0), "ms"))

    suites = {
        "tokens": [told("10,000 waiters"), told("slowest request, scope_client")],
        "stores": [told("FileStore: a prompt"), told("RedisStore: a prompt")],
        "fleet": [told("8 processes: exchanges")],
    }
    report = Report(environment(), suites, charts=["fleet.svg"])
    page = summary(report)
    assert "| a prompt (ms) | 7 | 7 |" in page
    assert "| slowest request, scope_client |" in page
    assert "10,000 waiters" not in page
    for written in (page, fleet_summary(report)):
        assert "| 8 processes: exchanges | 7.00 ms |" in written
        assert "(../benchmarks/results/fleet.svg)" in written
    assert fleet_summary(Report(environment(), {})) == "The committed record has no run of `fleet`."


def test_table_marks_missed_goals() -> None:
    slow = Result.at_most("a | b", Spread(9, 9, 9), 2, floor="a dict")
    lines = table([row(slow)])
    assert lines.splitlines()[-1] == "| a &#124; b | 9.00 x | <= 2 x a dict | **missed** |"


def test_update_page_requires_markers(tmp_path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("no markers")
    with pytest.raises(ValueError, match="no <!-- benchmarks"):
        update_page(Report(environment(), {}), page, summary)
    assert page.read_text() == "no markers"


def test_line_chart_labels_axes_lines_bands_and_marks() -> None:
    chart = LineChart(
        "0 of 9 <failed>",
        Axis("time (s)", 0, 10),
        Axis("latency (ms)", 0.1, 100, log=True),
        [Line("median", [(0, 1), (5, 10), (10, 1)])],
        bands=[(2, 4)],
        band_label="a fault",
        marks=[5],
        mark_label="a token",
    )
    svg = chart.svg()
    for text in ("0 of 9 &lt;failed&gt;", "time (s)", "latency (ms)", "median", "a fault", "a token"):
        assert f">{text}<" in svg
    assert "prefers-color-scheme: dark" in svg
    assert chart.x.ticks() == [0, 2, 4, 6, 8, 10]
    assert chart.y.ticks() == pytest.approx([0.1, 1, 10, 100])


def test_time_slots_are_keyed_by_their_middle() -> None:
    assert time_slots([(0.1, 1), (0.3, 2), (1.2, 3)], 1.0) == {0.5: [1, 2], 1.5: [3]}


def test_bar_chart_labels_each_bar_with_its_value() -> None:
    svg = BarChart("one <message>", "time (µs)", {"a": 10.0, "b": -2.5}).svg()
    for text in ("one &lt;message&gt;", "time (µs)", "a", "b", "10.0", "-2.5"):
        assert f">{text}<" in svg
    widths = [float(width) for width in re.findall(r'class="dot-0" x="[^"]*" y="[^"]*" width="([^"]*)"', svg)]
    assert widths[0] == pytest.approx(4 * widths[1], rel=0.01)
    assert "prefers-color-scheme: dark" in svg


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_shows_the_committed_results(path) -> None:
    """After a change of the summary run `python -m benchmarks --page`."""
    shown = path.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == PAGES[path](Report.read())


def test_report_is_the_one_of_the_committed_results() -> None:
    assert RESULTS.joinpath("latest.md").read_text(encoding="utf-8") == Report.read().markdown()


MEASURED = re.compile(r"\d[\d.,]* ?(?:µs|ns|requests/s|instructions|x\b)|\d (?:times|%) (?:as|faster|slower)")


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name
)
def test_measured_figures_and_charts_are_those_of_the_record(path) -> None:
    """What was measured stands between the markers, and a picture of it is a chart of the record."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written_by_hand = re.sub(r"(?s)```.*?```", "", before + rest.partition(END)[2])
    assert MEASURED.findall(written_by_hand) == []
    assert set(re.findall(r"benchmarks/results/([\w-]+\.svg)", text)) <= set(Report.read().charts)
