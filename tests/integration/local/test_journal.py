"""The journal of Local Scope."""

from __future__ import annotations

import asyncio
import builtins
from collections import deque

import pytest

from scope_async.errors import TimeoutError
from tests.integration.local.raw_client import Caller


async def test_every_request_is_there_before_its_reply(caller: Caller):
    local = caller.local
    await local.add_prompt("greeting", "x")
    token = (await caller.exchange()).json["access_token"]
    assert local.journal.count("exchange") == 1
    await caller.send(
        "GET", "/api/v1/prompts/greeting/latest?q=1", token=token, headers={"X-Request-ID": "r-1"}
    )
    await caller.exchange(client_secret="wrong")
    await caller.exchange(client_id="key_unknown")
    await caller.send("GET", "/nowhere")
    exchange, prompt, refused, unknown, nowhere = local.journal.entries
    assert (exchange.operation, exchange.method, exchange.status) == ("exchange", "POST", 200)
    assert exchange.api_key == local.credentials.api_key
    assert (prompt.operation, prompt.request_id, prompt.status) == ("prompt", "r-1", 200)
    assert (prompt.api_key, prompt.path) == (exchange.api_key, "/api/v1/prompts/greeting/latest")
    assert (refused.status, refused.code, refused.api_key) == (401, "invalid_credentials", exchange.api_key)
    assert (unknown.status, unknown.api_key) == (401, None)
    assert (nowhere.operation, nowhere.status) == ("unknown", 404)
    assert exchange.at <= prompt.at <= local.clock.time()
    assert local.journal.count("any") == local.journal.count() == 4
    assert local.journal.count("exchange", status=401) == 2
    assert local.journal.count("any", api_key=exchange.api_key) == 3
    assert local.journal.count("keys") == 0


async def test_waiting_returns_when_there_have_been_enough(caller: Caller):
    waiting = asyncio.create_task(caller.local.journal.wait_for("exchange", 3))
    for _ in range(3):
        assert not waiting.done()
        await caller.exchange()
    assert (await waiting) == caller.local.journal.entries[-1]
    assert (await caller.local.journal.wait_for("any", 2)).operation == "exchange"


async def test_waiting_in_vain_says_what_there_was_instead(caller: Caller):
    await caller.exchange()
    with pytest.raises(TimeoutError, match=r"0 of 1 prompt requests.*'exchange': 1") as failed:
        await caller.local.journal.wait_for("prompt", timeout=0.001)
    assert isinstance(failed.value, builtins.TimeoutError)


async def test_clearing_starts_the_count_anew(caller: Caller):
    await caller.exchange()
    caller.local.journal.clear()
    assert caller.local.journal.entries == ()
    assert caller.local.journal.count() == caller.local.journal.arrivals() == 0
    await caller.exchange()
    assert caller.local.journal.count("exchange") == caller.local.journal.arrivals("exchange") == 1


async def test_unexpected_calls_fail_the_test(caller: Caller):
    await caller.local.add_prompt("greeting", "x")
    token = await caller.token()
    with caller.local.journal.only():
        await caller.prompt(token)
        with caller.local.faults.status("prompt", 404):
            await caller.prompt(token, "nope/latest")
    with pytest.raises(AssertionError, match="nope/latest"), caller.local.journal.only():
        await caller.prompt(token, "nope/latest")
    with pytest.raises(AssertionError, match="/v2/nothing"), caller.local.journal.only():
        await caller.send("GET", "/v2/nothing")
    with caller.local.journal.only("prompt"):
        await caller.prompt(token)
    with pytest.raises(AssertionError, match="unexpected POST"), caller.local.journal.only("prompt"):
        await caller.exchange()
    assert [entry.status for entry in caller.local.journal.unexpected] == [404, 404]


async def test_an_error_in_the_block_comes_out_as_itself(caller: Caller):
    with pytest.raises(KeyError), caller.local.journal.only():
        raise KeyError((await caller.send("GET", "/v2/nothing")).status)


async def test_old_entries_go_and_the_count_stays(caller: Caller):
    caller.local.journal._lines = deque(maxlen=5)
    with caller.local.journal.only("health"):
        for _ in range(12):
            await caller.send("GET", "/healthz")
    assert len(caller.local.journal.entries) == 5
    assert caller.local.journal.count("health") == 12
    with pytest.raises(AssertionError), caller.local.journal.only("health"):
        await caller.send("GET", "/nowhere")


async def test_a_secret_in_an_address_is_masked(caller: Caller):
    secret, token = caller.local.credentials.api_secret, await caller.token()
    for private in (secret, token, caller.local.admin_token):
        await caller.send("GET", f"/v1/{private}")
        await caller.exchange(client_id=private)
        assert private not in repr(caller.local.journal.entries)
    assert caller.local.journal.entries[1].path == "/v1/(masked)"
