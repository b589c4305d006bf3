"""How Local Scope begins and ends."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from scope_async.errors import ClientClosedError, ConfigurationError, ServerError
from scope_async.local import LocalScope
from scope_async.local.api.login_throttle import PER_KEY
from tests.integration.local.raw_client import Caller


async def connects(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_it_is_ready_when_it_has_started_and_gone_when_it_is_closed(session):
    async with LocalScope() as local:
        assert not local.url.endswith("/")
        answer = await Caller(local, session).send("GET", "/healthz")
        assert (answer.status, answer.json["status"]) == (200, "ok")
    assert not await connects(local.url)


async def test_starting_and_closing_are_idempotent_and_for_any_task():
    local = LocalScope()
    await asyncio.gather(*(asyncio.create_task(local.start()) for _ in range(3)))
    url = local.url
    await local.start()
    assert local.url == url
    await asyncio.gather(*(asyncio.create_task(local.aclose()) for _ in range(3)))
    await local.aclose()
    with pytest.raises(ClientClosedError):
        await local.start()


async def test_closing_what_was_never_started_does_nothing():
    await LocalScope().aclose()


async def test_closing_while_it_starts_leaves_nothing_open():
    local = LocalScope()
    starting = asyncio.create_task(local.start())
    await asyncio.sleep(0)
    await local.aclose()
    await starting
    assert not await connects(local.url)


async def test_a_cancelled_start_leaves_nothing_open():
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


async def test_two_close_in_the_order_in_which_they_were_opened(session):
    first, second = LocalScope(), LocalScope()
    await first.start()
    await second.start()
    await first.aclose()
    assert (await Caller(second, session).exchange()).status == 200
    await second.aclose()


async def test_an_error_in_the_block_comes_out_as_itself():
    with pytest.raises(KeyError):
        async with LocalScope() as local:
            raise KeyError
    assert not await connects(local.url)


@pytest.mark.parametrize("fault", ["hang", "latency"])
async def test_closing_cuts_the_calls_that_a_fault_holds_back(caller: Caller, fault):
    local = caller.local
    if fault == "hang":
        local.faults.hang("any")
    else:
        local.faults.latency("any", 3600)
    waiting = [asyncio.create_task(caller.exchange()) for _ in range(200)]
    await local.journal.wait_for_arrival("exchange", 90)
    await local.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientConnectionError) for result in results)


async def test_a_call_that_comes_while_it_closes_is_cut_as_well(local: LocalScope):
    local.faults.hang("any")
    local.faults.close()
    assert local.faults.active
    assert not await local.faults.delay(3600)
    assert not await local.faults.delay(None)


async def test_closing_answers_what_is_under_way(caller: Caller):
    creating = [asyncio.create_task(caller.new_key(f"k{n}")) for n in range(20)]
    await caller.local.journal.wait_for_arrival("keys", 20)
    await caller.local.aclose()
    made = await asyncio.gather(*creating)
    assert len({key["api_key"] for key in made}) == 20


async def test_a_client_that_goes_away_leaves_no_call_behind(caller: Caller):
    caller.local.faults.hang("exchange")
    waiting = [asyncio.create_task(caller.exchange()) for _ in range(50)]
    await caller.local.journal.wait_for_arrival("exchange", 50)
    for call in waiting:
        call.cancel()
    await caller.local.journal.wait_for("exchange", 50)
    assert {entry.status for entry in caller.local.journal.entries} == {None}


async def test_an_address_that_cannot_be_had_is_a_configuration_error():
    async with LocalScope() as local:
        port = int(local.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigurationError, match=str(port)):
            await LocalScope(port=port).start()
    for port in (70_000, -1):
        with pytest.raises(ConfigurationError, match=str(port)):
            LocalScope(port=port)


@pytest.mark.parametrize("token_ttl", [0, -1, float("nan")])
def test_a_token_lives_for_some_time(token_ttl):
    with pytest.raises(ConfigurationError, match="token_ttl"):
        LocalScope(token_ttl=token_ttl)


async def test_nothing_is_known_before_the_start_and_nothing_is_done_after_the_end():
    local = LocalScope()
    for name in ("url", "org_id", "credentials"):
        with pytest.raises(ConfigurationError, match="not been started"):
            getattr(local, name)
    await local.start()
    await local.aclose()
    with pytest.raises(ServerError, match="closed"):
        await local.add_prompt("greeting", "x")


async def test_every_interface_is_reached_by_the_loopback_address(session):
    async with LocalScope(host="0.0.0.0") as local:
        assert local.url.startswith("http://127.0.0.1:")
        assert (await Caller(local, session).send("GET", "/healthz")).status == 200


async def test_reset_begins_anew_at_the_same_url_with_the_same_credentials(session):
    async with LocalScope(prompts={"greeting": "Hello"}) as local:
        caller = Caller(local, session)
        url, credentials, admin_token = local.url, local.credentials, local.admin_token
        token = await caller.token()
        other = await local.create_key("other")
        other_token = await caller.token(other)
        await local.add_prompt("greeting", "changed")
        await local.add_prompt("more", "x")
        await local.revoke_key(credentials.api_key)
        for _ in range(PER_KEY):
            await caller.exchange(client_secret="wrong")
        local.faults.status("any", 503)
        await local.reset()
        assert (local.url, local.credentials, local.admin_token) == (url, credentials, admin_token)
        assert (local.journal.entries, local.faults.active) == ((), ())
        assert (await caller.prompt(token)).json["content"] == "Hello"
        assert (await caller.prompt(token, "more/latest")).status == 404
        assert (await caller.prompt(other_token)).status == 401
        assert (await caller.exchange(other)).status == 401
        assert (await caller.exchange()).status == 200
        keys = (await caller.admin("GET", "/api/v1/api-keys")).json["data"]
        assert [key["api_key"] for key in keys] == [credentials.api_key]
