"""`scope-async keys`: create, list, revoke, rotate, audit."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import stat
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from scope_async import FileCredentials
from tests.fakes.cli import COMMAND, ServeProcess, Shell, clean_environment


@pytest.fixture(scope="module")
def local() -> Iterator[ServeProcess]:
    with ServeProcess() as process:
        yield process


@pytest.fixture
def shell(local: ServeProcess) -> Shell:
    return Shell(local.variables)


def test_create_prints_the_secret_once_as_export_lines(shell):
    result = shell("keys", "create", "billing-prod", "--expires-in", "90d")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "export SCOPE_ORG_ID",
        "export SCOPE_API_KEY",
        "export SCOPE_API_SECRET",
    ]
    assert "only time" in result.stderr
    assert "secret_" not in result.stderr
    assert "secret_" not in shell("keys", "list").output
    assert "api_secret" not in shell.json("keys", "list")[0]


def test_write_env_creates_a_private_file_and_never_overwrites(shell, tmp_path):
    path = tmp_path / "billing.env"
    result = shell("keys", "create", "billing", "--env", "staging", "--write-env", str(path))
    assert result.exit_code == 0
    assert "secret_" not in result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    known = len(shell.json("keys", "list"))
    again = shell("keys", "create", "billing", "--write-env", str(path))
    assert again.exit_code == 2
    assert path.read_text() == before
    # The key is created only if its secret can be stored.
    assert len(shell.json("keys", "list")) == known


def test_write_env_on_a_full_disk_revokes_the_key_again(shell, tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("scope_async.cli.env_file.os.fsync", full)
    result = shell("keys", "create", "lost", "--write-env", str(tmp_path / "lost.env"))
    assert result.exit_code == 2
    made = shell.json("keys", "list")[0]
    assert f"the new API key {made['api_key']} was revoked again" in result.stderr
    assert made["status"] == "revoked"
    assert not (tmp_path / "lost.env").exists()
    assert "secret_" not in result.output


def test_write_env_is_read_by_file_credentials(shell, tmp_path):
    path = tmp_path / "billing.env"
    created = shell.json("keys", "create", "billing", "--write-env", str(path))
    credentials = asyncio.run(FileCredentials(path)())
    assert credentials.api_key == created["api_key"]
    assert created["api_secret"] is None


def test_write_env_leaves_no_file_after_a_refusal(shell, tmp_path):
    path = tmp_path / "billing.env"
    result = shell("keys", "create", "tab\there", "--write-env", str(path))
    assert result.exit_code == 1
    assert "name" in result.stderr
    assert not path.exists()


def test_list_filters_and_marks(shell):
    key = shell.json("keys", "create", "worker", "--env", "development")
    assert [found["api_key"] for found in shell.json("keys", "list", "--env", "development")] == [
        key["api_key"]
    ]
    table = shell("keys", "list").stdout
    assert key["api_key"] in table
    assert "Last used" in table
    assert shell.json("keys", "list", "--status", "expired") == []
    assert "keys create" in shell("keys", "list", "--status", "expired").stderr


def test_rotate_then_revoke(shell, tmp_path):
    old = shell.json("keys", "create", "rotating", "--env", "staging")
    path = tmp_path / "new.env"
    result = shell("keys", "rotate", old["api_key"], "--overlap", "1h", "--write-env", str(path))
    assert result.exit_code == 0
    assert "1h" in result.stderr
    at_once = shell("keys", "rotate", shell.json("keys", "create", "hasty")["api_key"], "--overlap", "0s")
    assert "is expired now" in at_once.stderr
    refused = shell("keys", "revoke", old["api_key"])
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert shell.json("keys", "revoke", old["api_key"], "--yes", "--reason", "rotated")["status"] == "revoked"
    variables = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert shell("token", **variables).exit_code == 0
    gone = shell("token", SCOPE_API_KEY=old["api_key"], SCOPE_API_SECRET=old["api_secret"])
    assert gone.exit_code == 1
    assert old["api_secret"] not in gone.output


@pytest.mark.parametrize(("typed", "code", "status"), [("terminal", 0, "revoked"), ("other", 1, "active")])
def test_revoke_asks_for_the_name(local, shell, typed, code, status):
    key = shell.json("keys", "create", "terminal")["api_key"]
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{typed}\n".encode())
        result = subprocess.run(
            [*COMMAND, "keys", "revoke", key],
            stdin=terminal,
            capture_output=True,
            text=True,
            env=clean_environment(**local.variables),
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert result.returncode == code, result.stderr
    assert "never" in result.stderr  # when it was last used
    found = {found["api_key"]: found["status"] for found in shell.json("keys", "list")}
    assert found[key] == status


def test_rotate_says_what_the_service_answered_about_the_old_key(shell):
    key = shell.json("keys", "create", "short", "--expires-in", "10m")["api_key"]
    result = shell("keys", "rotate", key, "--overlap", "1d")
    assert f"{key} stays valid for 10m" in result.stderr


def test_rotate_again_needs_a_word(local, shell):
    key = shell.json("keys", "create", "twice")["api_key"]
    first = shell.json("keys", "rotate", key)
    assert first["replaced_key"]["api_key"] == first["replaces"] == key
    refused = shell("keys", "rotate", key)
    assert refused.exit_code == 1
    assert f"{key} was replaced by {first['api_key']}" in refused.stderr
    assert "--again" in refused.stderr
    second = shell.json("keys", "rotate", key, "--again")
    assert shell.json("keys", "show", key)["replaced_by"] == second["api_key"] != first["api_key"]


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1)])
def test_rotate_of_a_replaced_key_asks_on_a_terminal(local, shell, typed, code):
    key = shell.json("keys", "create", "asking")["api_key"]
    shell.json("keys", "rotate", key)
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{typed}\n".encode())
        result = subprocess.run(
            [*COMMAND, "keys", "rotate", key, "--json"],
            stdin=terminal,
            capture_output=True,
            text=True,
            env=clean_environment(**local.variables),
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert result.returncode == code, result.stderr
    assert "Make another successor?" in result.stderr


def test_show_and_events_tell_the_story_of_a_key(shell):
    made = shell.json("keys", "create", "story", "--env", "staging")
    variables = {"SCOPE_API_KEY": made["api_key"], "SCOPE_API_SECRET": made["api_secret"]}
    assert shell("token", **variables).exit_code == 0
    new = shell.json("keys", "rotate", made["api_key"])
    shown = shell("keys", "show", made["api_key"]).stdout
    assert new["api_key"] in shown
    assert "scope-async/" in shown  # who used it last
    assert shell.json("keys", "show", new["api_key"])["replaces"] == made["api_key"]
    events = shell.json("keys", "events", made["api_key"])
    assert [event["event"] for event in events] == ["created", "used", "rotated"]
    assert "rotated" in shell("keys", "events", made["api_key"]).stdout
    assert shell("keys", "show", "key_none").exit_code == shell("keys", "events", "key_none").exit_code == 1


def test_audit_exits_with_3_on_findings(shell):
    for key in shell.json("keys", "list", "--status", "active"):
        if "terminal" in key["name"] or key["name"] == "short":
            shell("keys", "revoke", key["api_key"], "--yes")
    assert shell.json("keys", "audit") == []
    key = shell.json("keys", "create", "reports-prod", "--env", "staging")["api_key"]
    found = shell.json("keys", "audit", code=3)
    assert [finding["problem"] for finding in found] == ["shared-by-environments"]
    assert {finding["api_key"] for finding in found} == {key}
    assert shell("keys", "audit").exit_code == 3
    assert shell("keys", "audit", "--ignore", key).exit_code == 0
    assert shell("keys", "audit", "--ignore", f"{key}:shared-by-environments").exit_code == 0
    assert shell("keys", "audit", "--ignore", f"{key}:old").exit_code == 3
    assert shell("keys", "audit", "--ignore", f"{key}:typo").exit_code == 2
    old = shell.json("keys", "audit", "--older-than", "0s", code=3)
    assert "old" in {finding["problem"] for finding in old}


def test_audit_says_what_is_in_its_overlap(shell):
    key = shell.json("keys", "create", "overlapping")["api_key"]
    new = shell.json("keys", "rotate", key)["api_key"]
    result = shell("keys", "audit", "--older-than", "0s")
    assert f"{key}: replaced by {new}, last used never: revoke it when idle" in result.stderr
    assert key not in result.stdout


def test_audit_exits_with_1_when_the_service_is_down(shell):
    assert shell("keys", "audit", SCOPE_API_URL="http://127.0.0.1:9").exit_code == 1


def test_audit_breaks_no_line_on_a_narrow_terminal(local, shell):
    key = shell.json("keys", "create", "narrow-prod-" + "x" * 60, "--env", "staging")["api_key"]
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = clean_environment(**local.variables)
    try:
        process = subprocess.Popen(
            [*COMMAND, "keys", "audit", "--older-than", "0s"],
            stdout=terminal,
            stdin=terminal,
            env=environment,
        )
        assert process.wait(20) == 3
        shown = os.read(keyboard, 65_536).decode()
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert f"scope-async keys rotate {key}\r\n" in shown


def test_admin_token_is_required_and_never_shown(shell):
    missing = shell("keys", "list", SCOPE_ADMIN_TOKEN=None)
    assert missing.exit_code == 2
    assert "SCOPE_ADMIN_TOKEN" in missing.stderr
    refused = shell("keys", "list", SCOPE_ADMIN_TOKEN="admin_wrong")
    assert refused.exit_code == 1
    assert "admin_wrong" not in refused.output


def test_log_and_traceback_have_no_secret(local, tmp_path):
    """The complete log of a rotation, and the errors after it."""
    environment = clean_environment(**local.variables)
    outputs = [
        subprocess.run(
            [*COMMAND, "--verbose", *arguments], capture_output=True, text=True, env=environment, check=False
        ).stderr
        for arguments in (
            ("keys", "create", "logged", "--write-env", str(tmp_path / "logged.env")),
            ("keys", "list"),
            ("keys", "rotate", "key_none"),
            ("doctor",),
        )
    ]
    text = "".join(outputs)
    secrets = [local.ready["admin_token"], local.ready["api_secret"], _secret(tmp_path / "logged.env")]
    assert not [secret for secret in secrets if secret in text]
    assert "eyJ" not in text


def _secret(path: Path) -> str:
    return next(line.split("=", 1)[1] for line in path.read_text().splitlines() if "SECRET" in line)
