"""Credentials as export lines and as a file."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess

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
    EnvFile(path).write(VARIABLES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shlex.split(path.read_text()) == [f"{name}={value}" for name, value in VARIABLES.items()]


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
