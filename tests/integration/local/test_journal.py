"""The journal of Local Scope."""

from __future__ import annotations

import asyncio
import builtins
from collections import deque

import pytest

from scope_async.errors import TimeoutError
from tests.integration.local.raw_client import RawClient


async def test_journal_has_every_request_before_its_reply(raw_client: RawClient):
    local = raw_client.local
    await local.add_prompt("greeting", "x")
    token = (await raw_client.exchange()).json["access_token"]
    assert local.journal.count("exchange") == 1
    await raw_client.send(
        "GET", "/api/v1/prompts/greeting/latest?q=1", token=token, headers={"X-Request-ID": "r-1"}
    )
    await raw_client.exchange(client_secret="wrong")
    await raw_client.exchange(client_id="key_unknown")
    await raw_client.send("GET", "/nowhere")
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


async def test_wait_for_returns_after_n_requests(raw_client: RawClient):
    waiting = asyncio.create_task(raw_client.local.journal.wait_for("exchange", 3))
    for _ in range(3):
        assert not waiting.done()
        await raw_client.exchange()
    assert (await waiting) == raw_client.local.journal.entries[-1]
    assert (await raw_client.local.journal.wait_for("any", 2)).operation == "exchange"


async def test_wait_for_times_out_with_the_counts_so_far(raw_client: RawClient):
    await raw_client.exchange()
    with pytest.raises(TimeoutError, match=r"0 of 1 prompt requests.*'exchange': 1") as failed:
        await raw_client.local.journal.wait_for("prompt", timeout=0.001)
    assert isinstance(failed.value, builtins.TimeoutError)


async def test_clear_starts_the_counts_from_0(raw_client: RawClient):
    await raw_client.exchange()
    raw_client.local.journal.clear()
    assert raw_client.local.journal.entries == ()
    assert raw_client.local.journal.count() == raw_client.local.journal.arrivals() == 0
    await raw_client.exchange()
    assert raw_client.local.journal.count("exchange") == raw_client.local.journal.arrivals("exchange") == 1


async def test_only_fails_the_test_on_an_unexpected_request(raw_client: RawClient):
    await raw_client.local.add_prompt("greeting", "x")
    token = await raw_client.token()
    with raw_client.local.journal.only():
        await raw_client.prompt(token)
        with raw_client.local.faults.status("prompt", 404):
            await raw_client.prompt(token, "nope/latest")
    with pytest.raises(AssertionError, match="nope/latest"), raw_client.local.journal.only():
        await raw_client.prompt(token, "nope/latest")
    with pytest.raises(AssertionError, match="/v2/nothing"), raw_client.local.journal.only():
        await raw_client.send("GET", "/v2/nothing")
    with raw_client.local.journal.only("prompt"):
        await raw_client.prompt(token)
    with pytest.raises(AssertionError, match="unexpected POST"), raw_client.local.journal.only("prompt"):
        await raw_client.exchange()
    assert [entry.status for entry in raw_client.local.journal.unexpected] == [404, 404]


async def test_only_lets_an_error_of_its_block_pass(raw_client: RawClient):
    with pytest.raises(KeyError), raw_client.local.journal.only():
        raise KeyError((await raw_client.send("GET", "/v2/nothing")).status)


async def test_journal_drops_old_entries_and_keeps_their_count(raw_client: RawClient):
    raw_client.local.journal._lines = deque(maxlen=5)
    with raw_client.local.journal.only("health"):
        for _ in range(12):
            await raw_client.send("GET", "/healthz")
    assert len(raw_client.local.journal.entries) == 5
    assert raw_client.local.journal.count("health") == 12
    with pytest.raises(AssertionError), raw_client.local.journal.only("health"):
        await raw_client.send("GET", "/nowhere")


async def test_journal_masks_secrets_in_paths_and_request_ids(raw_client: RawClient):
    secret, token = raw_client.local.credentials.api_secret, await raw_client.token()
    for private in (secret, token, raw_client.local.admin_token):
        await raw_client.send("GET", f"/v1/{private}")
        await raw_client.exchange(client_id=private)
        assert private not in repr(raw_client.local.journal.entries)
    assert raw_client.local.journal.entries[1].path == "/v1/(masked)"
