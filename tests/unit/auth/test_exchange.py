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


@pytest.mark.parametrize(
    ("expires_in", "claims", "lifetime"),
    [
        (3600, {}, 3600),
        ("3600", {}, 3600),
        (" 3600.5 ", {}, 3600.5),
        (3600, {"iat": 0, "exp": 10}, 10),
        (10, {"iat": 0, "exp": 3600}, 10),
        ("3600", {"iat": "1000", "exp": "1600"}, 600),
        (3600, {"exp": 10}, 3600),
        (3600, {"iat": "x", "exp": "y"}, 3600),
        (0, {}, 0),
        ("-1", {}, -1),
        (3600, {"iat": 100, "exp": 50}, -50),
        (3600, {"iat": -1e308, "exp": 1e308}, 3600),
    ],
)
def test_lifetime_is_the_least_that_reply_and_token_promise(expires_in, claims, lifetime) -> None:
    response = read_exchange_response(reply({"access_token": a_jwt(**claims), "expires_in": expires_in}))
    assert response.lifetime == lifetime


@pytest.mark.parametrize(
    ("age", "lifetime"), [("600", 3000), ("4000", -400), ("0", 3600), ("x", 3600), ("-5", 3600), ("", 3600)]
)
def test_lifetime_is_less_by_the_age_of_a_cached_reply(age: str, lifetime: float) -> None:
    cached = reply({"access_token": "t", "expires_in": 3600})
    cached.headers = {"Age": age}
    assert read_exchange_response(cached).lifetime == lifetime


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
        {"access_token": "t", "expires_in": 60, "token_type": "MAC"},
        {"access_token": "t", "expires_in": ""},
        {"access_token": "t", "expires_in": "nan"},
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
