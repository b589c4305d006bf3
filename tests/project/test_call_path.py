"""A call's path through the package stays short; counted, so that the machine's load does not matter."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from scope_async.stores import FileStore
from tests.project.call_path import measured


@pytest.mark.parametrize(
    ("scenario", "functions", "files", "re_entries"),
    [
        ("cached read", 3, 3, 0),
        ("cold miss", 65, 25, 16),
        ("503 with a copy", 91, 32, 24),
        ("token read", 1, 1, 0),
        ("token renewal", 77, 23, 17),
    ],
)
async def test_call_path_is_short(
    scenario: str, functions: int, files: int, re_entries: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "scope_async")  # formatting a record has a path of its own
    # Of three, since a timer that a busy machine lets come due is no part of it either.
    path = min([await measured(scenario) for _ in range(3)], key=lambda path: path.functions)
    assert path.functions <= functions
    assert path.files <= files
    assert path.re_entries <= re_entries


@pytest.mark.parametrize("scenario", ["cached read", "token read"])
async def test_call_path_of_a_read_from_memory_is_the_same_with_a_store(
    scenario: str, tmp_path: Path
) -> None:
    with_store = await measured(scenario, FileStore(tmp_path / "store"))
    assert with_store.calls == (await measured(scenario)).calls
