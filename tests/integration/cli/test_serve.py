"""`scope-async serve`: its output, its options and its end."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cli import COMMAND, ServeProcess, Shell, clean_environment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_ready_and_ends_cleanly(number):
    with ServeProcess() as local:
        assert local.ready["event"] == "ready"
        assert Shell(local.variables)("token").exit_code == 0
        local.stop(number)
    assert local.returncode == 0
    assert local.errors == ""


def test_serve_prints_a_link_that_signs_in():
    with ServeProcess() as local:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(local.ready["settings_url"]) as page:
            assert page.url == f"{local.ready['url']}/settings/api-keys"
            assert "Create API Key" in page.read().decode()


def test_serve_path_keeps_keys_and_shows_secrets_once(tmp_path):
    path = str(tmp_path / "scope.sqlite")
    with ServeProcess("--path", path) as first:
        variables = first.variables
    with ServeProcess("--path", path) as second:
        assert second.ready["api_key"] is None
        assert second.ready["api_secret"] is None
        assert second.ready["org_id"] == first.ready["org_id"]
        assert second.ready["admin_token"] != first.ready["admin_token"]
        moved = {"SCOPE_API_URL": second.ready["url"], "SCOPE_AUTH_API_URL": second.ready["url"]}
        assert Shell({**variables, **moved})("token").exit_code == 0


def test_serve_json_has_a_token_for_each_role():
    with ServeProcess() as local:
        calls = {
            "viewer": ("GET", "/local/prompts", None),
            "editor": ("POST", "/local/prompts", {"name": "greeting", "content": "Hi!"}),
            "admin": ("GET", "/local/journal", None),
        }
        answers = {
            role: [status(local.ready, f"{role}_token", *call) for call in calls.values()] for role in calls
        }
        assert answers == {
            "viewer": [200, 403, 403],
            "editor": [200, 201, 403],
            "admin": [200, 201, 200],
        }
        assert Shell(local.variables)("prompt", "get", "greeting").exit_code == 0
    known = {"SCOPE_LOCAL_ADMIN_TOKEN": "an-admin-token-of-the-test"}
    with ServeProcess(**known) as local:
        assert [local.ready[f"{role}_token"] for role in calls] == [None, None, None]


def status(ready: dict[str, Any], token: str, method: str, path: str, body: Any) -> int:
    """Return the status of a call with the token of that name in the output of `serve --json`."""
    headers = {"Authorization": f"Bearer {ready[token]}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ready["url"] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_serve_prompts_and_token_ttl_are_used(tmp_path):
    (tmp_path / "greeting.md").write_text("Hello, {{name}}!")
    with ServeProcess("--prompts", str(tmp_path), "--token-ttl", "120") as local:
        shell = Shell(local.variables)
        assert shell("prompt", "render", "greeting", "--var", "name=Alice").stdout == "Hello, Alice!\n"
        assert shell.json("token")["lifetime"] == 120


def test_serve_fault_is_active():
    with ServeProcess("--fault", "prompt:status=418", "--fault", "exchange:latency=0.01") as local:
        shell = Shell(local.variables)
        assert shell("token").exit_code == 0
        assert "418" in shell("prompt", "get", "greeting").stderr


def test_serve_prints_a_shell_script_for_a_client(tmp_path):
    script = tmp_path / "env.sh"
    with script.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve"], stdout=output, stderr=subprocess.PIPE, text=True, env=clean_environment()
        )
        try:
            _wait_until_ready(script)
            result = subprocess.run(
                ["sh", "-c", f". {script}; exec {' '.join(COMMAND)} token --json"],
                capture_output=True,
                text=True,
                env=clean_environment(),
                check=False,
            )
        finally:
            process.terminate()
            _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["dialect"] == "login"


@pytest.mark.parametrize(
    "options",
    [
        ("--prompts", "/nowhere"),
        ("--fault", "moon:status=5"),
        ("--token-ttl", "0"),
        ("--host", ""),
        ("--public-url", "scope:8400"),
        ("--public-url", "http://user:password@scope"),
        ("--public-url", "ftp://scope"),
        ("--public-url", "http://scope:99999"),
    ],
)
def test_serve_reports_an_error_in_one_line(options):
    result = Shell({})("serve", *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SCOPE_LOCAL_ADMIN_TOKEN": "short"}, "admin_token: 16 or more"),
        ({"SCOPE_LOCAL_CREDENTIALS": "/nowhere"}, "cannot read the credentials file /nowhere"),
    ],
)
def test_serve_refuses_unusable_values_in_the_environment(variables, words):
    result = Shell(variables)("serve")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "short" not in result.stderr.replace("16 or more", "")
    assert len(result.stderr.splitlines()) == 1


def test_serve_prints_nothing_that_was_known_beforehand(tmp_path):
    file = tmp_path / "credentials.json"
    file.write_text('{"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_known"}')
    variables = {"SCOPE_LOCAL_ADMIN_TOKEN": "admin_known_before", "SCOPE_LOCAL_CREDENTIALS": str(file)}
    script = tmp_path / "env.sh"
    with script.open("w") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve"], stdout=output, stderr=subprocess.PIPE, env=clean_environment(**variables)
        )
        try:
            _wait_until_ready(script)
        finally:
            process.terminate()
            process.communicate()
    printed = script.read_text()
    assert "key_1" in printed
    assert "admin_known" not in printed
    assert "secret_known" not in printed


def test_serve_refuses_a_store_of_other_credentials(tmp_path):
    path = str(tmp_path / "scope.sqlite")
    with ServeProcess("--path", path) as local:
        ready = local.ready
    file = tmp_path / "credentials.env"
    for secret, code in ((ready["api_secret"], 0), ("secret_other", 2)):
        lines = (
            f"SCOPE_ORG_ID={ready['org_id']}",
            f"SCOPE_API_KEY={ready['api_key']}",
            f"SCOPE_API_SECRET={secret}",
        )
        file.write_text("\n".join(lines))
        variables = {"SCOPE_LOCAL_CREDENTIALS": str(file)}
        if code == 0:
            with ServeProcess("--path", path, **variables) as again:
                assert again.ready["api_key"] == ready["api_key"]
            continue
        result = subprocess.run(
            [*COMMAND, "serve", "--path", path],
            capture_output=True,
            text=True,
            env=clean_environment(**variables),
            check=False,
        )
        assert result.returncode == code
        assert "other credentials" in result.stderr
        assert "secret_other" not in result.stderr


def test_serve_path_tightens_the_permissions_of_its_store(tmp_path):
    path = tmp_path / "scope.sqlite"
    with ServeProcess("--path", str(path)):
        pass
    path.chmod(0o664)
    with ServeProcess("--path", str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    foreign = tmp_path / "foreign.sqlite"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE other (x)")
    foreign.chmod(0o644)
    refused = subprocess.run(
        [*COMMAND, "serve", "--path", str(foreign)], capture_output=True, env=clean_environment(), check=False
    )
    assert refused.returncode == 2
    assert stat.S_IMODE(foreign.stat().st_mode) == 0o644


def test_serve_says_which_files_are_no_prompts_and_stops_with_strict(tmp_path):
    (tmp_path / "greeting.md").write_text("Hello")
    (tmp_path / "broken.json").write_text("{")
    with ServeProcess("--prompts", str(tmp_path)) as local:
        pass
    assert "broken.json" in local.errors
    strict = subprocess.run(
        [*COMMAND, "serve", "--prompts", str(tmp_path), "--strict"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert strict.returncode == 2
    assert "broken.json" in strict.stderr


def _wait_until_ready(script: Path) -> None:
    # The file grows once, so polling is simpler than `tail -F`.
    for _ in range(1200):
        if "# ready http://127.0.0.1:" in script.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(script.read_text())
