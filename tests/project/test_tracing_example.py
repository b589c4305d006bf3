"""Runs the tracing example, and compares the documents with the trace it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed_trace() -> str:
    """Return the tree of the request's trace as the example prints it."""
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "main.py"],
        cwd=ROOT / "examples" / "fastapi_tracing",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
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


def test_documents_show_the_trace_of_the_example() -> None:
    tree = printed_trace()
    for page in ("README.md", "docs/telemetry.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        traces = re.findall(r"^```text\n(GET /greet/.*?)\n```$", text, re.MULTILINE | re.DOTALL)
        assert [without_times(trace) for trace in traces] == [without_times(tree)], (
            f"put this into {page}:\n{tree}"
        )
