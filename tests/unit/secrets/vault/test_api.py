from __future__ import annotations

import pytest

from scope_async.errors import RateLimitError, ServerError
from scope_async.http.messages import Reply
from scope_async.secrets.vault.api import read_reply


def reply(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


def test_reply_without_a_body_is_an_empty_object() -> None:
    found = read_reply(reply(204))
    assert (found.ok, found.data) == (True, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"errors": ["permission denied", "invalid token"]}',
            "permission denied; invalid token (HTTP 403)",
        ),
        (b'{"errors": ["bad hunter2\\n"]}', "bad [secret] (HTTP 403)"),
        (b'{"errors": "text"}', "(HTTP 403)"),
        (b"<html>", "(HTTP 403)"),
        (b"[1]", "(HTTP 403)"),
    ],
)
def test_refusal_is_told_in_vaults_own_words(body, said) -> None:
    assert read_reply(reply(403, body)).said(secrets=["hunter2", ""]) == said


def test_refusal_of_a_thousand_words_is_cut() -> None:
    assert len(read_reply(reply(400, b'{"errors": ["%s"]}' % (b"word " * 1000))).said()) < 320


def test_too_many_requests_say_when_to_come_back() -> None:
    with pytest.raises(RateLimitError) as caught:
        read_reply(reply(429, Retry_After="7"))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (503, b'{"errors": ["Vault is sealed"]}'), (200, b"<html>")]
)
def test_reply_that_may_be_better_a_moment_later_is_a_server_error(status, body) -> None:
    with pytest.raises(ServerError):
        read_reply(reply(status, body))
