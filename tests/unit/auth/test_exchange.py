"""Reading the auth API's replies."""

from __future__ import annotations

import json
from typing import Any, get_args

import jwt
import pytest

from scope_async import ApiError, RateLimitError, ServerError
from scope_async.auth.exchange import DEFAULT_LIFETIME, DIALECTS, read_exchange_response
from scope_async.config import AuthDialect
from scope_async.http.messages import Reply


def reply(data: Any, status: int = 200) -> Reply:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Reply(status=status, headers={}, body=body)


def a_jwt(**claims: Any) -> str:
    return jwt.encode(claims, "a key of thirty-two bytes or more!", algorithm="HS256")


def test_expires_in_is_the_lifetime() -> None:
    grant = read_exchange_response(
        reply({"access_token": a_jwt(iat=0, exp=10), "expires_in": 3600, "token_type": "Bearer"})
    )
    assert grant.lifetime == 3600


@pytest.mark.parametrize("expires_in", [{}, {"expires_in": None}])
def test_lifetime_is_exp_minus_iat_without_expires_in(
    expires_in: dict[str, None],
) -> None:
    assert (
        read_exchange_response(reply({"access_token": a_jwt(iat=1000, exp=1900), **expires_in})).lifetime
        == 900
    )


@pytest.mark.parametrize(
    "token",
    [
        a_jwt(exp=99),
        a_jwt(iat=5),
        a_jwt(iat="x", exp="y"),
        a_jwt(iat=0, exp=10**400),
        "opaque",
        "a.b.c",
    ],
)
def test_lifetime_is_300_seconds_without_expires_in_and_claims(token: str) -> None:
    assert read_exchange_response(reply({"access_token": token})).lifetime == DEFAULT_LIFETIME


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        "token",
        {"access_token": ""},
        {"access_token": None},
        {"access_token": 5},
        {"access_token": "two words"},
        {"access_token": "line\r\nInjected: header"},
        {"access_token": "tökén"},
        {"access_token": "t", "expires_in": "soon"},
        {"access_token": "t", "expires_in": True},
        {"access_token": "t", "expires_in": [60]},
        {"access_token": "t", "expires_in": 0},
        {"access_token": "t", "expires_in": -1},
        {"access_token": "t", "expires_in": 60, "token_type": "MAC"},
        {"access_token": a_jwt(iat=100, exp=50)},
        {"access_token": a_jwt(iat=-1e308, exp=1e308)},
        {"error": {"code": "boom", "message": "not today"}},
        b"",
        b"<html>",
        b'{"access_token": "t", "expires_in": NaN}',
        b'{"access_token": "t", "expires_in": Infinity}',
        b'{"access_token": "t", "expires_in": 1' + b"0" * 400 + b"}",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_broken_reply_is_a_server_error(data: Any) -> None:
    with pytest.raises(ServerError):
        read_exchange_response(reply(data))


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", None])
def test_token_type_is_not_case_sensitive(kind: str | None) -> None:
    assert read_exchange_response(reply({"access_token": "t", "token_type": kind})).value == "t"


def test_error_keeps_the_message_of_the_auth_api() -> None:
    with pytest.raises(ApiError, match="who are you"):
        read_exchange_response(reply({"code": "unauthorized", "message": "who are you"}, 401))
    with pytest.raises(RateLimitError):
        read_exchange_response(reply(b"", 429))


def test_dialects_are_those_of_the_option() -> None:
    assert ["auto", *DIALECTS] == list(get_args(AuthDialect))
