"""Processes that share a token and prompts, through a file and through Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scope_async import ScopeClient
from scope_async.local import LocalScope
from tests.integration.stores.fleet import fleet

PROMPTS = {"greeting": "A sentence that nobody reads in a store"}


@pytest.fixture(scope="module", params=["file", "redis"])
def shared_url(request, tmp_path_factory) -> str:
    if request.param == "file":
        return (tmp_path_factory.mktemp("store") / "folder").as_uri()
    return request.getfixturevalue("redis_server").url


@pytest.mark.parametrize("trouble", ["leader killed", "all tokens revoked"])
async def test_fleet_exchanges_once_for_each_token_life(shared_url, trouble) -> None:
    async with LocalScope(token_ttl=600, prompts=PROMPTS) as local:
        if trouble == "leader killed":
            local.faults.latency("exchange", 0.5, times=1)
        async with fleet(local, shared_url, 2 + (trouble == "leader killed")) as made:
            if trouble == "leader killed":
                leader = await made.leader()
                await local.journal.wait_for_arrival("exchange", timeout=60)
                await made.kill(leader)
            await local.journal.wait_for("prompt", 10, timeout=60)
            if trouble == "all tokens revoked":
                assert local.journal.arrivals("exchange") == 1
                local.clock.advance(601)
                await local.journal.wait_for("exchange", 2, timeout=60)
            await local.journal.wait_for("prompt", local.journal.arrivals("prompt") + 10, timeout=60)
            outcome = await made.stop()
        assert outcome.errors == ()
        assert local.journal.arrivals("exchange") == 2


@pytest.mark.parametrize("trouble", ["freeze", "kill"])
async def test_fleet_goes_on_without_redis(own_redis, trouble) -> None:
    async with LocalScope(token_ttl=2, prompts=PROMPTS) as local:
        async with fleet(local, own_redis.url, 2) as made:
            await local.journal.wait_for("prompt", 5, timeout=60)
            getattr(own_redis, trouble)()
            await local.journal.wait_for("exchange", local.journal.arrivals("exchange") + 2, timeout=60)
            await local.journal.wait_for("prompt", local.journal.arrivals("prompt") + 10, timeout=60)
            if trouble == "freeze":
                own_redis.thaw()
            outcome = await made.stop()
        assert outcome.errors == ()


async def test_clients_share_versions_and_invalidations(shared_url) -> None:
    async with (
        LocalScope(prompts=PROMPTS) as local,
        client(local, shared_url) as one,
        client(local, shared_url) as two,
    ):
        await share(one, two, local)
        draft = await local.add_prompt("greeting", "Good morning")
        await local.promote("greeting", draft.id)
        one.invalidate("greeting")
        async with asyncio.timeout(60):
            while (await two.get_prompt_version("greeting")).content != "Good morning":
                await asyncio.sleep(0.02)
        store = two.status().store
        assert store is not None
        assert store.available


async def share(one: ScopeClient, two: ScopeClient, local: LocalScope) -> None:
    """Return when two clients share a version: on a busy machine a first connection may take too long."""
    async with asyncio.timeout(60):
        while True:
            asked = local.journal.arrivals("prompt")
            for scope in (one, two):
                await scope.get_prompt_version("greeting")
            if local.journal.arrivals("prompt") == asked + 1:
                return
            await asyncio.sleep(0.2)
            one.clear_cache()
            two.clear_cache()


async def test_store_keeps_nothing_readable(shared_url, request) -> None:
    async with LocalScope(prompts=PROMPTS) as local:
        async with client(local, shared_url) as scope:
            await scope.get_prompt_version("greeting")
            token = await scope.tokens.get()
        content = content_of(shared_url, request)
        assert len(content) > 500
        known = (PROMPTS["greeting"], "greeting", token.value, *vars_of(local))
        assert [text for text in known if text.encode() in content] == []


def content_of(url: str, request: pytest.FixtureRequest) -> bytes:
    if url.startswith("file:"):
        return b"".join(path.read_bytes() for path in Path(url.removeprefix("file://")).iterdir())
    with request.getfixturevalue("redis_server").client() as server:
        return b"".join(server.dump(key) + key for key in server.scan_iter("scope-async:*"))


def client(local: LocalScope, url: str) -> ScopeClient:
    addresses = {"base_url": local.url, "auth_api_url": local.url}
    return ScopeClient(local.credentials, store_url=url, **addresses)


def vars_of(local: LocalScope) -> tuple[str, ...]:
    found = local.credentials
    return found.org_id, found.api_key, found.api_secret
