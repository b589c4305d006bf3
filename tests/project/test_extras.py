"""What is said about extras that are not installed; `.ci/dist` asks the same of real environments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    "aws": "botocore",
    "keyring": "keyring",
    "local": "aiosqlite",
    "otel": "opentelemetry",
    "redis": "redis",
}


@pytest.mark.parametrize("extra", MODULES)
def test_missing_extra_is_named(extra) -> None:
    script = f"import sys; sys.modules[{MODULES[extra]!r}] = None\n"
    script += f"from tests.project.extras import check; check({extra!r}, installed=False)"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
