"""The audit trail of a key, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from attrs import frozen

from scope_async.local.pages.keys_table import page_number
from scope_async.local.pages.relative_time import Instant, instant

PAGE = 50
"""Events on one page."""


@frozen
class HistoryEvent:
    """One line of the trail."""

    event: str
    at: Instant
    actor: str
    address: str | None
    user_agent: str | None
    reason: str | None
    count: int


@frozen
class History:
    """One page of the trail, newest first; `page` counts from 1."""

    events: Sequence[HistoryEvent]
    page: int
    pages: int
    total: int

    @classmethod
    def of(cls, events: Sequence[Mapping[str, Any]], page: str, now: float) -> Self:
        """Return the page that `page`, the text of a query, asks for; the first for anything else."""
        pages = max(1, -(-len(events) // PAGE))
        number = min(page_number(page), pages)
        begin = (number - 1) * PAGE
        newest = list(reversed(events))[begin : begin + PAGE]
        return cls([_event(event, now) for event in newest], number, pages, len(events))


def _event(event: Mapping[str, Any], now: float) -> HistoryEvent:
    return HistoryEvent(
        event["event"],
        instant(event["at"], now),
        event["actor"],
        event["address"],
        event["user_agent"],
        event["reason"],
        event["count"],
    )
