"""The shared store in `token` and `doctor`."""

from __future__ import annotations

import pytest

from tests.fakes.cli import ServeProcess, Shell


@pytest.fixture(scope="module")
def local():
    with ServeProcess() as process:
        yield process


def test_token_says_whether_it_came_from_the_store(local, tmp_path) -> None:
    shell = Shell({**local.variables, "SCOPE_STORE_URL": (tmp_path / "store").as_uri()})
    first, second = shell.json("token", "--reveal"), shell.json("token", "--reveal")
    assert (first["from_store"], second["from_store"]) == (False, True)
    assert first["token"] == second["token"]
    assert second["expires_in"] < first["lifetime"] == second["lifetime"]
    assert "the shared store; " in shell("token").stdout
    assert "dialect login" in Shell(local.variables)("token").stdout


def test_doctor_checks_the_store(local, tmp_path) -> None:
    shell = Shell({**local.variables, "SCOPE_STORE_URL": (tmp_path / "store").as_uri()})
    assert "no token is in it" in store_check(shell)["detail"]
    shell("token")
    assert "a token is in it" in store_check(shell)["detail"]


def store_check(shell: Shell, code: int = 0):
    checks = {check["name"]: check for check in shell.json("doctor", code=code)["checks"]}
    assert checks["token"]["outcome"] == "ok"
    return checks["store"]


@pytest.mark.parametrize(
    ("url", "code", "detail", "advice"),
    [
        ("redis://127.0.0.1:1", 1, "RedisStore('redis://127.0.0.1:1')", "does the server run"),
        ("file:///proc/scope", 1, "FileStore('/proc/scope')", "may this user write to that folder"),
        ("file://elsewhere/run/scope", 2, "names a folder", "SCOPE_STORE_URL"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_store(local, url, code, detail, advice) -> None:
    check = store_check(Shell({**local.variables, "SCOPE_STORE_URL": url}), code)
    assert check["outcome"] == "failed"
    assert detail in check["detail"]
    assert advice in check["advice"]
