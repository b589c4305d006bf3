"""The table of API keys: filter, order and pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self
from urllib.parse import urlencode

import attrs
from attrs import frozen

from scope_async.local.pages.relative_time import Instant, instant
from scope_async.local.store.key_models import ENVIRONMENTS, STATUSES, KeyRecord, KeyStatus, KeyUse

PAGE = 100
"""Rows on one page."""
SORTS = {
    "-created": "Newest first",
    "created": "Oldest first",
    "name": "Name",
    "-used": "Last used",
    "expires": "Expires first",
    "environment": "Environment",
    "status": "Status",
}
"""Orders offered where the table has no headers to click on."""
TABS = ("active", "expired", "revoked", "all")
_SEARCH_LIMIT = 100
_NEWEST_FIRST = "-created"
_PAGE_DIGITS = 6
_SOON = 7 * 86_400


@frozen
class Row:
    """One API key as it looks at the time `now`."""

    record: KeyRecord
    last_use: KeyUse | None
    now: float
    status: KeyStatus

    @classmethod
    def of(cls, record: KeyRecord, *, now: float, last_use: KeyUse | None) -> Self:
        return cls(record, last_use, now, record.status_at(now))

    @property
    def is_replaced(self) -> bool:
        """True while the key is valid beside the one that a rotation made of it."""
        return self.status == "active" and self.record.replaced_by is not None

    # Properties, because only the rows of one page need the texts.
    @property
    def created(self) -> Instant:
        return instant(self.record.created_at, self.now)

    @property
    def last_used(self) -> Instant | None:
        return instant(None if self.last_use is None else self.last_use.at, self.now)

    @property
    def expires(self) -> Instant | None:
        return instant(self.record.expires_at, self.now)

    @property
    def revoked(self) -> Instant | None:
        return instant(self.record.revoked_at, self.now)

    @property
    def expires_soon(self) -> bool:
        ends = self.record.expires_at
        return self.status == "active" and ends is not None and ends - self.now < _SOON


_ORDERS: dict[str, Callable[[Row], str | float | None]] = {
    "name": lambda row: row.record.name.casefold(),
    "environment": lambda row: ENVIRONMENTS.index(row.record.environment),
    "created": lambda row: row.record.created_at,
    "used": lambda row: None if row.last_use is None else row.last_use.at,
    "expires": lambda row: row.record.expires_at,
    "status": lambda row: STATUSES.index(row.status),
}


@frozen
class View:
    """Filter, order and page of the table, as in the query of an address."""

    status: str = TABS[0]
    environment: str = ""
    search: str = ""
    sort: str = _NEWEST_FIRST
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Return the view in a query; invalid values count as absent."""
        status, environment = query.get("status", ""), query.get("environment", "")
        sort, page = query.get("sort", ""), query.get("page", "")
        return cls(
            status if status in TABS else TABS[0],
            environment if environment in ENVIRONMENTS else "",
            unicodedata.normalize("NFC", query.get("q", "")).strip()[:_SEARCH_LIMIT],
            sort if sort.removeprefix("-") in _ORDERS else _NEWEST_FIRST,
            page_number(page),
        )

    @property
    def narrows(self) -> bool:
        """True if the view may leave keys out of its tab."""
        return bool(self.environment or self.search)

    def link(self, path: str, **more: object) -> str:
        """Return the address of `path` with this view and `more` in its query."""
        asked = {
            "status": "" if self.status == TABS[0] else self.status,
            "environment": self.environment,
            "q": self.search,
            "sort": "" if self.sort == _NEWEST_FIRST else self.sort,
            "page": "" if self.page == 1 else str(self.page),
            **more,
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{path}?{query}" if query else path

    def sorted_by(self, column: str) -> View:
        """Return the view after a click on the header of `column`; a second click reverses the order."""
        return attrs.evolve(self, sort=f"-{column}" if self.sort == column else column, page=1)

    def direction(self, column: str) -> str:
        """Return the `aria-sort` of a column."""
        if self.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    def tab(self, status: str) -> View:
        return attrs.evolve(self, status=status, page=1)

    def turned(self, by: int) -> View:
        return attrs.evolve(self, page=self.page + by)


@frozen
class Table:
    """The rows of one page, how many match and exist, and how many of the matching are in each tab."""

    rows: Sequence[Row]
    matching: int
    total: int
    counts: Mapping[str, int]
    view: View

    @classmethod
    def of(cls, rows: Iterable[Row], view: View) -> Self:
        every = list(rows)
        found = [row for row in every if _matches(row, view)]
        counts = {tab: sum(tab in ("all", row.status) for row in found) for tab in TABS}
        matching = _sorted([row for row in found if view.status in ("all", row.status)], view.sort)
        last = max(1, -(-len(matching) // PAGE))
        view = attrs.evolve(view, page=min(view.page, last))
        begin = (view.page - 1) * PAGE
        return cls(matching[begin : begin + PAGE], len(matching), len(every), counts, view)

    @property
    def first(self) -> int:
        return (self.view.page - 1) * PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    def shows(self, api_key: str) -> bool:
        """Return True if the key is on this page of the table."""
        return any(row.record.api_key == api_key for row in self.rows)


def page_number(text: str) -> int:
    """Return the number of a page in a query; 1 for anything else."""
    usable = text.isascii() and text.isdigit() and len(text) <= _PAGE_DIGITS
    return max(1, int(text)) if usable else 1


def _matches(row: Row, view: View) -> bool:
    wanted = view.search.casefold()
    return view.environment in {"", row.record.environment} and (
        wanted in row.record.name.casefold() or wanted in row.record.api_key.casefold()
    )


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    order = _ORDERS[sort.removeprefix("-")]
    # Rows without a value come last in either direction.
    known = [row for row in rows if order(row) is not None]
    unknown = [row for row in rows if order(row) is None]
    known.sort(key=order, reverse=sort.startswith("-"))  # type: ignore[arg-type] # rows without None
    return known + unknown
