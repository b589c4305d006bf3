"""Prompt versions of Local Scope (contract 1.3)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime
from urllib.parse import quote

import pytest

from scope_async.errors import NotFoundError, ValidationError
from scope_async.local import LocalScope
from tests.integration.local.raw_client import Answer, RawClient


@pytest.fixture
async def token(raw_client: RawClient) -> str:
    return await raw_client.token()


async def test_body_has_both_spellings_and_no_bare_type(raw_client: RawClient, token):
    version = await raw_client.local.add_prompt(
        "greeting",
        "Hello, {{name}}! {{app}} {{name}} {{ no }} {{no-no}} {x}",
        metadata={"model": "m", "nested": {"a": [1]}},
        tags=["a", "b"],
    )
    body = (await raw_client.prompt(token)).json
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


async def test_production_is_the_published_version_and_latest_the_newest(raw_client: RawClient, token):
    local = raw_client.local
    one = await local.add_prompt("greeting", "one")
    draft = await local.add_prompt("greeting", "two", publish=False)
    assert (await raw_client.prompt(token)).json["id"] == one.id
    latest = (await raw_client.prompt(token, "greeting/latest")).json
    assert (latest["id"], latest["status"], latest["is_production"]) == (draft.id, "draft", False)
    await local.archive("greeting", draft.id)
    assert (await raw_client.prompt(token, "greeting/latest")).json["status"] == "archived"
    assert (await raw_client.prompt(token, f"greeting/versions/{draft.id}")).json["status"] == "archived"


async def test_prompt_with_a_draft_alone_has_no_production_version(raw_client: RawClient, token):
    draft = await raw_client.local.add_prompt("greeting", "draft", publish=False)
    assert (await raw_client.prompt(token)).code == "no_production_version"
    assert (await raw_client.prompt(token, "greeting/latest")).json["id"] == draft.id
    await raw_client.local.promote("greeting", draft.id)
    assert (await raw_client.prompt(token)).json["id"] == draft.id


async def test_version_has_an_etag_that_changes_with_it(raw_client: RawClient, token):
    local = raw_client.local
    draft = await local.add_prompt("greeting", "draft", publish=False)
    path = f"/api/v1/prompts/greeting/versions/{draft.id}"

    async def send(etag: str) -> Answer:
        return await raw_client.send("GET", path, token=token, headers={"If-None-Match": etag})

    first = await raw_client.send("GET", path, token=token)
    etag = first.headers["ETag"]
    unchanged = await send(etag)
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", etag)
    assert unchanged.headers["X-Request-ID"]
    assert local.journal.entries[-1].status == 304
    assert (await send("*")).status == 304
    assert (await send(f'"other", W/{etag}')).status == 304
    await local.edit("greeting", draft.id, "edited")
    changed = await send(etag)
    assert (changed.status, changed.json["content"]) == (200, "edited")
    assert changed.headers["ETag"] != etag


async def test_refused_request_is_never_a_304(raw_client: RawClient, token):
    for path, expected in (("greeting/production", 404), ("greeting/production", 401)):
        answer = await raw_client.send(
            "GET",
            f"/api/v1/prompts/{path}",
            token=token if expected == 404 else "nonsense",
            headers={"If-None-Match": "*"},
        )
        assert answer.status == expected


async def test_404_has_a_code_that_says_what_is_missing(raw_client: RawClient, token):
    await raw_client.local.add_prompt("greeting", "one")
    other = await raw_client.local.add_prompt("other", "one")
    for path, code in {
        "nope/production": "prompt_not_found",
        "nope/latest": "prompt_not_found",
        "nope/versions/x": "prompt_not_found",
        "greeting/versions/nope": "version_not_found",
        f"greeting/versions/{other.id}": "version_not_found",
        "greeting": "not_found",
        "greeting/other": "not_found",
    }.items():
        answer = await raw_client.prompt(token, path)
        assert (answer.status, answer.code) == (404, code), path
    for call in (raw_client.local.promote, raw_client.local.archive, raw_client.local.unarchive):
        with pytest.raises(NotFoundError):
            await call("nope", "x")
        with pytest.raises(NotFoundError):
            await call("greeting", other.id)


@pytest.mark.parametrize(
    "name",
    ["a/b", "a b", "ü€😀", "{x}", "100%", "%2F", "a?b#c", "..", ".", "a\nb", "x" * 255, "é" * 255, "+"],
)
async def test_prompt_name_is_one_path_segment_with_any_characters(raw_client: RawClient, token, name):
    version = await raw_client.local.add_prompt(name, "Hello")
    segment = quote(name, safe="").replace(".", "%2E")
    answer = await raw_client.prompt(token, f"{segment}/production")
    assert answer.status == 200, answer.body
    assert answer.json["name"] == name
    assert (await raw_client.prompt(token, f"{version.prompt_id}/latest")).json["name"] == name
    assert (await raw_client.prompt(token, f"{segment}/versions/{version.id}")).json["id"] == version.id


async def test_prompt_name_that_is_too_long_is_refused(raw_client: RawClient, token):
    answer = await raw_client.prompt(token, "x" * 256 + "/production")
    assert (answer.status, answer.code) == (400, "validation_error")


async def test_chat_prompt_keeps_its_messages_and_finds_their_variables(raw_client: RawClient, token):
    messages = [{"role": "system", "content": "Be {{mood}}."}, {"role": "user", "content": "{{question}}"}]
    await raw_client.local.add_prompt("chat", messages, prompt_type="chat")
    body = (await raw_client.prompt(token, "chat/production")).json
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
async def test_add_prompt_refuses_what_the_contract_excludes(local: LocalScope, arguments):
    with pytest.raises(ValidationError):
        await local.add_prompt(**{"name": "greeting", "content": "x", **arguments})
    assert (await local.export_state())["prompts"] == []


async def test_add_prompt_copies_its_arguments(raw_client: RawClient, token):
    metadata = {"a": {"b": 1}}
    await raw_client.local.add_prompt("greeting", "x", metadata=metadata)
    metadata["a"]["b"] = 2
    assert (await raw_client.prompt(token)).json["metadata"] == {"a": {"b": 1}}


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
async def test_401_hides_whether_a_prompt_exists(raw_client: RawClient, headers, code):
    await raw_client.local.add_prompt("greeting", "x")
    for path in ("greeting/production", "nope/latest", "greeting/versions/x"):
        answer = await raw_client.send("GET", f"/api/v1/prompts/{path}", headers=headers)
        assert (answer.status, answer.code) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_token_with_a_foreign_signature_is_refused(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    async with LocalScope() as other:
        signed_out = RawClient(other, raw_client.session)
        assert (await raw_client.prompt(await signed_out.token())).code == "invalid_token"
    head, payload, _ = (await raw_client.token()).split(".")
    assert (await raw_client.prompt(f"{head}.{payload}.")).code == "invalid_token"


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
async def test_every_role_reads_prompts(raw_client: RawClient, role):
    await raw_client.local.add_prompt("greeting", "x")
    assert (await raw_client.prompt(getattr(raw_client.local, f"{role}_token"))).status == 200
