"""What a rollover reports while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs


@attrs.frozen
class Progress:
    """One step of the rollover of one key.

    Attributes:
        event: `planned`, `skipped`, `made`, `stored`, `risk`, `waiting`, `unreachable`, `revoked`, `done`
            or `failed`.
        api_key: the key that is replaced.
        detail: a sentence for a person.
        idle, needed: seconds without use, and how many of them it takes.
        changed: False for a `waiting` that says nothing but that time has passed.
    """

    event: str
    api_key: str
    detail: str
    successor: str | None = None
    idle: float | None = None
    needed: float | None = None
    last_used_at: datetime | None = None
    last_used_by: str | None = None
    changed: bool = True

    def document(self) -> dict[str, Any]:
        """Return what is known as JSON values."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in attrs.asdict(self).items()
            if value is not None and name != "changed"
        }


Report = Callable[[Progress], None]
