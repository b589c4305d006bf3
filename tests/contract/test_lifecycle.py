"""The lifecycle of prompt versions (contract 1.3), of every Scope that may be written to; see conftest.py."""

from __future__ import annotations

import aiohttp
import pytest

from scope_async import NoProductionVersionError, ScopeClient
from tests.contract.conftest import Editor, Scope


async def fetch(client: ScopeClient, editor: Editor, label: str | None = None, version: str | None = None):
    return await client.get_prompt_version(editor.prompt, label=label, version=version, cache=False)


async def test_latest_is_the_newest_version_whatever_its_status(scope: Scope, editor: Editor) -> None:
    draft = await editor.add("one")
    async with scope.client() as client:
        with pytest.raises(NoProductionVersionError):
            await fetch(client, editor)
        latest = await fetch(client, editor, "latest")
        assert (latest.id, latest.is_draft, latest.version_number) == (draft["version_id"], True, 1)
        await editor.add("two", publish=True)
        newest = await editor.add("three")
        assert (await fetch(client, editor)).content == "two"
        assert (await fetch(client, editor, "latest")).id == newest["version_id"]
        await editor.change(newest, "archive")
        assert (await fetch(client, editor, "latest")).is_archived


async def test_promotion_archives_the_version_before(scope: Scope, editor: Editor) -> None:
    one, two = await editor.add("one", publish=True), await editor.add("two")
    status, _ = await editor.change(two, "promote", notes="a reason")
    assert status == 200
    async with scope.client() as client:
        production = await fetch(client, editor)
        assert (production.id, production.is_production, production.is_published) == (
            two["version_id"],
            True,
            True,
        )
        before = await fetch(client, editor, version=one["version_id"])
        assert (before.is_archived, before.is_production) == (True, False)
    status, history = await editor.send("GET", f"/{editor.prompt}/history")
    assert [(entry["version_number"], entry["previous_version"]) for entry in history["data"]] == [
        (2, 1),
        (1, None),
    ]
    assert history["data"][0]["notes"] == "a reason"


async def test_promotion_may_make_the_version_before_a_draft(scope: Scope, editor: Editor) -> None:
    one, two = await editor.add("one", publish=True), await editor.add("two")
    await editor.change(two, "promote", archive_previous_production=False)
    async with scope.client() as client:
        assert (await fetch(client, editor, version=one["version_id"])).is_draft


async def test_roll_back_is_unarchive_and_promote(scope: Scope, editor: Editor) -> None:
    one = await editor.add("one", publish=True)
    await editor.add("two", publish=True)
    assert (await editor.change(one, "promote"))[0] == 409
    assert (await editor.change(one, "unarchive"))[1]["status"] == "draft"
    assert (await editor.change(one, "promote"))[0] == 200
    async with scope.client() as client:
        assert (await fetch(client, editor)).version_number == 1
    assert (await editor.add("three"))["version"] == 3


async def test_draft_alone_can_be_edited(scope: Scope, editor: Editor) -> None:
    one, two = await editor.add("one", publish=True), await editor.add("two")
    assert (await editor.change(one, "archive"))[0] == 409
    path = f"/{editor.prompt}/versions/{{}}"
    assert (await editor.send("PATCH", path.format(one["version_id"]), content="x"))[0] == 409
    status, edited = await editor.send("PATCH", path.format(two["version_id"]), content="Hi {{name}}")
    assert (status, edited["version_id"], edited["variables"]) == (200, two["version_id"], ["name"])
    async with scope.client() as client:
        assert (await fetch(client, editor, version=two["version_id"])).content == "Hi {{name}}"


async def test_etag_makes_an_unchanged_version_a_304(scope: Scope, editor: Editor) -> None:
    draft = await editor.add("one")
    url = f"{scope.api}/prompts/{editor.prompt}/versions/{draft['version_id']}"
    async with scope.client() as client, aiohttp.ClientSession() as session:
        headers = {"Authorization": (await client.tokens.get()).authorization}
        async with session.get(url, headers=headers) as first:
            if (etag := first.headers.get("ETag")) is None:
                pytest.skip("this Scope sends no ETag")
        async with session.get(url, headers={**headers, "If-None-Match": etag}) as second:
            assert second.status == 304
        await editor.send("PATCH", f"/{editor.prompt}/versions/{draft['version_id']}", content="two")
        async with session.get(url, headers={**headers, "If-None-Match": etag}) as third:
            assert (third.status, (await third.json())["content"]) == (200, "two")
