"""Line charts as SVG: labelled axes, one message in the title, readable on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import attrs

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 84, 36, 82, 56

STYLE = """
svg { --page: #ffffff; --ink: #1f2328; --faint: #d1d9e0; --soft: #59636e; --band: #fff1c2;
      --line-0: #0969da; --line-1: #bc4c00; --mark: #1a7f37; font: 13px system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --ink: #f0f6fc; --faint: #30363d; --soft: #9198a1; --band: #3d2f00;
        --line-0: #4493f8; --line-1: #f0883e; --mark: #3fb950 }
}
.page { fill: var(--page) } text { fill: var(--ink) } .soft { fill: var(--soft) }
.title { font-size: 15px; font-weight: 600 } .grid { stroke: var(--faint) } .axis { stroke: var(--soft) }
.band { fill: var(--band) } .mark { stroke: var(--mark); stroke-dasharray: 4 3; stroke-width: 1.5 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.line-0 { stroke: var(--line-0) } .line-1 { stroke: var(--line-1) }
.dot-0 { fill: var(--line-0) } .dot-1 { fill: var(--line-1) }
"""


@attrs.frozen
class Line:
    """A named series; `dots` marks each point."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


@attrs.frozen
class Axis:
    """The label of an axis, with its unit, and its range."""

    label: str
    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 at the low end to 1 at the high one."""
        if self.log:
            value = max(value, self.low)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return the values to label: decades, or some five round numbers."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        step = round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def round_step(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the first that is not below `step`."""
    decade = 10.0 ** math.floor(math.log10(step))
    return next(times * decade for times in (1, 2, 5, 10) if times * decade >= step * (1 - 1e-9))


def decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around values above zero."""
    low = 10.0 ** math.floor(math.log10(min(values)))
    return low, max(10.0 ** math.ceil(math.log10(max(values))), low * 10)


@attrs.frozen
class LineChart:
    """Lines over two axes; bands are faults that last, marks are moments."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    bands: Sequence[tuple[float, float]] = ()
    band_label: str = ""
    marks: Sequence[float] = ()
    mark_label: str = ""
    note: str = ""

    def svg(self) -> str:
        """Return the chart as an SVG document."""
        size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text class="title" x="24" y="28">{escape(self.title)}</text>',
            *self._bands(),
            *self._axes(),
            *self._marks(),
            *(part for number, line in enumerate(self.lines) for part in self._line(number, line)),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _x(self, value: float) -> float:
        return round(LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM), 1)

    def _bands(self) -> list[str]:
        return [
            f'<rect class="band" x="{self._x(begin)}" y="{TOP}" '
            f'width="{max(1.0, round(self._x(end) - self._x(begin), 1))}" height="{HEIGHT - TOP - BOTTOM}"/>'
            for begin, end in self.bands
        ]

    def _axes(self) -> list[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for value in self.y.ticks():
            y = self._y(value)
            parts += [
                f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>',
                f'<text class="soft" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:,g}</text>',
            ]
        for value in self.x.ticks():
            x = self._x(value)
            parts += [
                f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>',
                f'<text class="soft" x="{x}" y="{bottom + 20}" text-anchor="middle">{value:,g}</text>',
            ]
        centre = f'x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle"'
        turned = f'transform="translate(20 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle"'
        return [
            *parts,
            f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>',
            f"<text {centre}>{escape(self.x.label)}</text>",
            f"<text {turned}>{escape(self.y.label)}</text>",
        ]

    def _marks(self) -> list[str]:
        return [
            f'<line class="mark" x1="{self._x(at)}" x2="{self._x(at)}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            for at in self.marks
        ]

    def _line(self, number: int, line: Line) -> list[str]:
        places = [(self._x(x), self._y(y)) for x, y in line.points]
        # Of neighbours at the same height only the ends are drawn, which keeps the file small.
        kept = [
            place
            for before, place, after in zip([None, *places], places, [*places[1:], None], strict=False)
            if before is None or after is None or not before[1] == place[1] == after[1]
        ]
        drawn = " ".join(f"{x:g},{y:g}" for x, y in kept)
        parts = [f'<polyline class="line line-{number}" points="{drawn}"/>']
        if line.dots:
            parts += [f'<circle class="dot-{number}" cx="{x:g}" cy="{y:g}" r="4"/>' for x, y in places]
        return parts

    def _legend(self) -> list[str]:
        entries = [
            (f'<line class="line line-{number}" x1="0" x2="22" y1="-4" y2="-4"/>', line.name)
            for number, line in enumerate(self.lines)
        ]
        if self.bands:
            entries.append(
                ('<rect class="band" width="22" height="13" y="-11" stroke="currentColor"/>', self.band_label)
            )
        if self.marks:
            entries.append(('<line class="mark" x1="11" x2="11" y1="-12" y2="2"/>', self.mark_label))
        parts, x = [], float(LEFT)
        for sign, name in entries:
            parts.append(f'<g transform="translate({x:g} 52)">{sign}<text x="28">{escape(name)}</text></g>')
            x += 28 + 7 * len(name) + 24
        if self.note:
            parts.append(f'<text class="soft" x="{LEFT}" y="72">{escape(self.note)}</text>')
        return parts


def time_slots(points: Sequence[tuple[float, float]], width: float) -> dict[float, list[float]]:
    """Return the values of each slot of `width` on the x axis, by the middle of the slot."""
    found: dict[float, list[float]] = {}
    for x, y in sorted(points):
        found.setdefault((math.floor(x / width) + 0.5) * width, []).append(y)
    return found
