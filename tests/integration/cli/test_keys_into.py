"""`keys create|rotate|rollover --into`: the secret goes where it belongs, and is shown nowhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scope_async.cli import secret_storage
from scope_async.credentials import FileCredentials
from scope_async.errors import ConfigurationError, ConnectionError
from scope_async.keys import ApiKeyAdmin, NewApiKey
from tests.fakes.cli import ServeProcess, Shell


@pytest.fixture(scope="module")
def local() -> Iterator[ServeProcess]:
    with ServeProcess() as process:
        yield process


@pytest.fixture
def shell(local: ServeProcess) -> Shell:
    return Shell(local.variables)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


def stored(path: Path) -> Any:
    return json.loads(path.read_text())


def status(shell: Shell, api_key: str) -> str:
    return shell.json("keys", "show", api_key)["status"]


def test_create_puts_the_secret_into_a_file_and_shows_it_nowhere(shell, path):
    path.write_text('{"SCOPE_ORG_ID": "", "other": 1}')
    result = shell("keys", "create", "billing", "--into", path.as_uri())
    assert result.exit_code == 0, result.output
    held = stored(path)
    assert held["SCOPE_API_SECRET"] not in result.output
    assert held["other"] == 1
    assert held["SCOPE_API_KEY"] in result.stderr
    variables = {"SCOPE_API_KEY": held["SCOPE_API_KEY"], "SCOPE_API_SECRET": held["SCOPE_API_SECRET"]}
    assert shell("token", **variables).exit_code == 0


def test_create_prints_json_without_the_secret(shell, path):
    made = shell.json("keys", "create", "billing", "--into", path.as_uri())
    assert made["api_secret"] is None
    assert stored(path)["api_key"] == made["api_key"]


def test_rotate_replaces_what_is_stored(shell, path):
    old = shell.json("keys", "create", "billing", "--into", path.as_uri())["api_key"]
    new = shell.json("keys", "rotate", old, "--into", path.as_uri())
    assert stored(path)["api_key"] == new["api_key"]
    assert (new["replaces"], new["api_secret"]) == (old, None)


def test_key_whose_secret_cannot_be_written_is_revoked_again(shell, path):
    path.write_text("not a form that is known")
    known = {key["api_key"] for key in shell.json("keys", "list")}
    result = shell("keys", "create", "lost", "--into", path.as_uri())
    assert result.exit_code == 2
    (made,) = {key["api_key"] for key in shell.json("keys", "list")} - known
    assert f"the new API key {made} was revoked again" in result.stderr
    assert status(shell, made) == "revoked"
    assert path.read_text() == "not a form that is known"


def test_key_that_can_neither_be_stored_nor_revoked_is_named(shell, path, monkeypatch):
    async def fail(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(ApiKeyAdmin, "revoke", fail)
    path.write_text("broken")
    result = shell("keys", "create", "lost", "--into", path.as_uri())
    assert result.exit_code == 2
    assert "could not be revoked again (gone): revoke it" in result.stderr


def test_pipe_that_gives_nothing_ends_the_command_before_a_key_is_made(shell, path, monkeypatch):
    monkeypatch.setattr(secret_storage, "_READ_TIMEOUT", 0.2)
    os.mkfifo(path)
    known = len(shell.json("keys", "list"))
    result = shell("keys", "create", "late", "--into", path.as_uri())
    assert result.exit_code == 1
    assert "is it a pipe" in result.stderr
    assert len(shell.json("keys", "list")) == known


def test_key_is_not_revoked_while_it_is_unknown_whether_it_was_written(shell, path, monkeypatch):
    async def store(*_: object) -> None:
        monkeypatch.setattr(FileCredentials, "__call__", fail)
        raise ConnectionError("no answer")

    async def fail(*_: object) -> None:
        raise ConnectionError("still none")

    monkeypatch.setattr(FileCredentials, "store", store)
    result = shell("keys", "create", "unknown", "--into", path.as_uri())
    assert result.exit_code == 1
    made = shell.json("keys", "list")[0]["api_key"]
    assert f"look there for API key {made}, which was not revoked" in result.stderr
    assert status(shell, made) == "active"


def test_write_that_only_looked_like_a_failure_is_none(shell, path, monkeypatch):
    write = FileCredentials.store

    async def store(self: FileCredentials, credentials: Any) -> None:
        await write(self, credentials)
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(FileCredentials, "store", store)
    made = shell.json("keys", "create", "stored", "--into", path.as_uri())
    assert stored(path)["api_key"] == made["api_key"]


def test_secret_of_two_lines_is_written_nowhere(shell, path, monkeypatch):
    def credentials(*_: object) -> None:
        raise ConfigurationError("api_secret holds a newline")

    monkeypatch.setattr(NewApiKey, "credentials", credentials)
    result = shell("keys", "create", "two-lines", "--into", path.as_uri())
    assert result.exit_code == 2
    assert not path.exists()
    assert status(shell, shell.json("keys", "list")[0]["api_key"]) == "revoked"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://x", "no provider for ftp://"),
        ("file:///", "is a folder"),
        ("x", "no credentials URL"),
        ("file:///{nam}.json", "{nam} stands for nothing here"),
    ],
)
def test_into_says_what_is_wrong_with_its_url(shell, url, said):
    result = shell("keys", "create", "nowhere", "--into", url)
    assert (result.exit_code, said in result.stderr) == (2, True), result.output


def test_into_and_write_env_are_two_places(shell, path, tmp_path):
    known = len(shell.json("keys", "list"))
    arguments = ("--into", path.as_uri(), "--write-env", str(tmp_path / "x"))
    assert shell("keys", "create", "two", *arguments).exit_code == 2
    assert len(shell.json("keys", "list")) == known


@pytest.fixture
def key(shell: Shell, path: Path) -> str:
    """A key whose credentials are in the file."""
    return shell.json("keys", "create", "rolling", "--into", path.as_uri())["api_key"]


def progress(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_rollover_reports_each_step_as_a_line_of_json(shell, path, key):
    result = shell("keys", "rollover", key, "--into", path.as_uri(), "--timeout", "0s", "--json")
    assert result.exit_code == 1
    steps = progress(result.stdout)
    assert [step["event"] for step in steps] == ["made", "stored", "risk", "waiting", "failed"]
    assert stored(path)["api_key"] == steps[0]["successor"]
    assert steps[3]["needed"] == 3600 + 900  # the life of a token, and 15 minutes
    assert "run this again" in steps[-1]["detail"]
    assert status(shell, key) == "active"
    assert "secret_" not in result.output


def test_rollover_goes_on_and_makes_no_second_successor(shell, path, key):
    arguments = ("keys", "rollover", key, "--into", path.as_uri(), "--timeout", "0s", "--json")
    (first, second) = (progress(shell(*arguments).stdout) for _ in range(2))
    assert [step["event"] for step in second] == ["risk", "waiting", "failed"]
    assert first[0]["successor"] == second[0]["successor"] == stored(path)["api_key"]


def test_rollover_of_a_key_that_is_rolled_over_is_done(shell, path, key):
    new = shell.json("keys", "rotate", key, "--into", path.as_uri())["api_key"]
    shell("keys", "revoke", key, "--yes")
    result = shell("keys", "rollover", key, "--into", path.as_uri())
    assert result.exit_code == 0
    assert f"{new} replaces {key}" in result.stderr


def test_rollover_dry_run_changes_nothing(shell, path, key):
    before = path.read_text()
    arguments = ("keys", "rollover", key, "--into", path.as_uri(), "--dry-run", "--json")
    (planned,) = progress(shell(*arguments).stdout)
    assert (planned["event"], planned["detail"]) == ("planned", "make a successor and store it")
    assert path.read_text() == before
    assert shell.json("keys", "show", key)["replaced_by"] is None


def test_rollover_refuses_a_place_that_holds_another_key(shell, path, key):
    other = shell.json("keys", "create", "another", "--into", path.as_uri())["api_key"]
    result = shell("keys", "rollover", key, "--into", path.as_uri())
    assert result.exit_code == 1
    assert f"holds {other}, which is neither {key} nor its successor" in result.stderr
    assert shell.json("keys", "show", key)["replaced_by"] is None


def test_rollover_leaves_a_successor_alone_that_a_person_made(shell, path, key):
    made = shell.json("keys", "rotate", key)["api_key"]
    result = shell("keys", "rollover", key, "--into", path.as_uri())
    assert result.exit_code == 1
    assert f"{key} was replaced by {made} otherwise" in result.stderr
    assert status(shell, made) == "active"
    assert stored(path)["api_key"] == key


def test_rollover_whose_write_fails_revokes_the_successor_and_can_be_run_again(shell, path, key, monkeypatch):
    async def store(*_: object) -> None:
        raise ConfigurationError("read-only")

    arguments = ("keys", "rollover", key, "--into", path.as_uri(), "--timeout", "0s")
    with monkeypatch.context() as patch:
        patch.setattr(FileCredentials, "store", store)
        result = shell(*arguments)
    assert result.exit_code == 2
    lost = shell.json("keys", "show", key)["replaced_by"]
    assert f"the new API key {lost} was revoked again" in result.stderr
    assert shell(*arguments).exit_code == 1
    held = stored(path)["api_key"]
    assert held not in (key, lost)
    assert (status(shell, held), status(shell, lost)) == ("active", "revoked")


def test_rollover_of_all_takes_old_keys_that_are_stored_where_they_should_be(shell, tmp_path):
    for name in ("one", "two"):
        shell.json("keys", "create", name, "--into", (tmp_path / f"{name}.json").as_uri())
    place = f"{tmp_path.as_uri()}/{{name}}.json"
    arguments = ("keys", "rollover", "--all", "--into", place, "--timeout", "0s", "--json")
    result = shell(*arguments)
    assert (result.stdout, result.stderr.strip()) == ("", "no active key is older than 80d")
    steps = progress(shell(*arguments, "--older-than", "0s").stdout)
    names = {key["api_key"]: key["name"] for key in shell.json("keys", "list")}
    made = {names[step["api_key"]] for step in steps if step["event"] == "stored"}
    assert made == {"one", "two"}
    assert {step["event"] for step in steps if names[step["api_key"]] not in made} == {"skipped"}


def test_rollover_of_nothing_or_of_two_things_is_wrong_use(shell, path):
    assert shell("keys", "rollover", "--into", path.as_uri()).exit_code == 2
    assert shell("keys", "rollover", "key_1", "--all", "--into", path.as_uri()).exit_code == 2


def test_commands_find_the_credentials_where_scope_credentials_says(shell, path):
    made = shell.json("keys", "create", "elsewhere", "--into", path.as_uri())["api_key"]
    without = dict.fromkeys(("SCOPE_ORG_ID", "SCOPE_API_KEY", "SCOPE_API_SECRET"))
    elsewhere = {**without, "SCOPE_CREDENTIALS": path.as_uri()}
    assert made in shell("token", **elsewhere).stdout
    assert made in shell("doctor", **elsewhere).stdout
    path.unlink()
    missing = shell("doctor", **elsewhere)
    assert (missing.exit_code, "cannot read the credentials file" in missing.stdout) == (2, True)
