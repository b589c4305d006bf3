"""The tracing example runs, and the picture in README.md is what it draws."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def drawn() -> str:
    """Return the tree of the request's trace, as the example prints it now."""
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "main.py"],
        cwd=ROOT / "examples" / "fastapi_tracing",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert '{"text":"Hello, Ada!"}' in outcome.stdout
    _, _, rest = outcome.stdout.partition("The trace of the request:\n\n")
    tree, _, others = rest.partition("\n\nBefore it")
    assert "POST /v1/auth/applications/login" in others
    return tree


def without_times(tree: str) -> str:
    return re.sub(r"\d+\.\d ms", "… ms", tree)


def test_the_picture_in_the_readme_is_current() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"^```text\n(GET /greet/.*?)\n```$", readme, re.MULTILINE | re.DOTALL)
    tree = drawn()
    assert [without_times(picture) for picture in pictures] == [without_times(tree)], f"put this in:\n{tree}"
