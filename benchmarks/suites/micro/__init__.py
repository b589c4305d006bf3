"""Micro benchmarks: token reads, cached prompts, rendering and decoding, each next to its floor.

pyperf calibrates and times each case in several processes. Every round runs all cases, so that the two
sides of a ratio were measured under the same conditions.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import attrs
import pyperf

from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stub_server import server_process
from benchmarks.suites.micro.token_peers import NOTES
from benchmarks.suites.micro.token_peers import OURS as TOKEN

ROUNDS = 4
CAREFUL = ("--processes=1", "--values=5", "--min-time=0.03")
QUICK = ("--debug-single-value",)

Seconds = dict[str, list[float]]
"""The times of each case, by its name."""


@attrs.frozen
class Comparison:
    """Ours next to another case, at most `goal` times as long if there is one."""

    ours: str
    other: str
    goal: float | None = None
    note: str = ""

    def result(self, rounds: list[Seconds]) -> Result | None:
        """Return the ratio within each round; None if the other was not measured."""
        if self.other not in rounds[0]:
            return None
        ratios = Spread.of([median(taken[self.ours]) / median(taken[self.other]) for taken in rounds])
        detail = f"{shown(rounds, self.ours)} next to {shown(rounds, self.other)}"
        if self.note:
            detail += f"; {self.note}"
        if self.goal is None:
            name = f"{self.ours}, next to {self.other}"
            told = Result.informative(name, ratios, "x its time", digits=3, detail=detail)
            return attrs.evolve(told, floor=self.other)
        return Result.at_most(self.ours, ratios, self.goal, floor=self.other, detail=detail)


CACHED = "cached get_prompt_version"
SYNC_CACHED = "synchronous cached get_prompt_version"
RENDER = "render(name=…, app=…)"
LARGE = "100 kB, 50 variables, keywords"

COMPARISONS = [
    Comparison("peek()", "peek() in plain Python", 1.5),
    Comparison("await get()", "await get() in plain Python", 1.6),
    Comparison("await get()", "await get() under asyncio.Lock", 0.5),
    *(Comparison(TOKEN, peer, note=note) for peer, note in NOTES.items()),
    Comparison(CACHED, "a dict lookup in a coroutine", 3.5),
    Comparison(CACHED, "scope_client's cached get_prompt_version", 0.51, note="theirs is not async"),
    Comparison(
        CACHED,
        "langfuse's cached get_prompt",
        0.37,
        note="theirs is not async; it builds the cache's key from its arguments and reads the wall clock",
    ),
    Comparison(SYNC_CACHED, "scope_client's cached get_prompt_version"),
    Comparison(SYNC_CACHED, "langfuse's cached get_prompt"),
    Comparison(RENDER, "a join by hand", 2.0),
    Comparison("render(mapping)", "a join by hand"),
    Comparison(RENDER, "scope_client's render"),
    Comparison(RENDER, "langfuse's compile", note="it looks for the variables in the text each time"),
    Comparison("100 kB, 50 variables, mapping", "a join of 100 kB", 2.0),
    Comparison(LARGE, "a function of 50 keywords that joins 100 kB", 2.0),
    Comparison(LARGE, "a join of 100 kB", note="passing 50 keywords is most of it"),
    Comparison("decode a prompt version", "json.loads of a prompt version"),
    Comparison("decode a prompt version of 100 kB", "json.loads of 100 kB"),
    Comparison("decode a token", "json.loads of a token"),
    Comparison("decode an error", "json.loads of an error"),
]


def run(*, quick: bool) -> SuiteResult:
    """Return every comparison whose other side is installed."""
    with server_process() as url:
        rounds = [_round(url, QUICK if quick else CAREFUL) for _ in range(1 if quick else ROUNDS)]
    compared = [(comparison.other, comparison.result(rounds)) for comparison in COMPARISONS]
    results = [result for _, result in compared if result is not None]
    missing = [other for other, result in compared if result is None]
    return SuiteResult([*results, _growth(rounds)], missing=missing)


def _round(url: str, options: tuple[str, ...]) -> Seconds:
    with TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.suites.micro.worker",
            "--url",
            url,
            "--output",
            str(found),
        ]
        subprocess.run([*command, "--quiet", *options], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
        suite = pyperf.BenchmarkSuite.load(str(found))
    return {benchmark.get_name(): list(benchmark.get_values()) for benchmark in suite}


def _growth(rounds: list[Seconds]) -> Result:
    """Return how rendering grows from 100 kB to 1 MB; the join itself outgrows the CPU's caches there."""

    def grown(small: str, large: str) -> Spread:
        return Spread.of([median(taken[large]) / median(taken[small]) for taken in rounds])

    ours = grown("100 kB, 50 variables, mapping", "1 MB, 50 variables, mapping")
    floor = grown("a join of 100 kB", "a join of 1 MB")
    return Result(
        "1 MB against 100 kB",
        "linear: grows as the join does",
        f"{ours.show()} x",
        reached=ours.median <= 1.5 * floor.median,
        detail=f"the join itself {floor.show()} x",
        quantity=ours,
        unit="x",
        floor="100 kB",
    )


def shown(rounds: list[Seconds], name: str) -> str:
    """Return the times of a case with their quartiles, in ns or µs."""
    spread = Spread.of([value * 1e9 for taken in rounds for value in taken[name]])
    if spread.median < 10_000:  # noqa: PLR2004 - five digits are hard to read
        return f"{spread.show(0)} ns"
    return f"{Spread(spread.median / 1e3, spread.low / 1e3, spread.high / 1e3).show(1)} µs"
