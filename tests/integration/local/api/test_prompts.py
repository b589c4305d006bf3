"""Prompt versions of Local Scope (contract 1.3)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime
from urllib.parse import quote

import pytest

from scope_async.errors import ConflictError, NotFoundError, ValidationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import Caller


@pytest.fixture
async def token(caller: Caller) -> str:
    return await caller.token()


async def test_the_body_has_both_spellings_and_no_bare_type(caller: Caller, token):
    version = await caller.local.add_prompt(
        "greeting",
        "Hello, {{name}}! {{app}} {{name}} {{ no }} {{no-no}} {x}",
        metadata={"model": "m", "nested": {"a": [1]}},
        tags=["a", "b"],
    )
    body = (await caller.prompt(token)).json
    assert body["version_id"] == body["id"] == version.id
    assert body["version"] == body["version_number"] == version.version_number == 1
    assert body["prompt_id"] == version.prompt_id
    assert body["variables"] == ["name", "app"]
    assert body["metadata"] == {"model": "m", "nested": {"a": [1]}}
    assert body["tags"] == ["a", "b"]
    assert (body["status"], body["is_production"], body["prompt_type"]) == ("published", True, "text")
    assert body["promoted_by"] == "local"
    for name in ("created_at", "updated_at", "promoted_at"):
        assert datetime.fromisoformat(body[name]).tzinfo is not None
    assert "type" not in body


async def test_production_and_latest_are_different_labels(caller: Caller, token):
    local = caller.local
    one = await local.add_prompt("greeting", "one")
    two = await local.add_prompt("greeting", "two", promote=False)
    await local.add_prompt("greeting", "three", publish=False)
    assert (await caller.prompt(token)).json["id"] == one.id
    assert (await caller.prompt(token, "greeting/latest")).json["id"] == two.id
    await local.promote("greeting", two.id)
    production = (await caller.prompt(token)).json
    assert (production["id"], production["is_production"]) == (two.id, True)
    assert (await caller.prompt(token, f"greeting/versions/{one.id}")).json["is_production"] is False
    newest = await local.add_prompt("greeting", "four")
    assert (await caller.prompt(token)).json["id"] == newest.id


async def test_a_draft_has_no_label_until_it_is_published_or_promoted(caller: Caller, token):
    draft = await caller.local.add_prompt("greeting", "draft", publish=False)
    assert (await caller.prompt(token)).code == "no_production_version"
    assert (await caller.prompt(token, "greeting/latest")).code == "no_published_version"
    assert (await caller.prompt(token, f"greeting/versions/{draft.id}")).json["status"] == "draft"
    await caller.local.publish("greeting", draft.id)
    assert (await caller.prompt(token, "greeting/latest")).json["id"] == draft.id
    assert (await caller.prompt(token)).status == 404
    another = await caller.local.add_prompt("greeting", "draft", publish=False)
    await caller.local.promote("greeting", another.id)
    assert (await caller.prompt(token)).json["status"] == "published"


async def test_archiving_takes_a_version_out_of_production(caller: Caller, token):
    one = await caller.local.add_prompt("greeting", "one")
    two = await caller.local.add_prompt("greeting", "two")
    await caller.local.archive("greeting", two.id)
    assert (await caller.prompt(token)).code == "no_production_version"
    assert (await caller.prompt(token, "greeting/latest")).json["id"] == one.id
    assert (await caller.prompt(token, f"greeting/versions/{two.id}")).json["status"] == "archived"
    with pytest.raises(ConflictError, match="archived"):
        await caller.local.promote("greeting", two.id)
    with pytest.raises(ConflictError, match="archived"):
        await caller.local.publish("greeting", two.id)


async def test_what_does_not_exist_has_a_code_that_says_what(caller: Caller, token):
    await caller.local.add_prompt("greeting", "one")
    other = await caller.local.add_prompt("other", "one")
    for path, code in {
        "nope/production": "prompt_not_found",
        "nope/latest": "prompt_not_found",
        "nope/versions/x": "prompt_not_found",
        "greeting/versions/nope": "version_not_found",
        f"greeting/versions/{other.id}": "version_not_found",
        "greeting": "not_found",
        "greeting/other": "not_found",
    }.items():
        answer = await caller.prompt(token, path)
        assert (answer.status, answer.code) == (404, code), path
    for call in (caller.local.promote, caller.local.archive, caller.local.publish):
        with pytest.raises(NotFoundError):
            await call("nope", "x")
        with pytest.raises(NotFoundError):
            await call("greeting", other.id)


@pytest.mark.parametrize(
    "name",
    ["a/b", "a b", "ü€😀", "{x}", "100%", "%2F", "a?b#c", "..", ".", "a\nb", "x" * 255, "é" * 255, "+"],
)
async def test_a_name_is_one_segment_however_strange(caller: Caller, token, name):
    version = await caller.local.add_prompt(name, "Hello")
    segment = quote(name, safe="").replace(".", "%2E")
    answer = await caller.prompt(token, f"{segment}/production")
    assert answer.status == 200, answer.body
    assert answer.json["name"] == name
    assert (await caller.prompt(token, f"{version.prompt_id}/latest")).json["name"] == name
    assert (await caller.prompt(token, f"{segment}/versions/{version.id}")).json["id"] == version.id


async def test_a_name_that_is_too_long_is_refused(caller: Caller, token):
    answer = await caller.prompt(token, "x" * 256 + "/production")
    assert (answer.status, answer.code) == (422, "validation_error")


async def test_a_chat_prompt_keeps_its_messages_and_finds_their_variables(caller: Caller, token):
    messages = [{"role": "system", "content": "Be {{mood}}."}, {"role": "user", "content": "{{question}}"}]
    await caller.local.add_prompt("chat", messages, prompt_type="chat")
    body = (await caller.prompt(token, "chat/production")).json
    assert (body["content"], body["variables"], body["prompt_type"]) == (
        messages,
        ["mood", "question"],
        "chat",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": "\ud800"},
        {"prompt_type": "image"},
        {"tags": "abc"},
        {"tags": 5},
        {"content": 5},
        {"content": [{"role": "user", "content": "x"}]},
        {"content": [{"role": "user"}], "prompt_type": "chat"},
        {"content": ["x"], "prompt_type": "chat"},
        {"content": "\udfff"},
        {"metadata": {"a": object()}},
        {"metadata": {"a": float("nan")}},
        {"metadata": ["a"]},
    ],
)
async def test_what_the_contract_does_not_know_is_refused_before_it_is_stored(local: LocalScope, arguments):
    with pytest.raises(ValidationError):
        await local.add_prompt(**{"name": "greeting", "content": "x", **arguments})
    assert (await local.export_state())["prompts"] == []


async def test_what_the_caller_changes_afterwards_changes_nothing(caller: Caller, token):
    metadata = {"a": {"b": 1}}
    await caller.local.add_prompt("greeting", "x", metadata=metadata)
    metadata["a"]["b"] = 2
    assert (await caller.prompt(token)).json["metadata"] == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_token"),
        ({"Authorization": "Bearer"}, "invalid_token"),
        ({"Authorization": "Basic abc"}, "invalid_token"),
        ({"Authorization": "Bearer x.y.z"}, "invalid_token"),
        ({"Authorization": f"Bearer {urlsafe_b64encode(b'[' * 5000).decode()}.e30.e30"}, "invalid_token"),
        ({"Authorization": "Bearer \udcff\udcfe"}, "invalid_token"),
    ],
)
async def test_without_a_good_token_nobody_learns_whether_a_prompt_exists(caller: Caller, headers, code):
    await caller.local.add_prompt("greeting", "x")
    for path in ("greeting/production", "nope/latest", "greeting/versions/x"):
        answer = await caller.send("GET", f"/api/v1/prompts/{path}", headers=headers)
        assert (answer.status, answer.code) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_signed_by_somebody_else_is_refused(caller: Caller):
    await caller.local.add_prompt("greeting", "x")
    async with LocalScope() as other:
        stranger = Caller(other, caller.session)
        assert (await caller.prompt(await stranger.token())).code == "invalid_token"
    head, payload, _ = (await caller.token()).split(".")
    assert (await caller.prompt(f"{head}.{payload}.")).code == "invalid_token"
    assert (await caller.prompt(caller.local.admin_token)).code == "invalid_token"
