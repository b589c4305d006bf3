"""Start, close and reset of Local Scope."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from scope_async.errors import ClientClosedError, ConfigurationError, ServerError
from scope_async.local import LocalScope
from scope_async.local.api.login_throttle import PER_KEY
from tests.integration.local.raw_client import RawClient


async def connects(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_server_accepts_connections_between_start_and_close(session):
    async with LocalScope() as local:
        assert not local.url.endswith("/")
        answer = await RawClient(local, session).send("GET", "/healthz")
        assert (answer.status, answer.json["status"]) == (200, "ok")
    assert not await connects(local.url)


async def test_start_and_close_are_idempotent_in_any_task():
    local = LocalScope()
    await asyncio.gather(*(asyncio.create_task(local.start()) for _ in range(3)))
    url = local.url
    await local.start()
    assert local.url == url
    await asyncio.gather(*(asyncio.create_task(local.aclose()) for _ in range(3)))
    await local.aclose()
    with pytest.raises(ClientClosedError):
        await local.start()


async def test_close_without_start_does_nothing():
    await LocalScope().aclose()


async def test_close_during_start_leaves_nothing_open():
    local = LocalScope()
    starting = asyncio.create_task(local.start())
    await asyncio.sleep(0)
    await local.aclose()
    await starting
    assert not await connects(local.url)


async def test_cancelled_start_leaves_nothing_open():
    local = LocalScope()

    async def use() -> None:
        async with local:
            pytest.fail("was cancelled before")

    using = asyncio.create_task(use())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    with pytest.raises(ClientClosedError):
        await local.start()


async def test_two_servers_close_in_the_order_in_which_they_were_opened(session):
    first, second = LocalScope(), LocalScope()
    await first.start()
    await second.start()
    await first.aclose()
    assert (await RawClient(second, session).exchange()).status == 200
    await second.aclose()


async def test_error_in_the_block_is_raised_unchanged():
    with pytest.raises(KeyError):
        async with LocalScope() as local:
            raise KeyError
    assert not await connects(local.url)


@pytest.mark.parametrize("fault", ["hang", "latency"])
async def test_close_disconnects_delayed_requests(raw_client: RawClient, fault):
    local = raw_client.local
    if fault == "hang":
        local.faults.hang("any")
    else:
        local.faults.latency("any", 3600)
    waiting = [asyncio.create_task(raw_client.exchange()) for _ in range(200)]
    await local.journal.wait_for_arrival("exchange", 90)
    await local.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientConnectionError) for result in results)


async def test_close_disconnects_requests_that_arrive_during_it(local: LocalScope):
    local.faults.hang("any")
    local.faults.close()
    assert local.faults.active
    assert not await local.faults.delay(3600)
    assert not await local.faults.delay(None)


async def test_close_answers_running_requests(raw_client: RawClient):
    creating = [asyncio.create_task(raw_client.new_key(f"k{n}")) for n in range(20)]
    await raw_client.local.journal.wait_for_arrival("keys", 20)
    await raw_client.local.aclose()
    made = await asyncio.gather(*creating)
    assert len({key["api_key"] for key in made}) == 20


async def test_disconnected_client_leaves_no_request_behind(raw_client: RawClient):
    raw_client.local.faults.hang("exchange")
    waiting = [asyncio.create_task(raw_client.exchange()) for _ in range(50)]
    await raw_client.local.journal.wait_for_arrival("exchange", 50)
    for call in waiting:
        call.cancel()
    await raw_client.local.journal.wait_for("exchange", 50)
    assert {entry.status for entry in raw_client.local.journal.entries} == {None}


async def test_unusable_address_is_a_configuration_error():
    async with LocalScope() as local:
        port = int(local.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigurationError, match=str(port)):
            await LocalScope(port=port).start()
    for port in (70_000, -1):
        with pytest.raises(ConfigurationError, match=str(port)):
            LocalScope(port=port)


@pytest.mark.parametrize("token_ttl", [0, -1, float("nan")])
def test_token_ttl_must_be_positive(token_ttl):
    with pytest.raises(ConfigurationError, match="token_ttl"):
        LocalScope(token_ttl=token_ttl)


async def test_server_has_no_url_before_start_and_refuses_changes_after_close():
    local = LocalScope()
    for name in ("url", "org_id", "credentials"):
        with pytest.raises(ConfigurationError, match="not been started"):
            getattr(local, name)
    await local.start()
    await local.aclose()
    with pytest.raises(ServerError, match="closed"):
        await local.add_prompt("greeting", "x")


async def test_url_of_every_interface_is_the_loopback_address(session):
    async with LocalScope(host="0.0.0.0") as local:
        assert local.url.startswith("http://127.0.0.1:")
        assert (await RawClient(local, session).send("GET", "/healthz")).status == 200


async def test_reset_keeps_url_and_credentials(session):
    async with LocalScope(prompts={"greeting": "Hello"}) as local:
        raw_client = RawClient(local, session)
        url, credentials, admin_token = local.url, local.credentials, local.admin_token
        token = await raw_client.token()
        other = await local.create_key("other")
        other_token = await raw_client.token(other)
        await local.add_prompt("greeting", "changed")
        await local.add_prompt("more", "x")
        await local.revoke_key(credentials.api_key)
        for _ in range(PER_KEY):
            await raw_client.exchange(client_secret="wrong")
        local.faults.status("any", 503)
        await local.reset()
        assert (local.url, local.credentials, local.admin_token) == (url, credentials, admin_token)
        assert (local.journal.entries, local.faults.active) == ((), ())
        assert (await raw_client.prompt(token)).json["content"] == "Hello"
        assert (await raw_client.prompt(token, "more/latest")).status == 404
        assert (await raw_client.prompt(other_token)).status == 401
        assert (await raw_client.exchange(other)).status == 401
        assert (await raw_client.exchange()).status == 200
        keys = (await raw_client.admin("GET", "/api/v1/api-keys")).json["data"]
        assert [key["api_key"] for key in keys] == [credentials.api_key]
