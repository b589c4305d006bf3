"""One line of a report: what was measured, what it must reach, and the evidence."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Spread:
    """The median of some values, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) == 1:
            return cls.exactly(values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @classmethod
    def of_ratios(cls, values: Sequence[float], floor: Sequence[float]) -> Spread:
        """Return the spread of the ratios within the rounds."""
        return cls.of([value / base for value, base in zip(values, floor, strict=True)])

    @classmethod
    def exactly(cls, value: float) -> Spread:
        """Return the spread of what was counted, which has none."""
        return cls(value, value, value)

    def show(self, digits: int = 2) -> str:
        """Return the median with the quartiles in brackets, without them where there is no spread."""
        if self.low == self.high:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@attrs.frozen
class Result:
    """One line of a table: what was measured, what it must reach, and the evidence.

    `quantity` is `measured` for programs, in `unit`; `floor` is the denominator of a ratio. What is
    `counted` is the same on every machine, so CI insists on it.
    """

    name: str
    goal: str
    measured: str
    reached: bool
    detail: str = ""
    quantity: Spread | None = attrs.field(default=None, kw_only=True)
    unit: str = attrs.field(default="", kw_only=True)
    floor: str = attrs.field(default="", kw_only=True)
    counted: bool = attrs.field(default=False, kw_only=True)

    @classmethod
    def at_most(cls, name: str, ratios: Spread, goal: float, *, floor: str, detail: str = "") -> Result:
        """Return a result whose median must not be above `goal` times the floor."""
        reached = ratios.median <= goal
        return cls._ratio(name, ratios, f"<= {goal:g}", reached=reached, floor=floor, detail=detail)

    @classmethod
    def at_least(cls, name: str, ratios: Spread, goal: float, *, floor: str, detail: str = "") -> Result:
        """Return a result whose median must not be below `goal` times the floor."""
        reached = ratios.median >= goal
        return cls._ratio(name, ratios, f">= {goal:g}", reached=reached, floor=floor, detail=detail)

    @classmethod
    def _ratio(
        cls, name: str, ratios: Spread, goal: str, *, reached: bool, floor: str, detail: str
    ) -> Result:
        return cls(
            name,
            f"{goal} x {floor}",
            f"{ratios.show()} x",
            reached=reached,
            detail=detail,
            quantity=ratios,
            unit="x",
            floor=floor,
        )

    @classmethod
    def count(
        cls, name: str, found: float, goal: float, *, unit: str, reached: bool | None = None, detail: str = ""
    ) -> Result:
        """Return a result of what was counted; unless `reached` says more, it must equal `goal`."""
        return cls(
            name,
            f"{goal:,g} {unit}",
            f"{found:,g} {unit}",
            reached=found == goal if reached is None else reached,
            detail=detail,
            quantity=Spread.exactly(found),
            unit=unit,
            counted=True,
        )

    @classmethod
    def informative(
        cls, name: str, values: Spread, unit: str, *, digits: int = 2, floor: str = "", detail: str = ""
    ) -> Result:
        """Return a result that is good to know and has no goal."""
        return cls(
            name,
            "-",
            f"{values.show(digits)} {unit} {floor}".rstrip(),
            reached=True,
            detail=detail,
            quantity=values,
            unit=unit,
            floor=floor,
        )

    def text(self) -> str:
        sign = "ok  " if self.reached else "MISS"
        return f"{sign} {self.name:<46} {self.measured:<28} goal {self.goal}" + (
            f"\n     {self.detail}" if self.detail else ""
        )


@attrs.frozen
class SuiteResult:
    """The results of a suite, its charts (SVG) by file name, and what could not be measured."""

    results: list[Result]
    charts: Mapping[str, str] = attrs.field(factory=dict)
    missing: Sequence[str] = ()
