"""An open loop of requests through a client of Local Scope, with the events of that time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness.open_loop import LatencyRecorder, arrival_times, open_loop
from benchmarks.harness.result import Result, Spread
from benchmarks.reporting.line_chart import Axis, Line, LineChart, decades, time_slots
from scope_async import ScopeClient, ScopeError
from scope_async.telemetry.events import Event, RenewalFailed, RequestRetried, TokenExchanged, TokenWaited

SLOT = 0.2
PROMPT = "greeting"


class Timeline:
    """Latencies and events over time, in seconds since `begin`; a hook of the client."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self.bands: list[tuple[float, float]] = []
        self.renewed: list[tuple[float, float]] = []
        self.marks: list[float] = []
        self.waited = self.stale = self.refused = self.retried = 0
        self.recorder = LatencyRecorder(time.perf_counter)
        self.changed = asyncio.Event()
        self._began_at = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, TokenExchanged):
            ended = self.now()
            self.renewed.append((ended - event.duration_ms / 1000, ended))
            self.changed.set()
        self.waited += isinstance(event, TokenWaited)
        self.refused += isinstance(event, RenewalFailed)
        self.retried += isinstance(event, RequestRetried)

    def begin(self) -> None:
        """Discard earlier events, and count the seconds from now."""
        self._began_at = time.perf_counter()
        self.renewed.clear()
        self.waited = 0

    @property
    def made(self) -> int:
        return len(self.points)

    @property
    def longest(self) -> float:
        """The longest latency in milliseconds."""
        return max(taken for _, taken in self.points)

    @property
    def failures(self) -> str:
        return f"{self.recorder.failed} of {self.made:,} requests"

    def now(self) -> float:
        return time.perf_counter() - self._began_at

    async def wait_for_new_token(self) -> None:
        """Wait until the client has got a new token."""
        self.changed.clear()
        await self.changed.wait()

    @contextmanager
    def band(self) -> Iterator[None]:
        """Record the time of the block as a fault."""
        began = self.now()
        try:
            yield
        finally:
            self.bands.append((began, self.now()))

    async def load(self, scope: ScopeClient, rate: float, seconds: float, *, cache: bool = False) -> None:
        """Make requests for `seconds`, `rate` per second at random."""

        async def request(due_at: float) -> None:
            try:
                version = await scope.get_prompt_version(PROMPT, cache=cache)
            except ScopeError:
                self.recorder.failed += 1
            else:
                self.stale += version.is_stale
            taken = self.recorder.record(due_at)
            self.points.append((due_at - self._began_at, taken * 1000))

        await open_loop(arrival_times(rate, seconds), request, self.recorder.clock)

    def chart(self, title: str, *, band: str, mark: str = "a new token", note: str = "") -> LineChart:
        """Return a chart of the median and the slowest request of every 0.2 s."""
        found = time_slots(self.points, SLOT)
        low, high = decades([taken for _, taken in self.points])
        ends_at = max(due for due, _ in self.points)
        return LineChart(
            title,
            Axis("time (s)", 0, ends_at),
            Axis("latency (ms, logarithmic)", low, high, log=True),
            [
                Line("slowest of 0.2 s", [(at, max(values)) for at, values in found.items()]),
                Line("median", [(at, statistics.median(values)) for at, values in found.items()]),
            ],
            bands=[(max(0.0, begin), min(end, ends_at)) for begin, end in self.bands if begin < ends_at],
            band_label=band,
            marks=[at for at in self.marks or [end for _, end in self.renewed] if mark and at < ends_at],
            mark_label=mark,
            note=note,
        )

    def results(self, name: str, *, affected: int) -> list[Result]:
        """Return the latencies inside the bands and outside of them, and the number of failures.

        `affected` counts what the fault disturbed; 0 means that there was no fault to survive.
        """
        inside = [taken for due, taken in self.points if self._in_band(due)]
        outside = [taken for due, taken in self.points if not self._in_band(due)]
        found = [
            Result.count(
                f"{name}: failed",
                self.recorder.failed,
                0,
                unit="requests",
                reached=self.recorder.failed == 0 and self.made > 0 and affected > 0,
                detail=f"of {self.made:,}; new tokens {len(self.renewed)}, stale copies {self.stale:,}",
            )
        ]
        if inside and outside:
            within, without = Spread.of(inside), Spread.of(outside)
            slowest = f"slowest {max(inside):.1f} ms, otherwise {max(outside):.1f} ms"
            detail = f"otherwise {without.show()} ms; {slowest}"
            found.append(Result.informative(f"{name}: latency meanwhile", within, "ms", detail=detail))
        return found

    def _in_band(self, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.bands)
