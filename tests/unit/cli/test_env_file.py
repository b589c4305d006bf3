"""Credentials as export lines and as a file."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from scope_async.cli.env_file import EnvFile, credential_variables, export_lines
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError

VARIABLES = {"SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "it's $HOME `x` \\ \n end"}


def test_credential_variables_are_the_three_of_the_client():
    assert credential_variables(ApiKeyCredentials("org_1", "key_1", "secret_1")) == {
        "SCOPE_ORG_ID": "org_1",
        "SCOPE_API_KEY": "key_1",
        "SCOPE_API_SECRET": "secret_1",
    }


def test_export_lines_are_quoted_for_a_posix_shell():
    script = "\n".join([*export_lines(VARIABLES), 'printf %s "$SCOPE_API_SECRET"'])
    printed = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed == VARIABLES["SCOPE_API_SECRET"]


def test_env_file_is_private_and_holds_the_variables(tmp_path):
    path = tmp_path / "scope.env"
    variables = {"SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": "it's $HOME `x` \\ end"}
    EnvFile(path).write(variables)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shlex.split(path.read_text()) == [f"{name}={value}" for name, value in variables.items()]


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\x85", "\u2028", "\ud800"])
def test_env_file_refuses_a_second_line_and_leaves_no_file(tmp_path, sign):
    path = tmp_path / "scope.env"
    with pytest.raises(ConfigurationError, match="SCOPE_API_SECRET holds a control character") as caught:
        EnvFile(path).write({"SCOPE_API_KEY": "key_1", "SCOPE_API_SECRET": f"hidden{sign}LD_PRELOAD=x"})
    assert "hidden" not in str(caught.value)
    assert not path.exists()


def test_env_file_that_cannot_be_written_is_removed(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("scope_async.cli.env_file.os.fsync", full)
    path = tmp_path / "scope.env"
    with pytest.raises(ConfigurationError, match="No space left"):
        EnvFile(path).write({"SCOPE_API_KEY": "key_1"})
    assert not path.exists()


def test_env_file_is_never_called_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="no file"):
        EnvFile(Path("-"))
    assert list(tmp_path.iterdir()) == []


def test_env_file_never_overwrites(tmp_path):
    path = tmp_path / "scope.env"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        EnvFile(path)
    assert path.read_text() == "mine"


def test_env_file_never_follows_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigurationError):
        EnvFile(tmp_path / "link")
    assert not (tmp_path / "target").exists()


def test_env_file_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot write .*nowhere"):
        EnvFile(tmp_path / "nowhere" / "scope.env")


def test_env_file_discard_removes_the_file_and_closes_it(tmp_path):
    path = tmp_path / "scope.env"
    file = EnvFile(path)
    descriptor = file._descriptor
    file.discard()
    assert not path.exists()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
