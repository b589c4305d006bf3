"""Output that fails, and what no encoding and no terminal can spoil."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cli import COMMAND, ServeProcess, Shell, clean_environment

KEY = re.compile(r"key_[0-9A-Za-z]{22}")


@pytest.fixture(scope="module")
def local() -> Iterator[ServeProcess]:
    with ServeProcess() as process:
        yield process


def call(
    local: ServeProcess, *arguments: str, stdout: int, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**local.variables, **variables),
        check=False,
    )


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("broken", [full_disk, closed_pipe])
@pytest.mark.parametrize(
    "command", [("keys", "list"), ("doctor", "--json"), ("token",), ("--help",), ("serve",)]
)
def test_output_error_is_one_line(local, broken, command):
    stdout = broken()
    try:
        result = call(local, *command, stdout=stdout)
    finally:
        os.close(stdout)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) <= 1
    assert "Traceback" not in result.stderr
    if command != ("--help",):
        assert "cannot write the output" in result.stderr


@pytest.mark.parametrize("broken", [full_disk, closed_pipe])
@pytest.mark.parametrize("as_json", [False, True])
def test_created_key_is_named_when_its_secret_cannot_be_shown(local, broken, as_json):
    stdout = broken()
    try:
        result = call(local, "keys", "create", "unseen", *["--json"] * as_json, stdout=stdout)
    finally:
        os.close(stdout)
    newest = Shell(local.variables).json("keys", "list")[0]
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert newest["name"] == "unseen"
    assert newest["api_key"] in last
    assert "revoke" in last
    assert "secret_" not in result.stderr


def test_created_key_is_shown_when_stderr_is_full(local):
    with Path("/dev/full").open("w") as full:
        printed = subprocess.run(
            [*COMMAND, "keys", "create", "quiet"],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            env=clean_environment(**local.variables),
            check=True,
        ).stdout
    assert KEY.search(printed)
    assert "SCOPE_API_SECRET" in printed


@pytest.mark.parametrize("command", [("doctor",), ("keys", "list"), ("keys", "create", "Zoë ✓")])
def test_encoding_without_the_sign_fails_nothing(local, command):
    result = call(local, *command, stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert result.stdout.isascii()
    assert result.stderr.isascii()


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_list_on_a_terminal_breaks_no_key(local, columns):
    keys = Shell(local.variables).json("keys", "list")
    keyboard, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, "keys", "list"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=clean_environment(**local.variables, COLUMNS=str(columns), NO_COLOR="1", TERM="xterm"),
        )
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += (read := os.read(keyboard, 65_536))
            except OSError:  # Linux: the other end is closed
                break
            if not read:
                break
        assert process.wait() == 0
        assert process.stderr is not None
        process.stderr.close()
    finally:
        os.close(keyboard)
    lines = shown.decode().splitlines()
    for key in keys:
        assert sum(key["api_key"] in line for line in lines) == 1
    assert any("API Key" in line for line in lines) == (columns == 160)
