"""Times as people type them: `90s`, `15m`, `12h`, `30d`."""

from __future__ import annotations

import re
from datetime import datetime

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])|0")


def read_duration(text: str) -> float:
    """Return the seconds that `text` means.

    Only 0 goes without a unit: `--expires-in 90` for 90 days would make a key of 90 seconds.

    Raises:
        typer.BadParameter: it is no duration.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 15m, 12h, 30d or 2w")
    return float(match[1]) * _UNITS[match[2]] if match[2] else 0.0


def about(seconds: float) -> str:
    """Return `seconds` in the largest unit that fits, for people."""
    for unit in ("d", "h", "m"):
        if abs(seconds) >= _UNITS[unit]:
            return f"{int(seconds / _UNITS[unit])}{unit}"
    return f"{int(seconds)}s"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long before `now` something was; `never` for None."""
    return "never" if moment is None else f"{about((now - moment).total_seconds())} ago"
