"""`scope-async demo` with a short load."""

from __future__ import annotations

import json
import subprocess

from tests.fakes.cli import COMMAND, clean_environment


def _demo(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "demo", "--seconds", "2", "--concurrency", "50", *arguments],
        capture_output=True,
        text=True,
        env=clean_environment(**variables),
        check=False,
    )


def test_demo_succeeds_over_refreshes_and_a_rotation():
    result = _demo("--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["succeeded"]
    assert summary["failures"] == 0
    assert summary["token_renewals"] >= 1
    # Every request reached the service, past the cache.
    assert summary["answered"] >= summary["requests"] > 0
    assert summary["requests_that_waited"] == 0
    assert summary["longest_token_wait"] == 0
    assert result.stderr == ""


def test_demo_ignores_the_user_s_variables_and_shows_no_secret():
    result = _demo(SCOPE_CLIENT_ID="key_other", SCOPE_TOKEN_REFRESH_BUFFER="soon", SCOPE_API_URL="nonsense")
    assert result.returncode == 0, result.stderr
    for words in ("rotated", "revoked key_", "Hello, Alice! Welcome to Scope.", "nothing failed"):
        assert words in result.stdout
    assert "secret_" not in result.stdout
    assert "admin_" not in result.stdout
    assert result.stderr == ""
