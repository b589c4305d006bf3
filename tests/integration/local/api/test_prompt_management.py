"""The lifecycle of prompt versions over HTTP, and who may do what."""

from __future__ import annotations

import pytest

from scope_async.local import LocalScope
from tests.integration.local.raw_client import RawClient


async def add(raw_client: RawClient, content: str, **fields: object) -> str:
    body = {"name": "a/b", "content": content, **fields}
    answer = await raw_client.send("POST", "/local/prompts", token=raw_client.local.editor_token, json=body)
    assert answer.status == 201, answer.body
    return f"/local/prompts/a%2Fb/versions/{answer.json['id']}"


async def change(raw_client: RawClient, path: str, **fields: object):
    return await raw_client.send("POST", path, token=raw_client.local.editor_token, json=fields)


async def versions(raw_client: RawClient) -> dict[int, str]:
    answer = await raw_client.send(
        "GET", "/local/prompts/a%2Fb/versions", token=raw_client.local.viewer_token
    )
    return {version["version"]: version["status"] for version in answer.json["data"]}


async def history(raw_client: RawClient) -> list[dict[str, object]]:
    answer = await raw_client.send("GET", "/local/prompts/a%2Fb/history", token=raw_client.local.viewer_token)
    return list(answer.json["data"])


async def test_promotion_archives_the_version_before_and_writes_history(raw_client: RawClient):
    await add(raw_client, "one")
    draft = await add(raw_client, "two", publish=False)
    promoted = await change(raw_client, f"{draft}/promote", notes="kinder")
    assert (promoted.json["status"], promoted.json["promoted_by"]) == ("published", "editor")
    assert await versions(raw_client) == {2: "published", 1: "archived"}
    newest, oldest = await history(raw_client)
    assert (newest["version_number"], newest["previous_version"], newest["notes"]) == (2, 1, "kinder")
    assert (oldest["version_number"], oldest["previous_version"], oldest["promoted_by"]) == (
        1,
        None,
        "editor",
    )


async def test_promotion_of_the_production_version_changes_nothing(raw_client: RawClient):
    promoted = (await change(raw_client, f"{await add(raw_client, 'one', publish=False)}/promote")).json
    before = await history(raw_client)
    path = f"/local/prompts/a%2Fb/versions/{promoted['id']}/promote"
    again = await change(raw_client, path, notes="again", archive_previous_production=False)
    assert (again.status, again.json) == (200, promoted)
    assert await history(raw_client) == before


async def test_promotion_can_make_the_version_before_a_draft(raw_client: RawClient):
    await add(raw_client, "one")
    draft = await add(raw_client, "two", publish=False)
    await change(raw_client, f"{draft}/promote", archive_previous_production=False)
    assert await versions(raw_client) == {2: "published", 1: "draft"}


async def test_roll_back_is_unarchive_and_promote(raw_client: RawClient):
    one = await add(raw_client, "one")
    await add(raw_client, "two")
    refused = await change(raw_client, f"{one}/promote")
    assert (refused.status, refused.code) == (409, "version_archived")
    unarchived = (await change(raw_client, f"{one}/unarchive")).json
    assert (unarchived["status"], unarchived["promoted_at"]) == ("draft", None)
    await change(raw_client, f"{one}/promote", notes="roll back")
    assert await versions(raw_client) == {2: "archived", 1: "published"}
    assert [entry["version_number"] for entry in await history(raw_client)] == [1, 2, 1]
    assert (await add(raw_client, "three", publish=False)) != one
    assert max(await versions(raw_client)) == 3


async def test_production_version_is_neither_archived_nor_edited(raw_client: RawClient):
    one = await add(raw_client, "one")
    for action, code in (("archive", "version_in_production"), ("unarchive", "version_in_production")):
        refused = await change(raw_client, f"{one}/{action}")
        assert (refused.status, refused.code) == (409, code)
    editor = raw_client.local.editor_token
    refused = await raw_client.send("PATCH", one, token=editor, json={"content": "x"})
    assert (refused.status, refused.code) == (409, "version_not_draft")


async def test_draft_is_edited_in_place(raw_client: RawClient):
    draft = await add(raw_client, "Hi {{a}}", publish=False, tags=["t"], metadata={"m": 1})
    editor = raw_client.local.editor_token
    edited = (await raw_client.send("PATCH", draft, token=editor, json={"content": "Hi {{b}}"})).json
    assert (edited["version"], edited["variables"], edited["tags"], edited["metadata"]) == (
        1,
        ["b"],
        ["t"],
        {"m": 1},
    )
    edited = (
        await raw_client.send("PATCH", draft, token=editor, json={"content": "x", "tags": [], "metadata": {}})
    ).json
    assert (edited["tags"], edited["metadata"]) == ([], {})
    assert (await raw_client.send("PATCH", draft, token=editor, json={})).code == "validation_error"


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/local/prompts", "viewer"),
        ("GET", "/local/prompts/greeting/versions", "viewer"),
        ("GET", "/local/prompts/greeting/history", "viewer"),
        ("POST", "/local/prompts", "editor"),
        ("PATCH", "/local/prompts/greeting/versions/v", "editor"),
        ("POST", "/local/prompts/greeting/versions/v/promote", "editor"),
        ("POST", "/local/prompts/greeting/versions/v/archive", "editor"),
        ("POST", "/local/prompts/greeting/versions/v/unarchive", "editor"),
        ("GET", "/local/journal", "admin"),
        ("POST", "/local/clock", "admin"),
        ("POST", "/local/reset", "admin"),
    ],
)
async def test_roles_may_what_the_permissions_matrix_says(raw_client: RawClient, method, path, least):
    await raw_client.local.add_prompt("greeting", "x")
    roles = ["viewer", "editor", "admin"]
    for role in roles:
        answer = await raw_client.send(
            method, path, token=getattr(raw_client.local, f"{role}_token"), json={}
        )
        assert (answer.status == 403) == (roles.index(role) < roles.index(least)), role
    assert (await raw_client.send(method, path, token=await raw_client.token())).code == "forbidden"
    assert (await raw_client.send(method, path)).code == "missing_token"


async def test_lifecycle_in_process_is_kept_in_the_file(tmp_path):
    path = tmp_path / "scope.db"
    async with LocalScope(path) as local:
        one = await local.add_prompt("greeting", "one")
        two = await local.add_prompt("greeting", "two", publish=False)
        await local.promote("greeting", two.id, notes="because")
        await local.unarchive("greeting", one.id)
        await local.edit("greeting", one.id, "edited")
        before = await local.history("greeting")
        state = await local.export_state()
    async with LocalScope(path) as local:
        assert await local.history("greeting") == before
        assert (await local.export_state())["prompts"] == state["prompts"]
        assert [(entry.version_number, entry.notes) for entry in before] == [(2, "because"), (1, None)]
        assert (await local.add_prompt("greeting", "three")).version_number == 3
