"""The token exchange of Local Scope (contract 1.2)."""

from __future__ import annotations

import asyncio
import io

import jwt
import pytest

from scope_async.local import LocalScope
from scope_async.local.api.login_throttle import PER_ADDRESS, PER_KEY, WINDOW
from tests.integration.local.raw_client import LOGIN, SDK_TOKEN, RawClient

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("dialect", [LOGIN, SDK_TOKEN])
async def test_exchange_returns_a_valid_token_in_both_dialects(raw_client: RawClient, dialect):
    await raw_client.local.add_prompt("greeting", "Hello")
    answer = await raw_client.exchange(dialect=dialect)
    assert answer.status == 200
    assert answer.json.keys() == {"access_token", "expires_in", "token_type"}
    assert answer.json["expires_in"] == 3600
    assert answer.json["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await raw_client.prompt(answer.json["access_token"])).status == 200


async def test_token_has_the_claims_of_its_key_and_lifetime(raw_client: RawClient):
    first, second = await raw_client.token(), await raw_client.token()
    claims = jwt.decode(first, options={"verify_signature": False})
    assert claims["key_id"] == claims["sub"] == raw_client.local.credentials.api_key
    assert claims["org_id"] == raw_client.local.org_id
    assert claims["exp"] - claims["iat"] == pytest.approx(3600)
    assert claims["iss"]
    assert first != second
    assert claims["jti"] != jwt.decode(second, options={"verify_signature": False})["jti"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": "secret_" + "x" * 49},
        {"client_id": "key_unknown"},
        {"account_id": "org_other"},
        {"client_id": "key_unknown", "client_secret": "mistyped"},
    ],
)
async def test_exchange_answers_every_kind_of_wrong_credentials_alike(raw_client: RawClient, wrong):
    answer = await raw_client.exchange(**wrong)
    mistyped = await raw_client.exchange(client_secret=raw_client.local.credentials.api_secret[:-1] + "!")
    assert answer.status == 401
    assert answer.code == "invalid_credentials"
    assert answer.body == mistyped.body


async def test_exchange_refuses_the_secret_of_another_key(raw_client: RawClient):
    other = await raw_client.local.create_key("other")
    mixed = other.__replace__(api_secret=raw_client.local.credentials.api_secret)
    assert (await raw_client.exchange(mixed)).code == "invalid_credentials"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "validation_error"),
        (b"{", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b"[]", 400, "validation_error"),
        (b'{"account_id": "o", "client_id": "k"}', 400, "validation_error"),
        (b'{"account_id": "o", "client_id": "k", "client_secret": 1}', 400, "validation_error"),
        (b'{"account_id": "o", "client_id": "", "client_secret": "s"}', 400, "validation_error"),
        (b'{"account_id": "o", "key_id": "k", "key_secret": "s"}', 400, "validation_error"),
        (
            b'{"account_id": "\\ud800", "client_id": "\\ud800", "client_secret": "\\ud800"}',
            400,
            "invalid_json",
        ),
        (b'{"account_id": "\xed\xa0\x80", "client_id": "k", "client_secret": "s"}', 400, "invalid_json"),
        (b'{"account_id": NaN, "client_id": "k", "client_secret": "s"}', 400, "invalid_json"),
        (b" " * 2_000_000, 413, "body_too_large"),
    ],
)
async def test_exchange_refuses_a_wrong_body_in_the_documented_form(
    raw_client: RawClient, body, status, code
):
    answer = await raw_client.send("POST", LOGIN[0], data=io.BytesIO(body), headers=JSON)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Request-ID"]


async def test_exchange_names_all_missing_fields(raw_client: RawClient):
    answer = await raw_client.send("POST", SDK_TOKEN[0], json={"client_id": "key_x"})
    for name in ("account_id", "key_id", "key_secret", "client_id"):
        assert name in answer.json["message"]


async def test_other_methods_are_405_and_other_paths_404(raw_client: RawClient):
    refused = await raw_client.send("GET", LOGIN[0])
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "method_not_allowed", "POST")
    for path in ("/v1/auth/other", "/other", "/a%0Ab", "/v1/auth/sdk-token/"):
        answer = await raw_client.send("POST", path)
        assert (answer.status, answer.code) == (404, "not_found")


async def test_request_id_is_returned_or_created(raw_client: RawClient):
    kept = await raw_client.send("GET", "/healthz", headers={"X-Request-ID": "abc-1"})
    assert kept.headers["X-Request-ID"] == "abc-1"
    made = await raw_client.send("GET", "/healthz")
    replaced = await raw_client.send("GET", "/nowhere", headers={"X-Request-ID": "x" * 129})
    assert len({made.headers["X-Request-ID"], replaced.headers["X-Request-ID"], "x" * 129}) == 3
    assert len(replaced.headers["X-Request-ID"]) == 36


async def test_login_throttle_refuses_the_guessing_address_only(raw_client: RawClient):
    key = await raw_client.local.create_key("guessed")
    guess = key.__replace__(api_secret=raw_client.local.credentials.api_secret)
    answers = [(await raw_client.exchange(guess)).status for _ in range(PER_KEY + 5)]
    assert answers == [401] * PER_KEY + [429] * 5
    refused = await raw_client.exchange(key)
    assert refused.code == "too_many_attempts"
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW + 1
    # Another key from the same address is accepted until the address reaches its own limit.
    assert (await raw_client.exchange()).status == 200
    raw_client.local.clock.advance(WINDOW)
    assert (await raw_client.exchange(key)).status == 200


async def test_login_throttle_keeps_ten_thousand_guesses_out_of_the_audit_trail(raw_client: RawClient):
    async def guess(number: int) -> list[int]:
        return [
            (await raw_client.exchange(client_id=f"key_{number}", client_secret=f"secret_{n}")).status
            for n in range(40)
        ]

    guesses = await asyncio.gather(*(guess(number) for number in range(50)))
    statuses = [status for each in guesses for status in each]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= PER_ADDRESS + 50
    state = await raw_client.local.export_state()
    refusals = [event for event in state["events"] if event["event"] == "refused"]
    assert sum(event["count"] for event in refusals) == 2000
    assert len(refusals) < 50


async def test_token_expires_no_later_than_its_key(raw_client: RawClient):
    clock = raw_client.local.clock
    started = clock.monotonic()
    key = await raw_client.local.create_key("short", expires_in=100)
    answer = await raw_client.exchange(key)
    least = 100 - (clock.monotonic() - started)
    assert least - 0.001 <= answer.json["expires_in"] <= 100


async def test_token_lifetime_is_exact_to_the_millisecond():
    async with LocalScope(token_ttl=0.25) as local:
        token = local._signer.issue(local._store.keys.get_key(local.credentials.api_key))
        claims = jwt.decode(token.value, options={"verify_signature": False, "verify_exp": False})
        assert claims["exp"] - claims["iat"] == pytest.approx(0.25, abs=0.001)
