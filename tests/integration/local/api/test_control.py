"""The control API: faults, clock, journal, prompts and state over HTTP."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from scope_async.errors import ValidationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import RawClient, credentials_of


async def test_faults_are_added_listed_and_removed(raw_client: RawClient):
    fault = {"operation": "exchange", "kind": "status", "value": 503, "times": 3}
    added = await raw_client.admin("POST", "/local/faults", json=fault)
    assert added.status == 201
    assert added.json == {**fault, "id": added.json["id"], "hits": 0, "left": 3}
    assert (await raw_client.exchange()).status == 503
    written = await raw_client.admin("POST", "/local/faults", json={"fault": "prompt:latency=0.1-0.2"})
    assert written.json["value"] == [0.1, 0.2]
    listed = (await raw_client.admin("GET", "/local/faults")).json["data"]
    assert [(fault["kind"], fault["hits"]) for fault in listed] == [("status", 1), ("latency", 0)]
    path = f"/local/faults/{added.json['id']}"
    assert (await raw_client.admin("DELETE", path)).status == 200
    assert (await raw_client.admin("DELETE", path)).code == "fault_not_found"
    assert (await raw_client.exchange()).status == 200
    assert (await raw_client.admin("DELETE", "/local/faults")).json == {"data": []}
    assert raw_client.local.faults.active == ()


@pytest.mark.parametrize(
    "fault",
    [{}, {"kind": "hang", "operation": "all"}, {"fault": "x"}, {"kind": "hang", "why": 1}, {"fault": 5}],
)
async def test_invalid_fault_is_refused(raw_client: RawClient, fault):
    answer = await raw_client.admin("POST", "/local/faults", json=fault)
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_clock_is_advanced(raw_client: RawClient):
    before = (await raw_client.admin("GET", "/local/clock")).json["time"]
    after = (await raw_client.admin("POST", "/local/clock", json={"advance": 3600})).json["time"]
    assert 3600 <= after - before < 3660
    for wrong in (-1, "1h", True, None, 1e300):
        assert (await raw_client.admin("POST", "/local/clock", json={"advance": wrong})).status == 400


async def test_journal_is_read_and_cleared(raw_client: RawClient):
    await raw_client.exchange()
    await raw_client.exchange(client_secret="wrong")
    document = (await raw_client.admin("GET", "/local/journal?operation=exchange")).json
    assert [entry["status"] for entry in document["data"]] == [200, 401]
    assert document["counts"] == {"exchange": 2, "prompt": 0, "keys": 0, "any": 2}
    await raw_client.admin("DELETE", "/local/journal")
    assert raw_client.local.journal.count() == 0


async def test_state_moves_from_one_local_scope_to_another(raw_client: RawClient, session):
    await raw_client.local.add_prompt("greeting", "Hello", metadata={"a": 1}, tags=["t"])
    await raw_client.local.add_prompt("greeting", "draft", publish=False)
    key, revoked = await raw_client.new_key(expires_in=1000), await raw_client.new_key()
    await raw_client.local.revoke_key(revoked["api_key"], "leaked")
    await raw_client.token(credentials_of(key))
    state = (await raw_client.admin("GET", "/local/state")).json
    async with LocalScope(prompts={"other": "x"}) as target:
        there = RawClient(target, session)
        own = target.credentials
        old_token = await there.token()
        assert (await there.prompt(old_token, "other/latest")).status == 200
        assert (await there.admin("PUT", "/local/state", json=state)).status == 200
        token = await there.token(credentials_of(key))
        body = (await there.prompt(token)).json
        assert (body["content"], body["metadata"], body["tags"]) == ("Hello", {"a": 1}, ["t"])
        assert (await there.prompt(token, "other/latest")).code == "prompt_not_found"
        assert (await there.exchange(credentials_of(revoked))).code == "api_key_revoked"
        assert (await there.exchange(own)).code == "invalid_credentials"
        assert (await there.prompt(old_token)).code == "invalid_token"
        assert target.org_id == raw_client.local.org_id
        assert (await there.exchange()).status == 200
        await target.reset()
        assert (await there.exchange()).status == 200


async def test_state_is_equal_after_export_and_import(raw_client: RawClient, tmp_path):
    await raw_client.local.add_prompt("greeting", "Hello", metadata={"a": 1})
    await raw_client.token()
    state = json.loads(json.dumps(await raw_client.local.export_state()))
    async with LocalScope(tmp_path / "scope.db") as target:
        await target.import_state(state)
        imported = json.loads(json.dumps(await target.export_state()))
    kept = {key["api_key"] for key in state["api_keys"]}
    imported["api_keys"] = [key for key in imported["api_keys"] if key["api_key"] in kept]
    assert imported == state
    async with LocalScope(tmp_path / "scope.db") as again:
        assert len((await again.export_state())["api_keys"]) == 2


def _broken(state: dict[str, Any], *path: Any, value: object) -> dict[str, Any]:
    changed: Any = copy.deepcopy(state)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return dict(changed)


async def test_state_import_of_an_invalid_document_changes_nothing(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "Hello")
    state = json.loads(json.dumps(await raw_client.local.export_state()))
    version = state["prompts"][0]["versions"][0]
    for wrong in (
        {},
        _broken(state, "format", value="other"),
        _broken(state, "org_id", value=5),
        _broken(state, "prompts", value={}),
        _broken(state, "prompts", value=["x"]),
        _broken(state, "prompts", value=state["prompts"] * 2),
        _broken(state, "prompts", 0, "promotions", 0, "version_id", value="version_nope"),
        _broken(state, "prompts", 0, "promotions", 0, "notes", value="x" * 2001),
        _broken(
            state, "prompts", 0, "versions", value=[version, {**version, "id": "v", "version_number": 2}]
        ),
        _broken(state, "prompts", 0, "versions", 0, "version_number", value=0),
        _broken(state, "prompts", 0, "versions", 0, "created_at", value=-1),
        _broken(state, "prompts", 0, "created_at", value=1e300),
        _broken(state, "prompts", 0, "created_at", value=10**400),
        _broken(state, "prompts", 0, "name", value="x" * 256),
        _broken(state, "prompts", 0, "id", value=""),
        _broken(state, "org_id", value="org\n1"),
        _broken(state, "api_keys", 0, "expires_at", value=253_402_300_800),
        _broken(state, "api_keys", 0, "revoked_reason", value="x" * 501),
        _broken(state, "api_keys", 0, "replaced_by", value="key_nope"),
        _broken(state, "api_keys", 0, "secret_digest", value="00"),
        _broken(state, "api_keys", 0, "name", value="a\nb"),
        _broken(state, "events", 0, "count", value=0),
        _broken(state, "events", 0, "count", value=2**70),
        _broken(state, "prompts", 0, "versions", 0, "status", value="old"),
        _broken(state, "prompts", 0, "versions", 0, "content", value=5),
        _broken(state, "prompts", 0, "versions", 0, "version_number", value=True),
        _broken(state, "prompts", 0, "versions", value=[version, {**version, "id": "v"}]),
        _broken(state, "api_keys", 0, "secret_digest", value="zz"),
        _broken(state, "api_keys", 0, "name", value=""),
        _broken(state, "api_keys", value=state["api_keys"] * 2),
        _broken(state, "events", 0, "at", value="today"),
    ):
        answer = await raw_client.admin("PUT", "/local/state", json=wrong)
        assert (answer.status, answer.code) == (400, "validation_error"), wrong
        with pytest.raises(ValidationError):
            await raw_client.local.import_state(wrong)
    assert json.loads(json.dumps(await raw_client.local.export_state())) == state


async def test_reset_returns_to_the_prompts_of_the_start(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    assert (await raw_client.admin("POST", "/local/reset")).status == 200
    assert (await raw_client.prompt(await raw_client.token())).code == "prompt_not_found"


async def test_state_import_normalises_the_names_of_keys(raw_client: RawClient):
    state = json.loads(json.dumps(await raw_client.local.export_state()))
    await raw_client.local.import_state(_broken(state, "api_keys", 0, "name", value=" Cafe\u0301 "))
    assert (await raw_client.local.export_state())["api_keys"][0]["name"] == "Caf\u00e9"


async def test_state_of_the_first_format_gets_the_lifecycle(raw_client: RawClient):
    local = raw_client.local
    for content in ("one", "two", "three"):
        await local.add_prompt("greeting", content)
    state = json.loads(json.dumps(await local.export_state()))
    state["format"] = "scope-async.local/1"
    prompt = state["prompts"][0]
    del prompt["promotions"]
    for version in prompt["versions"]:
        version["status"] = "published"
    prompt["versions"][2]["promoted_at"] = None
    prompt["production_id"] = prompt["versions"][1]["id"]
    for key in state["api_keys"]:
        for name in ("replaces", "replaced_by", "last_use"):
            del key[name]
    await local.import_state(state)
    versions = (await local.export_state())["prompts"][0]["versions"]
    assert [version["status"] for version in versions] == ["archived", "published", "draft"]


async def test_body_with_half_of_a_surrogate_pair_is_a_400_that_the_journal_has(raw_client: RawClient):
    answer = await raw_client.admin("POST", "/local/prompts", json={"name": "a", "content": "\ud800"})
    assert (answer.status, answer.code) == (400, "invalid_json")
    journal = (await raw_client.admin("GET", "/local/journal")).json["data"]
    assert (journal[-1]["status"], journal[-1]["code"]) == (400, "invalid_json")
    whole = await raw_client.admin("POST", "/local/prompts", json={"name": "a", "content": "\ud83d\ude00"})
    assert (whole.status, whole.json["content"]) == (201, "😀")


async def test_clock_stops_at_thirty_years(raw_client: RawClient):
    for status in (200, 400):
        assert (
            await raw_client.admin("POST", "/local/clock", json={"advance": 999_999_000})
        ).status == status
    assert (await raw_client.new_key(expires_in=3_000_000_000))["expires_at"]
