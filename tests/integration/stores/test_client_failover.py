"""A whole client whose Redis fails over, or loses a node."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager

from scope_async import ScopeClient
from scope_async.local import LocalScope
from tests.fakes.redis_server import RedisServer, cluster, require_redis_server, sentinels
from tests.fakes.waiting import until


@asynccontextmanager
async def two_clients(local: LocalScope, url: str):
    addresses = {"base_url": local.url, "auth_api_url": local.url, "cache_ttl": 600.0}
    async with (
        ScopeClient(local.credentials, store_url=url, **addresses) as one,
        ScopeClient(local.credentials, store_url=url, **addresses) as two,
    ):
        for scope in (one, two):
            await scope.tokens.get()
        yield one, two


def available(scope: ScopeClient) -> bool:
    store = scope.status().store
    return store is not None and store.available


async def assert_shared(local: LocalScope, one: ScopeClient, two: ScopeClient) -> None:
    """Assert that one request and one exchange serve both clients, from soon on."""
    async with asyncio.timeout(60):
        # On a machine with much to do, the first connections take longer than callers wait.
        while await requests_for_a_prompt(local, one, two) > 1:
            await asyncio.sleep(0.1)
    exchanges = local.journal.arrivals("exchange")
    one.tokens.invalidate(await one.tokens.get())
    renewed = await one.tokens.get()
    await until(lambda: (token := two.tokens.peek()) is not None and token.value == renewed.value)
    assert local.journal.arrivals("exchange") == exchanges + 1


async def requests_for_a_prompt(local: LocalScope, *clients: ScopeClient) -> int:
    """Return how many requests it takes until each client has a new prompt."""
    name, before = f"prompt-{secrets.token_hex(4)}", local.journal.arrivals("prompt")
    await local.add_prompt(name, "Hello")
    for scope in clients:
        assert (await scope.get_prompt_version(name)).content == "Hello"
    return local.journal.arrivals("prompt") - before


async def assert_goes_on_alone(local: LocalScope, one: ScopeClient, two: ScopeClient) -> None:
    assert await requests_for_a_prompt(local, one, two) == 2
    await until(lambda: not available(one) and not available(two))


async def test_client_follows_the_failover_of_sentinels(tmp_path) -> None:
    require_redis_server()
    with sentinels(tmp_path) as (master, replica, watching):
        url = f"redis+sentinel://{','.join(each.address for each in watching)}/scope"
        async with LocalScope() as local, two_clients(local, url) as (one, two):
            await assert_shared(local, one, two)
            master.kill()
            await assert_goes_on_alone(local, one, two)
            await until(lambda: available(one) and available(two))
            await assert_shared(local, one, two)
        with replica.client() as client:
            assert client.role()[0] == b"master"


async def test_client_uses_a_cluster_that_lost_a_node_and_got_it_back(tmp_path) -> None:
    require_redis_server()
    with cluster(tmp_path) as nodes:
        async with LocalScope() as local, two_clients(local, nodes[0].url) as (one, two):
            await assert_shared(local, one, two)
            (holder,) = [node for node in nodes if size_of(node)]
            holder.kill()
            await assert_goes_on_alone(local, one, two)
            holder.start()
            await until(lambda: available(one) and available(two))
            await assert_shared(local, one, two)


def size_of(node: RedisServer) -> int:
    with node.client() as client:
        return int(client.dbsize())
