"""`scope-async serve`: its output, its options and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

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
            _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["dialect"] == "login"


@pytest.mark.parametrize(
    "options", [("--prompts", "/nowhere"), ("--fault", "moon:status=5"), ("--token-ttl", "0")]
)
def test_serve_reports_an_error_in_one_line(options):
    result = subprocess.run(
        [*COMMAND, "serve", *options],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def _wait_until_ready(script: Path) -> None:
    # The file grows once, so polling is simpler than `tail -F`.
    for _ in range(200):
        if "# ready http://127.0.0.1:" in script.read_text():
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError(script.read_text())
