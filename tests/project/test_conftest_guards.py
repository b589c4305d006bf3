"""Tests of the guards of conftest.py: a guard that no longer works would go unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

OFFENCES = """
import asyncio, base64, json, logging, os, subprocess, sys, time, aiohttp, pytest
from scope_async import ScopeError
from scope_async.local import Fault
from scope_async.local.identifiers import new_secret
from scope_async._core.clock import SystemClock

kept = []
SECRET = new_secret("secret")

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

def test_prints_a_secret():
    print(base64.b64encode(f"key_1:{SECRET}".encode()).decode())

def test_logs_a_secret():
    logging.getLogger("x").warning("/?secret=%s", "".join(f"%{ord(sign):02x}" for sign in SECRET))

def test_lets_a_process_print_a_secret():
    command = [sys.executable, "-c", "import sys; print(sys.stdin.read())"]
    subprocess.run(command, input=json.dumps(SECRET).replace("s", "\\\\u0073"), text=True, check=True)

def test_passes_a_secret_in_arguments():
    subprocess.run([sys.executable, "-c", "", SECRET], check=True)

def test_raises_a_secret():
    with pytest.raises(ScopeError):
        Fault.parse(SECRET)

async def test_does_nothing_wrong():
    print(SECRET[:-1], "secret_", SECRET[7:])

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
        check=False,
    )
    noticed = re.findall(r"^(?:ERROR|FAILED) \S*::(\w+) - (.{20})", done.stdout, re.MULTILINE)
    assert sorted(noticed) == [
        ("test_blocks_the_loop_and_hides_it", "Failed: blocked the "),
        ("test_leaves_a_process", "Failed: left 1 proce"),
        ("test_leaves_a_session", "Failed: left 1 aioht"),
        ("test_leaves_a_task", "Failed: left tasks b"),
        ("test_lets_a_process_print_a_secret", "shows a secret: Capt"),
        ("test_logs_a_secret", "shows a secret: Capt"),
        ("test_passes_a_secret_in_arguments", "Failed: showed a sec"),
        ("test_prints_a_secret", "shows a secret: Capt"),
        ("test_raises_a_secret", "Failed: showed a sec"),
        ("test_warns", "pytest.PytestUnraisa"),
    ], done.stdout
