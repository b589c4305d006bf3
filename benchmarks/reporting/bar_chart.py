"""Bar charts as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import attrs

from benchmarks.reporting.line_chart import LEFT, RIGHT, STYLE, WIDTH

NAMES = 210
ROW = 34
HEAD = 64


@attrs.frozen
class BarChart:
    """One bar for each name; a negative value is a bar to the left."""

    title: str
    unit: str
    values: Mapping[str, float]
    digits: int = 1

    def svg(self) -> str:
        """Return the chart as an SVG document."""
        height = HEAD + ROW * len(self.values) + 20
        size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        low, high = min(0.0, *self.values.values()), max(self.values.values())
        zero = float(LEFT + NAMES)
        # Room for the number at the end of the longest bar.
        scale = (WIDTH - RIGHT - zero - 60) / (high - low)
        zero -= scale * low
        rows = [
            part
            for number, (name, value) in enumerate(self.values.items())
            for part in self._row(HEAD + ROW * number, name, value, zero=zero, scale=scale)
        ]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{STYLE}</style>",
                f'<rect class="page" width="{WIDTH}" height="{height}"/>',
                f'<text class="title" x="16" y="26">{escape(self.title)}</text>',
                f'<text class="soft" x="16" y="46">{escape(self.unit)}</text>',
                *rows,
                f'<line class="axis" x1="{zero:g}" x2="{zero:g}" y1="{HEAD - 6}" y2="{height - 16}"/>',
                "</svg>",
                "",
            ]
        )

    def _row(self, top: float, name: str, value: float, *, zero: float, scale: float) -> list[str]:
        left, width = zero + scale * min(0.0, value), scale * abs(value)
        end = zero + scale * max(0.0, value)
        middle = top + ROW / 2
        return [
            f'<text x="16" y="{middle:g}">{escape(name)}</text>',
            f'<rect class="dot-0" x="{left:g}" y="{top + 4:g}" width="{width:g}" height="{ROW - 14}"/>',
            f'<text x="{end + 6:g}" y="{middle:g}">{round(value, self.digits) + 0.0:,.{self.digits}f}</text>',
        ]
