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
    assert (answer.status, answer.code) == (422, "validation_error")


async def test_clock_is_advanced(raw_client: RawClient):
    before = (await raw_client.admin("GET", "/local/clock")).json["time"]
    after = (await raw_client.admin("POST", "/local/clock", json={"advance": 3600})).json["time"]
    assert 3600 <= after - before < 3660
    for wrong in (-1, "1h", True, None, 1e300):
        assert (await raw_client.admin("POST", "/local/clock", json={"advance": wrong})).status == 422


async def test_journal_is_read_and_cleared(raw_client: RawClient):
    await raw_client.exchange()
    await raw_client.exchange(client_secret="wrong")
    document = (await raw_client.admin("GET", "/local/journal?operation=exchange")).json
    assert [entry["status"] for entry in document["data"]] == [200, 401]
    assert document["counts"] == {"exchange": 2, "prompt": 0, "keys": 0, "any": 2}
    await raw_client.admin("DELETE", "/local/journal")
    assert raw_client.local.journal.count() == 0


async def test_prompts_are_added_promoted_and_archived(raw_client: RawClient):
    token = await raw_client.token()
    added = await raw_client.admin(
        "POST", "/local/prompts", json={"name": "a/b", "content": "x", "promote": False, "tags": ["t"]}
    )
    assert added.status == 201
    path = f"/local/prompts/a%2Fb/versions/{added.json['id']}"
    assert (await raw_client.prompt(token, "a%2Fb/production")).status == 404
    assert (await raw_client.admin("POST", f"{path}/promote")).json["status"] == "published"
    assert (await raw_client.prompt(token, "a%2Fb/production")).json["tags"] == ["t"]
    assert (await raw_client.admin("POST", f"{path}/archive")).json["status"] == "archived"
    assert (await raw_client.admin("POST", f"{path}/publish")).code == "version_archived"
    for wrong in (
        {"name": "a"},
        {"name": "a", "content": 5},
        {"name": "a", "content": "x", "metadata": 1},
        {"name": "a", "content": "x", "publish": "no"},
    ):
        assert (await raw_client.admin("POST", "/local/prompts", json=wrong)).code == "validation_error"


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
        _broken(state, "prompts", 0, "production_id", value="version_nope"),
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
        assert (answer.status, answer.code) == (422, "validation_error"), wrong
        with pytest.raises(ValidationError):
            await raw_client.local.import_state(wrong)
    assert json.loads(json.dumps(await raw_client.local.export_state())) == state


async def test_reset_returns_to_the_prompts_of_the_start(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    assert (await raw_client.admin("POST", "/local/reset")).status == 200
    assert (await raw_client.prompt(await raw_client.token())).code == "prompt_not_found"
