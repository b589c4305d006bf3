"""Tests of the page on moving from the official SDK, whose blocks `test_docs.py` runs."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
STAND_IN = ROOT / "tests" / "fakes" / "official_sdk" / "scope_client.py"


def promised(block: str) -> list[str]:
    return re.findall(r"# → (.+)$", block, re.MULTILINE)


def test_each_block_before_prints_what_the_blocks_after_print() -> None:
    pairs = []
    for part in PAGE.split("\nBefore:\n")[1:]:
        section = part.split("\n## ")[0].split("\n### ")[0]
        pairs.append(re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    assert [len(blocks) for blocks in pairs] == [3, 2, 2]
    for before, *after in pairs:
        assert "scope_client" in before
        assert promised(before)
        for block in after:
            assert promised(block) == promised(before)


def signatures(names: dict[str, Any]) -> dict[str, list[tuple[str, object, object]]]:
    """Return the parameters of each public function and method, by its qualified name."""
    classes = [value for value in names.values() if inspect.isclass(value)]
    values = [*names.values(), *(value for each in classes for value in vars(each).values())]
    # A class method has its function in `__func__`.
    functions = [getattr(value, "__func__", value) for value in values]
    return {
        function.__qualname__: [
            (each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()
        ]
        for function in functions
        if inspect.isfunction(function) and not re.search(r"(^|\.)_(?!_init__)", function.__qualname__)
    }


def test_stand_in_has_the_official_sdks_signatures() -> None:
    official = pytest.importorskip("scope_client")
    if not hasattr(official, "ScopeClient"):
        pytest.skip("another package has that name on the package index")
    module = runpy.run_path(str(STAND_IN), run_name="stand_in")
    ours = signatures({name: value for name, value in module.items() if hasattr(official, name)})
    assert "ScopeClient.get_prompt_version" in ours
    theirs = signatures(vars(official))
    assert {name: theirs.get(name) for name in ours} == ours
