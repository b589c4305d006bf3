"""Instants in JSON."""

from __future__ import annotations

import pytest

from scope_async.local.timestamps import iso


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_793_664_000.5, "2026-11-03T00:00:00.500Z"),
        (1_793_664_000.0004, "2026-11-03T00:00:00.000Z"),
        (None, None),
    ],
)
def test_iso_is_utc_to_the_millisecond(at, text):
    assert iso(at) == text
