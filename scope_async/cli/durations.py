"""Durations as typed in a command: `90s`, `15m`, `12h`, `30d`, `2w`."""

from __future__ import annotations

import re
from datetime import datetime

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])|0")


def read_duration(text: str) -> float:
    """Return the duration in seconds.

    Only 0 needs no unit: `--expires-in 90`, meant as days, would create a key of 90 seconds.

    Raises:
        typer.BadParameter: `text` is not a duration.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 15m, 12h, 30d or 2w")
    return float(match[1]) * _UNITS[match[2]] if match[2] else 0.0


def read_duration_within(text: str, least: float, most: float) -> float:
    """Return the duration in seconds.

    Raises:
        typer.BadParameter: `text` is not a duration from `least` to `most` seconds.
    """
    seconds = read_duration(text)
    if not least <= seconds <= most:
        raise typer.BadParameter(f"{text!r} is outside {about(least)} to {about(most)}")
    return seconds


def about(seconds: float) -> str:
    """Return a length of time, cut to the largest unit that fits; the sign is left out."""
    for unit in ("d", "h", "m"):
        if abs(seconds) >= _UNITS[unit]:
            return f"{int(abs(seconds) / _UNITS[unit])}{unit}"
    return f"{int(abs(seconds))}s"


def ago(at: datetime | None, now: datetime) -> str:
    """Return the distance of `at` from `now`, such as `3h ago`; `never` for None.

    The clocks of two machines differ, so that what has just happened there may lie ahead here.
    """
    if at is None:
        return "never"
    passed = (now - at).total_seconds()
    return f"{about(passed)} ago" if passed > -_UNITS["m"] else f"in {about(passed)}"
