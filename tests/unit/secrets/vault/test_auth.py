from __future__ import annotations

import pytest

from scope_async.errors import ConfigurationError
from scope_async.secrets import AppRole, KubernetesAuth, TokenFile
from scope_async.secrets.vault.auth import TokenLease


@pytest.mark.parametrize(
    ("reply", "duration", "renewable"),
    [
        ({"lease_duration": 90, "renewable": True}, 90.0, True),
        ({"ttl": 90, "renewable": False}, 90.0, False),
        ({"ttl": 0}, float("inf"), False),
        ({"lease_duration": True}, float("inf"), False),
        ({"lease_duration": "90"}, float("inf"), False),
        ({}, float("inf"), False),
    ],
)
def test_lease_is_read_from_what_vault_answers(reply, duration, renewable) -> None:
    lease = TokenLease.of("hunter2", reply, since=10.0)
    assert (lease.duration, lease.renewable) == (duration, renewable)
    assert (lease.renew_at, lease.expires_at) == (10 + duration * 2 / 3, 10 + duration)
    assert "hunter2" not in repr(lease)


def test_token_file_holds_one_word(tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text(" s.token\n")
    assert TokenFile(file).read() == "s.token"


@pytest.mark.parametrize("content", [b"", b"two words", b"two\nlines", b"\xff"])
def test_token_file_that_holds_none_is_named(tmp_path, content) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot read the token file"):
        TokenFile(file).read()


def test_login_says_what_vault_asks_for(tmp_path) -> None:
    account = tmp_path / "token"
    account.write_text("a.b.c")
    assert AppRole("role", "hunter2").login() == {"role_id": "role", "secret_id": "hunter2"}
    assert KubernetesAuth("scope", token_path=account).login() == {"role": "scope", "jwt": "a.b.c"}
    assert "hunter2" not in repr(AppRole("role", "hunter2"))
