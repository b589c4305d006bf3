"""`prompt` and `token`, and the options and exit codes of every command."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from scope_async import ApiKeyCredentials, ScopeClient, TokenRefreshError
from tests.fakes.cli import COMMAND, ServeProcess, Shell, clean_environment


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    prompts = tmp_path_factory.mktemp("prompts")
    (prompts / "greeting.md").write_text("Hello, {{name}}! Welcome to {{app}}.")
    (prompts / "chat.json").write_text('{"content": [{"role": "system", "content": "You are {{who}}"}]}')
    with ServeProcess("--prompts", str(prompts)) as process:
        yield process


@pytest.fixture
def shell(local: ServeProcess) -> Shell:
    return Shell(local.variables)


def test_get_prints_content_on_stdout_and_fields_on_stderr(shell):
    result = shell("prompt", "get", "greeting")
    assert result.stdout == "Hello, {{name}}! Welcome to {{app}}.\n"
    assert "published" in result.stderr


def test_get_as_json_has_every_field(shell):
    found = shell.json("prompt", "get", "greeting", "--label", "latest")
    assert found["variables"] == ["name", "app"]
    assert found["is_production"] is True
    assert found["id"] == shell.json("prompt", "get", "greeting", "--version", found["id"])["id"]


def test_render_fills_in_variables(shell):
    result = shell("prompt", "render", "greeting", "--var", "name=A=B", "--var", "app={{name}}")
    assert result.stdout == "Hello, A=B! Welcome to {{name}}.\n"


def test_render_as_json_has_the_messages(shell):
    rendered = shell.json("prompt", "render", "chat", "--var", "who=Bob")
    assert rendered["messages"] == [{"role": "system", "content": "You are Bob"}]


async def _offline(path, local, **options):
    """Return what a service serves that starts with the file, and finds no auth API."""
    ready = local.ready
    options = {"org_id": ready["org_id"], "base_url": ready["url"], "environment": "production", **options}
    credentials = ApiKeyCredentials(options.pop("org_id"), "key_1", "secret_1")
    async with ScopeClient(
        credentials, auth_api_url="http://127.0.0.1:1", max_retries=0, snapshot_path=path, **options
    ) as scope:
        version = await scope.get_prompt_version("greeting")
        return version.is_stale, version.render(name="Alice", app="Scope")


def test_pull_writes_a_snapshot_that_serves_while_scope_is_down(shell, local, tmp_path):
    path = tmp_path / "prompts.json"
    assert shell.json("prompt", "pull", "greeting", "chat", "--out", str(path)) == {"greeting": 1, "chat": 1}
    assert asyncio.run(_offline(path, local)) == (True, "Hello, Alice! Welcome to Scope.")
    for other in ({"org_id": "org_2"}, {"environment": "staging"}, {"base_url": "http://127.0.0.1:1"}):
        with pytest.raises(TokenRefreshError):
            asyncio.run(_offline(path, local, **other))
    refused = shell("prompt", "pull", "greeting", "nothing", "--out", str(tmp_path / "other.json"))
    assert refused.exit_code == 1
    assert not (tmp_path / "other.json").exists()
    assert shell("prompt", "pull", "greeting", "--out", "/proc/nowhere/prompts.json").exit_code == 2


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_pull_respects_the_umask(shell, tmp_path, umask):
    path = tmp_path / "prompts.json"
    before = os.umask(umask)
    try:
        shell.json("prompt", "pull", "greeting", "--out", str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_pull_replaces_only_a_regular_file(shell, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    result = shell("prompt", "pull", "greeting", "--out", str(path))
    assert result.exit_code == 2
    assert "FIFO" in result.stderr
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("prompt", "get", "nothing"), 1, "no production version"),
        (("prompt", "get", "greeting", "--version", "v0"), 1, "404"),
        (("prompt", "render", "greeting", "--var", "name=A"), 2, "--var app=VALUE"),
        (("prompt", "render", "greeting", "--var", "name"), 2, "NAME=VALUE"),
    ],
)
def test_error_is_one_line_and_an_exit_code(shell, arguments, code, words):
    result = shell(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_token_prints_claims_and_refresh_times_without_the_token(shell, local):
    result = shell("token")
    assert result.exit_code == 0
    assert local.ready["api_key"] in result.stdout
    assert "login" in result.stdout
    assert "eyJ" not in result.output
    assert "token" not in shell.json("token")


def test_token_reveal_prints_the_token(shell):
    assert shell("token", "--reveal").stdout.splitlines()[-1].startswith("eyJ")
    assert shell.json("token", "--reveal")["token"].startswith("eyJ")


def test_missing_variables_are_named_at_once(shell):
    result = shell("token", SCOPE_API_URL=None, SCOPE_API_SECRET=None)
    assert result.exit_code == 2
    assert "SCOPE_API_URL" in result.stderr
    assert "SCOPE_API_SECRET" in result.stderr


def test_commands_have_help_and_data_commands_have_json(shell):
    for command in (
        *(("demo",), ("serve",), ("token",), ("doctor",), ("prompt", "get"), ("prompt", "render")),
        ("prompt", "pull"),
        *(("keys", verb) for verb in ("create", "list", "revoke", "rotate", "audit")),
    ):
        result = shell(*command, "--help", COLUMNS="200", NO_COLOR="1", TERM="dumb")
        assert result.exit_code == 0, command
        assert "--json" in result.stdout, command


def test_wrong_use_exits_with_2(shell):
    assert shell("prompt", "get").exit_code == 2
    assert shell("nothing").exit_code == 2
    nowhere = {"SCOPE_API_URL": "http://127.0.0.1:1", "SCOPE_AUTH_API_URL": "http://127.0.0.1:1"}
    for choice in (
        ("prompt", "get", "greeting", "--label", "newest"),
        ("keys", "create", "x", "--env", "moon"),
        ("keys", "create", "x", "--expires-in", "0"),
        ("keys", "create", "x", "--expires-in", "200000d"),
        ("keys", "list", "--status", "gone"),
        ("keys", "list", "--env", "moon"),
        ("keys", "rotate", "key_1", "--overlap", "31d"),
    ):
        # Nothing listens there: exit code 2 means that nothing was sent.
        assert shell(*choice, **nowhere).exit_code == 2, choice
    assert shell("keys", "rotate", "key_1", "--overlap", "soon").exit_code == 2


def test_version_prints_the_package_version(shell):
    assert shell("--version").stdout.strip() == version("scope-async")


@pytest.mark.parametrize(
    ("missing", "arguments", "install"),
    [
        ("typer", ["token"], "pip install 'scope-async[cli]'"),
        ("rich", ["demo"], "pip install 'scope-async[cli,local]'"),
        ("aiosqlite", ["serve"], "pip install 'scope-async[cli,local]'"),
    ],
)
def test_missing_extra_is_named_with_the_install_command(missing, arguments, install):
    code = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {missing!r} else find(name, *rest)\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from scope_async.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.endswith(f"{install}\n")
    assert len(result.stderr.splitlines()) == 1


def test_token_works_without_the_extra_local():
    code = (
        "import sys; sys.modules['aiosqlite'] = sys.modules['jinja2'] = None\n"
        "sys.argv[1:] = ['token']\n"
        "from scope_async.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert result.returncode == 2
    assert "SCOPE_ORG_ID" in result.stderr


def test_verbose_shows_the_log(local):
    environment = clean_environment(**{**local.variables, "SCOPE_TOKEN_REFRESH_BUFFER": "9999"})
    quiet, verbose = (
        subprocess.run(
            [*COMMAND, *flag, "token"], capture_output=True, text=True, env=environment, check=True
        ).stderr
        for flag in ([], ["--verbose"])
    )
    assert quiet == ""
    assert "token_refresh_buffer" in verbose
    assert local.ready["api_secret"] not in verbose
    assert "eyJ" not in verbose
