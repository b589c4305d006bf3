from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="imitates Windows on Linux")
def test_package_works_without_what_windows_lacks(tmp_path) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.project.windows_imitation", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
