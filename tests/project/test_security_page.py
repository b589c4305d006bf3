"""The table of docs/security.md: the test that keeps a promise has to exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
_ROW = re.compile(
    r"^\| (?P<promise>[^|]*?) ?\| `(?P<file>tests/[^`:]+)::(?P<test>test_\w+)` \|$", re.MULTILINE
)
KEPT = [(row["promise"], row["file"], row["test"]) for row in _ROW.finditer(PAGE)]


def test_page_names_a_test_in_every_row_of_its_table() -> None:
    table = PAGE.partition("| Promise | Kept by |\n|---|---|\n")[2].partition("\n\n")[0]
    assert len(KEPT) == len(table.splitlines()) > 20
    assert KEPT[0][0]


@pytest.mark.parametrize(("file", "test"), [(file, test) for _, file, test in KEPT])
def test_promise_is_kept_by_a_test_that_exists(file: str, test: str) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, functions)}


def test_security_policy_says_how_to_report_and_leads_to_the_page() -> None:
    policy = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "Report a vulnerability" in policy
    assert "(docs/security.md)" in policy
