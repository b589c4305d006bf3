"""Tests of the guards of conftest.py: a guard that no longer works would go unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

OFFENCES = """
import asyncio, os, subprocess, sys, time, aiohttp
from scope_async._core.clock import SystemClock

kept = []

async def test_leaves_a_task():
    kept.append(asyncio.create_task(asyncio.sleep(30)))

async def test_leaves_a_session():
    kept.append(aiohttp.ClientSession())

def test_leaves_a_process():
    kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]))

async def test_blocks_the_loop_and_hides_it():
    async def block(seconds):
        time.sleep(0)

    try:
        await SystemClock(sleep=block).sleep(0)
    except Exception:
        pass

async def test_warns():
    asyncio.sleep(0)

def test_reads_my_variables():
    assert "SCOPE_API_SECRET" not in os.environ

async def test_does_nothing_wrong():
    await asyncio.sleep(0)
"""


def test_guards_fail_every_offending_test(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SCOPE_API_SECRET", "secret_1")
    file = tmp_path / "test_offences.py"
    file.write_text(OFFENCES)
    command = [
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, *command, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    noticed = re.findall(r"^(?:ERROR|FAILED) \S*::(\w+) - (.{20})", done.stdout, re.MULTILINE)
    assert sorted(noticed) == [
        ("test_blocks_the_loop_and_hides_it", "Failed: blocked the "),
        ("test_leaves_a_process", "Failed: left 1 proce"),
        ("test_leaves_a_session", "Failed: left 1 aioht"),
        ("test_leaves_a_task", "Failed: left tasks b"),
        ("test_warns", "pytest.PytestUnraisa"),
    ], done.stdout
