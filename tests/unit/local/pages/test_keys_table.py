"""Filter, order and pages of the table of API keys."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from scope_async.local.pages.keys_table import PAGE, Row, Table, View
from scope_async.local.store.key_models import KeyRecord, KeyUse

NOW = 1_793_664_000.0
DAY = 86_400


def row(name: str, *, environment: str = "production", used: float | None = None, **fields: Any) -> Row:
    created_at = fields.pop("created_at", NOW)
    record = KeyRecord(f"key_{name}", name, environment, b"", created_at, "local", **fields)
    return Row.of(record, now=NOW, last_use=None if used is None else KeyUse(used))


ROWS = (
    row("billing", created_at=NOW - 3, used=NOW - 5, expires_at=NOW + DAY),
    row("Search", created_at=NOW - 1, environment="staging", expires_at=NOW - 1),
    row("mail", created_at=NOW - 2, environment="development", used=NOW - 4, revoked_at=NOW),
)


def names(view: View) -> list[str]:
    return [shown.record.name for shown in Table.of(ROWS, view).rows]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-created", ["Search", "mail", "billing"]),
        ("created", ["billing", "mail", "Search"]),
        ("name", ["billing", "mail", "Search"]),
        ("-used", ["mail", "billing", "Search"]),
        ("used", ["billing", "mail", "Search"]),
        ("expires", ["Search", "billing", "mail"]),
        ("-expires", ["billing", "Search", "mail"]),
        ("environment", ["mail", "Search", "billing"]),
        ("status", ["billing", "mail", "Search"]),
    ],
)
def test_table_sorts_rows_without_a_value_last(sort, expected):
    assert names(View(status="all", sort=sort)) == expected


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(status="active"), ["billing"]),
        (View(status="all", environment="staging"), ["Search"]),
        (View(status="all", search="sEAR"), ["Search"]),
        (View(status="all", search="key_mail"), ["mail"]),
        (View(), ["billing"]),
        (View(status="active", environment="staging"), []),
    ],
)
def test_table_filters(view, expected):
    assert names(view) == expected
    assert view.narrows == bool(view.search or view.environment)


def test_table_has_pages_and_ends_at_the_last_one():
    rows = [row(f"{number:03}") for number in range(PAGE + 5)]
    last = Table.of(rows, View(sort="name", page=99))
    assert (last.view.page, last.first, last.last) == (2, PAGE + 1, PAGE + 5)
    assert (last.matching, last.total) == (PAGE + 5, PAGE + 5)
    assert Table.of([], View()).rows == []


@pytest.mark.parametrize(
    "view",
    [View(), View("expired", "staging", "a&b=c", "-used", 3), View(sort="created"), View(page=2)],
)
def test_view_is_equal_after_link_and_from_query(view):
    assert View.from_query(URL(view.link("/settings/api-keys")).query) == view


@pytest.mark.parametrize(
    "query",
    [{"status": "gone"}, {"environment": "x"}, {"sort": "secret"}, {"page": "-1"}, {"page": "1" * 9}],
)
def test_view_from_query_ignores_invalid_values(query):
    assert View.from_query(query) == View()


def test_view_sorted_by_reverses_at_the_second_click():
    once = View(page=4).sorted_by("name")
    assert (once.sort, once.page, once.direction("name")) == ("name", 1, "ascending")
    twice = once.sorted_by("name")
    assert (twice.sort, twice.direction("name"), twice.direction("used")) == ("-name", "descending", "none")


def test_row_expires_soon_within_a_week():
    assert row("a", expires_at=NOW + 6 * DAY).expires_soon
    assert not row("a", expires_at=NOW + 8 * DAY).expires_soon
    assert not row("a", expires_at=NOW - 1).expires_soon
    assert not row("a").expires_soon
