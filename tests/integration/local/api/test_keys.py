"""API keys of Local Scope: create, list, rotate, revoke, expire, audit (contract 1.5)."""

from __future__ import annotations

import asyncio
import base64
import re
import unicodedata
from datetime import datetime
from typing import Any

import pytest

from scope_async.errors import ConflictError, NotFoundError, ValidationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import LOGIN, RawClient, credentials_of

KEYS = "/api/v1/api-keys"
DAY = 86_400
FIELDS = {
    "name",
    "api_key",
    "environment",
    "status",
    "created_at",
    "created_by",
    "last_used_at",
    "expires_at",
    "revoked_at",
    "revoked_reason",
    "replaces",
    "replaced_by",
    "last_used_by",
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def events(raw_client: RawClient, api_key: str) -> list[dict[str, Any]]:
    return list((await raw_client.admin("GET", f"{KEYS}/{api_key}/events")).json["data"])


async def test_create_returns_the_secret_once(raw_client: RawClient):
    answer = await raw_client.admin("POST", KEYS, json={"name": " billing-service-prod "})
    key = answer.json
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert key.keys() == FIELDS | {"api_secret", "org_id"}
    assert (key["name"], key["environment"], key["status"]) == (
        "billing-service-prod",
        "production",
        "active",
    )
    assert re.fullmatch(r"key_[0-9A-Za-z]{22}", key["api_key"])
    assert re.fullmatch(r"secret_[0-9A-Za-z]{49}", key["api_secret"])
    await raw_client.token(credentials_of(key))
    for path in (KEYS, f"{KEYS}/{key['api_key']}", f"{KEYS}/{key['api_key']}/events"):
        shown = await raw_client.admin("GET", path)
        assert shown.status == 200
        assert b"secret" not in shown.body
    assert (await raw_client.admin("GET", f"{KEYS}/{key['api_key']}")).json.keys() == FIELDS


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  "},
        {"name": "x" * 101},
        {"name": 5},
        {"name": "a\nb"},
        {"name": "a", "environment": "prod"},
        {"name": "a", "environment": ["production"]},
        {"name": "a", "expires_in": 0},
        {"name": "a", "expires_in": -1},
        {"name": "a", "expires_in": "90d"},
        {"name": "a", "expires_in": True},
        {"name": "a", "expires_in": 1e300},
        {"name": "a", "expires_in": 10**400},
        {"name": "a", "expire_in": 5},
    ],
)
async def test_create_refuses_invalid_fields(raw_client: RawClient, body):
    answer = await raw_client.admin("POST", KEYS, json=body)
    assert (answer.status, answer.code) == (400, "validation_error")
    assert len((await raw_client.admin("GET", KEYS)).json["data"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", KEYS),
        ("POST", KEYS),
        ("GET", f"{KEYS}/{{key}}"),
        ("POST", f"{KEYS}/{{key}}/revoke"),
        ("POST", f"{KEYS}/{{key}}/rotate"),
        ("GET", f"{KEYS}/{{key}}/events"),
        ("GET", f"{KEYS}/key_unknown"),
        ("GET", "/local/state"),
        ("POST", "/local/faults"),
    ],
)
async def test_keys_require_the_admin_token(raw_client: RawClient, method, path):
    own = raw_client.local.credentials
    path = path.format(key=own.api_key)
    token = await raw_client.token()
    await raw_client.local.create_key("x")
    assert (await raw_client.send(method, path)).code == "missing_token"
    assert (await raw_client.send(method, path, token="garbage")).code == "invalid_token"
    assert (await raw_client.send(method, path, token=raw_client.local.admin_token[:-1])).status == 401
    for lower in (token, raw_client.local.viewer_token, raw_client.local.editor_token):
        refused = await raw_client.send(method, path, token=lower)
        assert (refused.status, refused.code) == (403, "forbidden")
    await raw_client.local.revoke_key(own.api_key)
    assert (await raw_client.send(method, path, token=token)).status == 403


async def test_revoke_refuses_the_next_exchange_and_the_next_request_with_a_token(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    key = await raw_client.new_key()
    token = await raw_client.token(credentials_of(key))
    assert (await raw_client.prompt(token)).status == 200
    revoked = await raw_client.admin("POST", f"{KEYS}/{key['api_key']}/revoke", json={"reason": "leaked"})
    assert (revoked.status, revoked.json["status"], revoked.json["revoked_reason"]) == (
        200,
        "revoked",
        "leaked",
    )
    statuses = await asyncio.gather(*(raw_client.prompt(token) for _ in range(100)))
    assert {(answer.status, answer.code) for answer in statuses} == {(401, "api_key_revoked")}
    assert (await raw_client.exchange(credentials_of(key))).code == "api_key_revoked"
    wrong = credentials_of(key).__replace__(api_secret=raw_client.local.credentials.api_secret)
    assert (await raw_client.exchange(wrong)).code == "invalid_credentials"
    assert (await raw_client.prompt(await raw_client.token())).status == 200


async def test_revoke_is_idempotent(raw_client: RawClient):
    key = await raw_client.new_key()
    path = f"{KEYS}/{key['api_key']}/revoke"
    first = (await raw_client.admin("POST", path)).json
    raw_client.local.clock.advance(60)
    again = await raw_client.admin("POST", path, json={"reason": "other"})
    assert (again.status, again.json) == (200, first)
    assert [event["event"] for event in await events(raw_client, key["api_key"])] == ["created", "revoked"]


@pytest.mark.parametrize("action", ["revoke", "rotate", "events", ""])
async def test_unknown_key_is_404(raw_client: RawClient, action):
    method = "POST" if action.startswith("r") else "GET"
    answer = await raw_client.admin(method, f"{KEYS}/key_nope/{action}".rstrip("/"))
    assert (answer.status, answer.code) == (404, "api_key_not_found")


async def test_list_is_paged_newest_first_and_filtered(raw_client: RawClient):
    names = {}
    for number in range(7):
        key = await raw_client.new_key(
            f"key-{number}", environment="staging" if number % 2 else "development"
        )
        names[f"key-{number}"] = key["api_key"]
        raw_client.local.clock.advance(1)
    await raw_client.local.revoke_key(names["key-2"])
    seen, cursor = [], None
    while True:
        query = "?limit=3" + (f"&cursor={cursor}" if cursor else "")
        page = (await raw_client.admin("GET", KEYS + query)).json
        assert len(page["data"]) <= 3
        seen += [key["name"] for key in page["data"]]
        # A key created in between is newer than the cursor and shifts no page.
        await raw_client.new_key("later")
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [f"key-{number}" for number in reversed(range(7))] + ["default"]
    staging = (await raw_client.admin("GET", f"{KEYS}?environment=staging&status=active")).json
    assert [key["name"] for key in staging["data"]] == ["key-5", "key-3", "key-1"]
    revoked = (await raw_client.admin("GET", f"{KEYS}?status=revoked&environment=development")).json
    assert [key["name"] for key in revoked["data"]] == ["key-2"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=99999999999",
        "status=old",
        "environment=x",
        "cursor=!",
        "cursor=W10",
    ],
)
async def test_list_refuses_an_invalid_query(raw_client: RawClient, query):
    answer = await raw_client.admin("GET", f"{KEYS}?{query}")
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_expired_key_is_refused_with_its_own_code(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    key = await raw_client.new_key(expires_in=100)
    token = await raw_client.token(credentials_of(key))
    raw_client.local.clock.advance(99)
    assert (await raw_client.prompt(token)).status == 200
    raw_client.local.clock.advance(1)
    assert (await raw_client.exchange(credentials_of(key))).code == "api_key_expired"
    assert (await raw_client.prompt(token)).status == 401
    shown = (await raw_client.admin("GET", f"{KEYS}/{key['api_key']}")).json
    assert (shown["status"], shown["expires_at"]) == ("expired", key["expires_at"])
    trail = await events(raw_client, key["api_key"])
    assert [event["event"] for event in trail] == ["created", "used", "expired", "refused"]
    assert trail[2]["at"] == key["expires_at"]


async def test_rotate_creates_a_key_and_keeps_the_old_one_for_the_overlap(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    old = await raw_client.new_key(environment="staging", expires_in=90 * DAY)
    old_token = await raw_client.token(credentials_of(old))
    answer = await raw_client.admin(
        "POST", f"{KEYS}/{old['api_key']}/rotate", json={"overlap": 600, "again": True}
    )
    new = answer.json
    assert (answer.status, new["name"], new["environment"]) == (201, old["name"], "staging")
    assert at(new["expires_at"]) - at(new["created_at"]) == pytest.approx(90 * DAY, abs=0.01)
    assert new["api_secret"] != old["api_secret"]
    raw_client.local.clock.advance(590)
    new_token = await raw_client.token(credentials_of(new))
    assert {(await raw_client.prompt(token)).status for token in (old_token, new_token)} == {200}
    assert (await raw_client.exchange(credentials_of(old))).status == 200
    raw_client.local.clock.advance(10)
    assert (await raw_client.prompt(old_token)).code == "api_key_expired"
    assert (await raw_client.exchange(credentials_of(old))).code == "api_key_expired"
    assert (await raw_client.prompt(new_token)).status == 200
    trail = [event["event"] for event in await events(raw_client, old["api_key"])]
    assert trail == ["created", "used", "rotated", "used", "expired", "refused"]


@pytest.mark.parametrize("expires_in", [None, 90 * DAY])
async def test_rotate_again_keeps_the_lifetime(tmp_path, session, expires_in):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        raw_client = RawClient(local, session)
        old = await raw_client.new_key(expires_in=expires_in)
        for _ in range(2):
            new = (
                await raw_client.admin(
                    "POST", f"{KEYS}/{old['api_key']}/rotate", json={"overlap": 600, "again": True}
                )
            ).json
        await raw_client.admin("POST", f"{KEYS}/{new['api_key']}/rotate")
    async with LocalScope(path) as local:
        raw_client = RawClient(local, session)
        await local.import_state(await local.export_state())
        new = (await raw_client.admin("POST", f"{KEYS}/{old['api_key']}/rotate", json={"again": True})).json
    lives = new["expires_at"] and at(new["expires_at"]) - at(new["created_at"])
    assert lives == (expires_in and pytest.approx(expires_in, abs=0.01))


async def test_rotate_without_overlap_expires_the_old_key_at_once(raw_client: RawClient):
    key = await raw_client.new_key()
    new = await raw_client.admin("POST", f"{KEYS}/{key['api_key']}/rotate", json={"overlap": 0})
    assert (await raw_client.exchange(credentials_of(key))).code == "api_key_expired"
    assert (await raw_client.exchange(credentials_of(new.json))).status == 200
    again = await raw_client.admin("POST", f"{KEYS}/{key['api_key']}/rotate")
    assert (again.status, again.code) == (409, "api_key_not_active")


async def test_rotate_overlap_defaults_to_a_day_within_the_key_s_lifetime(raw_client: RawClient):
    key, short = await raw_client.new_key(), await raw_client.new_key(expires_in=60)
    for made in (key, short):
        await raw_client.admin("POST", f"{KEYS}/{made['api_key']}/rotate")
    ends = (await raw_client.admin("GET", f"{KEYS}/{key['api_key']}")).json["expires_at"]
    assert at(ends) - raw_client.local.clock.time() == pytest.approx(DAY, abs=5)
    assert (await raw_client.admin("GET", f"{KEYS}/{short['api_key']}")).json["expires_at"] == short[
        "expires_at"
    ]


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1, "1d", None, True])
async def test_rotate_refuses_an_overlap_out_of_bounds(raw_client: RawClient, overlap):
    key = await raw_client.new_key()
    answer = await raw_client.admin("POST", f"{KEYS}/{key['api_key']}/rotate", json={"overlap": overlap})
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_create_and_rotate_are_idempotent_with_an_idempotency_key(raw_client: RawClient):
    headers = {"Idempotency-Key": "5bab8b37"}
    first, second = await asyncio.gather(
        *(raw_client.admin("POST", KEYS, json={"name": "a"}, headers=headers) for _ in range(2))
    )
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json
    other = await raw_client.admin("POST", KEYS, json={"name": "b"}, headers=headers)
    assert (other.status, other.code) == (409, "idempotency_key_reused")
    path = f"{KEYS}/{first.json['api_key']}/rotate"
    rotated = [await raw_client.admin("POST", path, headers={"Idempotency-Key": "other"}) for _ in range(2)]
    assert rotated[0].json["api_secret"] == rotated[1].json["api_secret"]
    assert len((await raw_client.admin("GET", KEYS)).json["data"]) == 3


async def test_create_repeated_after_ten_minutes_is_a_409_without_secret(raw_client: RawClient):
    headers = {"Idempotency-Key": "late"}
    made = (await raw_client.admin("POST", KEYS, json={"name": "a"}, headers=headers)).json
    raw_client.local.clock.advance(601)
    again = await raw_client.admin("POST", KEYS, json={"name": "a"}, headers=headers)
    assert (again.status, again.code) == (409, "idempotency_key_expired")
    assert made["api_key"] in again.json["message"]


async def test_last_used_at_is_when_the_key_last_authenticated(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    key = await raw_client.new_key()
    path = f"{KEYS}/{key['api_key']}"
    assert (await raw_client.admin("GET", path)).json["last_used_at"] is None
    token = await raw_client.token(credentials_of(key))
    first = at((await raw_client.admin("GET", path)).json["last_used_at"])
    assert first == pytest.approx(raw_client.local.clock.time(), abs=5)
    raw_client.local.clock.advance(50)
    await raw_client.prompt(token)
    assert at((await raw_client.admin("GET", path)).json["last_used_at"]) - first == pytest.approx(50, abs=5)


async def test_events_have_actor_address_user_agent_and_reason(raw_client: RawClient):
    key = await raw_client.new_key()
    await raw_client.exchange(credentials_of(key))
    for agent in ("guesser/1", "guesser/2"):
        wrong = {"account_id": key["org_id"], "client_id": key["api_key"], "client_secret": "wrong"}
        await raw_client.send("POST", LOGIN[0], json=wrong, headers={"User-Agent": agent})
    await raw_client.admin(
        "POST",
        f"{KEYS}/{key['api_key']}/revoke",
        json={"reason": "leaked"},
        headers={"User-Agent": "laptop/1 \u202e" + "x" * 300},
    )
    trail = await events(raw_client, key["api_key"])
    assert [event["event"] for event in trail] == ["created", "used", "refused", "revoked"]
    assert {event["address"] for event in trail} == {"127.0.0.1"}
    created, used, refused, revoked = [event["user_agent"] for event in trail]
    assert created == used
    assert "aiohttp" in created
    assert refused is None  # of two
    assert revoked.startswith("laptop/1 ")
    assert revoked.isprintable()
    assert len(revoked) == 200
    assert [event["actor"] for event in trail] == ["admin", key["api_key"], "unknown", "admin"]
    assert [event["reason"] for event in trail] == [None, "exchange", "invalid_credentials", "leaked"]
    assert trail[2]["count"] == 2
    times = [at(event["at"]) for event in trail]
    assert times == sorted(times)
    first = (await raw_client.admin("GET", f"{KEYS}/{key['api_key']}/events?limit=3")).json
    rest = await raw_client.admin(
        "GET", f"{KEYS}/{key['api_key']}/events?limit=3&cursor={first['next_cursor']}"
    )
    assert first["data"] + rest.json["data"] == trail
    assert rest.json["next_cursor"] is None


@pytest.mark.parametrize(
    "text",
    ['[Infinity,""]', '[NaN,""]', '["inf",""]', '[-5,""]', '[1.5,""]', '[-1.7e9,"key_1"]', "[" * 4000],
)
async def test_list_refuses_a_made_up_cursor(raw_client: RawClient, text):
    key = await raw_client.new_key()
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    answer = await raw_client.admin("GET", f"{KEYS}/{key['api_key']}/events?limit=1&cursor={cursor}")
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_events_are_append_only(raw_client: RawClient):
    database = raw_client.local._store.database
    with pytest.raises(Exception, match="append-only"):
        await database._execute([("UPDATE events SET actor = 'other'", ())])


@pytest.mark.parametrize("reason", [5, "x" * 501])
async def test_revoke_reason_must_be_text(raw_client: RawClient, reason):
    key = await raw_client.new_key()
    answer = await raw_client.admin("POST", f"{KEYS}/{key['api_key']}/revoke", json={"reason": reason})
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_create_key_in_python_creates_the_same_keys(raw_client: RawClient):
    local = raw_client.local
    key = await local.create_key("a", environment="development", expires_in=60)
    new = await local.rotate_key(key.api_key, overlap=0)
    assert (await raw_client.exchange(key)).code == "api_key_expired"
    assert (await raw_client.exchange(new)).status == 200
    await local.revoke_key(new.api_key, "done")
    assert (await raw_client.exchange(new)).code == "api_key_revoked"
    with pytest.raises(NotFoundError):
        await local.revoke_key("key_nope")
    with pytest.raises(ConflictError):
        await local.rotate_key(new.api_key)
    with pytest.raises(ValidationError):
        await local.create_key("")


async def test_rotate_says_which_key_replaces_which(raw_client: RawClient):
    old = await raw_client.new_key()
    new = (await raw_client.admin("POST", f"{KEYS}/{old['api_key']}/rotate", json={"overlap": 600})).json
    assert (old["replaces"], old["replaced_by"]) == (None, None)
    assert (new["replaces"], new["replaced_by"]) == (old["api_key"], None)
    replaced = new["replaced_key"]
    assert replaced == (await raw_client.admin("GET", f"{KEYS}/{old['api_key']}")).json
    assert (replaced["replaced_by"], replaced["status"]) == (new["api_key"], "active")
    assert at(replaced["expires_at"]) - at(new["created_at"]) == pytest.approx(600, abs=1)
    assert "api_secret" not in replaced


async def test_rotate_of_a_replaced_key_needs_again(raw_client: RawClient):
    old = await raw_client.new_key()
    path = f"{KEYS}/{old['api_key']}/rotate"
    repeated = {"Idempotency-Key": "first"}
    first = await raw_client.admin("POST", path, json={}, headers=repeated)
    refused = await raw_client.admin("POST", path, json={})
    assert (refused.status, refused.code) == (409, "api_key_replaced")
    assert first.json["api_key"] in refused.json["message"]
    assert (await raw_client.admin("POST", path, json={"again": "yes"})).code == "validation_error"
    second = (await raw_client.admin("POST", path, json={"again": True})).json
    assert second["replaced_key"]["replaced_by"] == second["api_key"]
    # A retry of the first rotation is answered as it was, not refused.
    retried = await raw_client.admin("POST", path, json={}, headers=repeated)
    assert (retried.status, retried.json["api_secret"]) == (201, first.json["api_secret"])


async def test_last_use_names_the_user_agent_and_the_address(tmp_path, session):
    path = tmp_path / "scope.db"
    async with LocalScope(path, prompts={"greeting": "x"}) as local:
        raw_client = RawClient(local, session)
        key = await raw_client.new_key()
        shown = f"{KEYS}/{key['api_key']}"
        assert (await raw_client.admin("GET", shown)).json["last_used_by"] is None
        token = await raw_client.token(credentials_of(key))
        assert (await raw_client.admin("GET", shown)).json["last_used_by"]["address"] == "127.0.0.1"
        await raw_client.send(
            "GET", "/api/v1/prompts/greeting/latest", token=token, headers={"User-Agent": "billing/7 grüße"}
        )
        used = (await raw_client.admin("GET", shown)).json["last_used_by"]
        assert used == {"user_agent": "billing/7 grüße", "address": "127.0.0.1"}
    async with LocalScope(path) as local:
        assert (await RawClient(local, session).admin("GET", shown)).json["last_used_by"] == used


@pytest.mark.parametrize(
    "name", ["Cafe\u0301", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d💻"]
)
async def test_name_is_normalised_and_keeps_its_joiners(raw_client: RawClient, name):
    key = await raw_client.new_key(name)
    assert key["name"] == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", ["\u200d", " \u200c ", "a\u202eb", "a\u200bb"])
async def test_name_of_invisible_characters_is_refused(raw_client: RawClient, name):
    assert (await raw_client.admin("POST", KEYS, json={"name": name})).code == "validation_error"
