"""The token exchange of Local Scope (contract 1.2)."""

from __future__ import annotations

import asyncio
import io

import jwt
import pytest
from attrs import evolve

from scope_async.local import LocalScope
from scope_async.local.api.login_throttle import PER_ADDRESS, PER_KEY, WINDOW
from tests.integration.local.raw_client import LOGIN, SDK_TOKEN, Caller


@pytest.mark.parametrize("dialect", [LOGIN, SDK_TOKEN])
async def test_both_dialects_hand_out_a_token_that_is_let_in(caller: Caller, dialect):
    await caller.local.add_prompt("greeting", "Hello")
    answer = await caller.exchange(dialect=dialect)
    assert answer.status == 200
    assert answer.json.keys() == {"access_token", "expires_in", "token_type"}
    assert answer.json["expires_in"] == 3600
    assert answer.json["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await caller.prompt(answer.json["access_token"])).status == 200


async def test_the_token_says_whose_it_is_and_how_long_it_lives(caller: Caller):
    first, second = await caller.token(), await caller.token()
    claims = jwt.decode(first, options={"verify_signature": False})
    assert claims["key_id"] == claims["sub"] == caller.local.credentials.api_key
    assert claims["org_id"] == caller.local.org_id
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
async def test_refused_credentials_get_one_answer_whatever_is_wrong(caller: Caller, wrong):
    answer = await caller.exchange(**wrong)
    mistyped = await caller.exchange(client_secret=caller.local.credentials.api_secret[:-1] + "!")
    assert answer.status == 401
    assert answer.code == "invalid_credentials"
    assert answer.body == mistyped.body


async def test_the_secret_of_another_key_is_refused(caller: Caller):
    other = await caller.local.create_key("other")
    mixed = evolve(other, api_secret=caller.local.credentials.api_secret)
    assert (await caller.exchange(mixed)).code == "invalid_credentials"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "validation_error"),
        (b"{", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b"[]", 422, "validation_error"),
        (b'{"account_id": "o", "client_id": "k"}', 422, "validation_error"),
        (b'{"account_id": "o", "client_id": "k", "client_secret": 1}', 422, "validation_error"),
        (b'{"account_id": "o", "client_id": "", "client_secret": "s"}', 422, "validation_error"),
        (b'{"account_id": "o", "key_id": "k", "key_secret": "s"}', 422, "validation_error"),
        (
            b'{"account_id": "\\ud800", "client_id": "\\ud800", "client_secret": "\\ud800"}',
            401,
            "invalid_credentials",
        ),
        (b" " * 2_000_000, 413, "body_too_large"),
    ],
)
async def test_a_wrong_body_is_an_error_in_the_documented_form(caller: Caller, body, status, code):
    answer = await caller.send("POST", LOGIN[0], data=io.BytesIO(body))
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Request-ID"]


async def test_the_missing_fields_are_all_named(caller: Caller):
    answer = await caller.send("POST", SDK_TOKEN[0], json={"client_id": "key_x"})
    for name in ("account_id", "key_id", "key_secret", "client_id"):
        assert name in answer.json["message"]


async def test_the_other_methods_are_405_and_other_paths_404(caller: Caller):
    refused = await caller.send("GET", LOGIN[0])
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "method_not_allowed", "POST")
    for path in ("/v1/auth/other", "/", "/a%0Ab", "/v1/auth/sdk-token/"):
        answer = await caller.send("POST", path)
        assert (answer.status, answer.code) == (404, "not_found")


async def test_the_request_id_comes_back_and_is_made_when_there_is_none_of_use(caller: Caller):
    kept = await caller.send("GET", "/healthz", headers={"X-Request-ID": "abc-1"})
    assert kept.headers["X-Request-ID"] == "abc-1"
    made = await caller.send("GET", "/healthz")
    replaced = await caller.send("GET", "/nowhere", headers={"X-Request-ID": "x" * 129})
    assert len({made.headers["X-Request-ID"], replaced.headers["X-Request-ID"], "x" * 129}) == 3
    assert len(replaced.headers["X-Request-ID"]) == 36


async def test_guessing_is_slowed_for_who_guesses_and_for_nobody_else(caller: Caller):
    key = await caller.local.create_key("guessed")
    guess = evolve(key, api_secret=caller.local.credentials.api_secret)
    answers = [(await caller.exchange(guess)).status for _ in range(PER_KEY + 5)]
    assert answers == [401] * PER_KEY + [429] * 5
    refused = await caller.exchange(key)
    assert refused.code == "too_many_attempts"
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW + 1
    # Another key from the same address still gets in, until the address has used up its own failures.
    assert (await caller.exchange()).status == 200
    caller.local.clock.advance(WINDOW)
    assert (await caller.exchange(key)).status == 200


async def test_ten_thousand_guesses_get_nowhere_and_write_next_to_nothing(caller: Caller):
    async def guess(number: int) -> list[int]:
        return [
            (await caller.exchange(client_id=f"key_{number}", client_secret=f"secret_{n}")).status
            for n in range(40)
        ]

    guesses = await asyncio.gather(*(guess(number) for number in range(50)))
    statuses = [status for each in guesses for status in each]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= PER_ADDRESS + 50
    state = await caller.local.export_state()
    refusals = [event for event in state["events"] if event["event"] == "refused"]
    assert sum(event["count"] for event in refusals) == 2000
    assert len(refusals) < 50


async def test_a_key_that_ends_first_gives_a_token_that_ends_with_it(caller: Caller):
    key = await caller.local.create_key("short", expires_in=100)
    answer = await caller.exchange(key)
    assert answer.json["expires_in"] == 100


async def test_a_short_lifetime_is_kept_to_the_millisecond():
    async with LocalScope(token_ttl=0.25) as local:
        token = local._signer.issue(local._store.keys.get_key(local.credentials.api_key))
        claims = jwt.decode(token.value, options={"verify_signature": False, "verify_exp": False})
        assert claims["exp"] - claims["iat"] == pytest.approx(0.25, abs=0.001)
