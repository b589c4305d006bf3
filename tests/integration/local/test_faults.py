"""Faults of Local Scope as a client sees them on the wire."""

from __future__ import annotations

import asyncio

import aiohttp
import jwt
import pytest

from scope_async.local import LocalScope
from scope_async.local.faults.spec import OVERSIZED
from tests.integration.local.raw_client import LOGIN, SDK_TOKEN, RawClient


@pytest.fixture
async def token(raw_client: RawClient) -> str:
    await raw_client.local.add_prompt("greeting", "Hello, {{name}}!")
    return await raw_client.token()


async def raw(local: LocalScope, request: str) -> tuple[bytes, type[Exception] | None]:
    """Send bytes on a new connection; return what was received and the error that ended it, if any."""
    port = int(local.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace("\n", "\r\n").encode())
    received = b""
    try:
        while chunk := await reader.read(65_536):
            received += chunk
    except ConnectionError as error:
        return received, type(error)
    finally:
        writer.close()
    return received, None


def get(token: str, path: str = "greeting/production") -> str:
    return f"GET /api/v1/prompts/{path} HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n\n"


async def test_status_hits_the_next_requests_of_its_operation_only(raw_client: RawClient, token):
    fault = raw_client.local.faults.status("prompt", 503, times=2, retry_after=7)
    assert (await raw_client.exchange()).status == 200
    assert (await raw_client.admin("GET", "/api/v1/api-keys")).status == 200
    first, second, third = [await raw_client.prompt(token) for _ in range(3)]
    assert [answer.status for answer in (first, second, third)] == [503, 503, 200]
    assert first.headers["Retry-After"] == "7"
    assert first.headers["X-Request-ID"]
    assert first.code == "unavailable"
    assert (fault.hits, fault.left) == (2, 0)
    assert raw_client.local.faults.active == ()


async def test_status_takes_a_retry_after_date_and_headers(raw_client: RawClient, token):
    raw_client.local.faults.status("prompt", 429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", times=1)
    raw_client.local.faults.status("prompt", 302, headers={"Location": "https://example.com/"}, times=1)
    limited, moved = [
        await raw_client.send("GET", "/api/v1/prompts/greeting/latest", token=token, allow_redirects=False)
        for _ in range(2)
    ]
    assert (limited.status, limited.headers["Retry-After"]) == (429, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert (moved.status, moved.headers["Location"]) == (302, "https://example.com/")


async def test_any_hits_every_operation_except_control(raw_client: RawClient, token):
    raw_client.local.faults.status("any", 500)
    assert (await raw_client.exchange()).status == 500
    assert (await raw_client.prompt(token)).status == 500
    assert (await raw_client.admin("GET", "/api/v1/api-keys")).status == 500
    assert (await raw_client.send("GET", "/healthz")).status == 200
    assert (await raw_client.admin("DELETE", "/local/faults")).status == 200
    assert (await raw_client.prompt(token)).status == 200


async def test_faults_are_served_in_the_order_in_which_they_were_added(raw_client: RawClient, token):
    for status in (500, 429, 503):
        raw_client.local.faults.status("prompt", status, times=1)
    assert [(await raw_client.prompt(token)).status for _ in range(4)] == [500, 429, 503, 200]


async def test_fault_lasts_for_seconds_of_the_clock(raw_client: RawClient, token):
    raw_client.local.faults.status("prompt", 503, lasting=60)
    assert (await raw_client.prompt(token)).status == 503
    raw_client.local.clock.advance(60)
    assert (await raw_client.prompt(token)).status == 200


async def test_fault_ends_with_its_block_or_by_remove(raw_client: RawClient, token):
    with raw_client.local.faults.unauthorized():
        refused = await raw_client.prompt(token)
        assert (refused.status, refused.code) == (401, "invalid_token")
    assert (await raw_client.prompt(token)).status == 200
    fault = raw_client.local.faults.status("prompt", 503)
    fault.remove()
    fault.remove()
    assert (await raw_client.prompt(token)).status == 200


async def test_seed_makes_probability_repeatable(raw_client: RawClient, token):
    async def draw(seed: int) -> list[int]:
        with raw_client.local.faults.status("prompt", 503, probability=0.5, seed=seed):
            return [(await raw_client.prompt(token)).status for _ in range(24)]

    first = await draw(7)
    assert set(first) == {200, 503}
    assert first == await draw(7)
    assert first != await draw(8)


async def test_latency_follows_the_clock(raw_client: RawClient, token):
    raw_client.local.faults.latency("prompt", 1800)
    waiting = asyncio.create_task(raw_client.prompt(token))
    await raw_client.local.journal.wait_for_arrival("prompt")
    assert raw_client.local.journal.count("prompt") == 0
    raw_client.local.clock.advance(1799)
    assert not (await asyncio.wait((waiting,), timeout=0.01))[0]
    raw_client.local.clock.advance(1)
    assert (await waiting).status == 200


async def test_latency_is_drawn_from_its_range_and_adds_up(local: LocalScope):
    local.faults.latency("prompt", (1, 3), seed=1)
    local.faults.latency("any", 10)
    delays = [local.faults.plan("prompt", "/").delay for _ in range(20)]
    assert all(11 <= delay <= 13 for delay in delays)
    assert len(set(delays)) == 20


async def test_latency_comes_before_another_fault(raw_client: RawClient, token):
    raw_client.local.faults.latency("prompt", 1800, times=1)
    raw_client.local.faults.status("prompt", 503, times=1)
    waiting = asyncio.create_task(raw_client.prompt(token))
    await raw_client.local.journal.wait_for_arrival("prompt")
    raw_client.local.clock.advance(1800)
    assert (await waiting).status == 503


async def test_drop_before_handles_the_request_and_closes_without_a_byte(raw_client: RawClient, token):
    raw_client.local.faults.drop("prompt")
    assert await raw(raw_client.local, get(token)) == (b"", None)
    raw_client.local.faults.drop("keys")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await raw_client.new_key("made all the same")
    names = [key["name"] for key in (await raw_client.local.export_state())["api_keys"]]
    assert "made all the same" in names
    assert {entry.status for entry in raw_client.local.journal.entries[1:]} == {None}


async def test_drop_in_the_middle_sends_half_of_the_reply(raw_client: RawClient, token):
    whole = (await raw_client.prompt(token)).body
    raw_client.local.faults.drop("prompt", "middle")
    received, _ = await raw(raw_client.local, get(token))
    head, _, half = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(whole)}".encode() in head
    assert half == whole[: len(whole) // 2]


async def test_reset_resets_the_connection_instead_of_handling_the_request(raw_client: RawClient, token):
    raw_client.local.faults.reset("any")
    assert await raw(raw_client.local, get(token)) == (b"", ConnectionResetError)
    with pytest.raises(aiohttp.ClientOSError):
        await raw_client.new_key()
    assert len((await raw_client.local.export_state())["api_keys"]) == 1


async def test_hang_lasts_until_the_client_disconnects(raw_client: RawClient, token):
    raw_client.local.faults.hang("prompt", times=1)
    waiting = asyncio.create_task(raw_client.prompt(token))
    await raw_client.local.journal.wait_for_arrival("prompt")
    raw_client.local.clock.advance(1e6)
    assert not (await asyncio.wait((waiting,), timeout=0.01))[0]
    waiting.cancel()
    entry = await raw_client.local.journal.wait_for("prompt")
    assert (entry.status, entry.fault) == (None, "hang")
    assert (await raw_client.prompt(await raw_client.token())).status == 200


@pytest.mark.parametrize("body", ["html", "empty", "list", "missing", "error", "truncated", "binary"])
async def test_malformed_answers_200_with_a_wrong_body(raw_client: RawClient, token, body):
    whole = (await raw_client.prompt(token)).body
    raw_client.local.faults.malformed("any", body, times=2)
    answers = [await raw_client.prompt(token), await raw_client.exchange()]
    for answer in answers:
        assert answer.status == 200
        assert b"access_token" not in answer.body or body == "truncated"
        assert b'"variables"' not in answer.body or body == "truncated"
    if body == "truncated":
        assert answers[0].body == whole[: len(whole) // 2]


async def test_oversized_has_the_requested_size(raw_client: RawClient, token):
    raw_client.local.faults.oversized("prompt", times=1)
    raw_client.local.faults.oversized("prompt", 1000, times=1)
    assert len((await raw_client.prompt(token)).body) == OVERSIZED
    small = await raw_client.prompt(token)
    assert len(small.body) == 1000
    assert small.json.keys() == {"content"}


async def test_expired_token_is_refused_at_once(raw_client: RawClient, token):
    raw_client.local.faults.expired_token(times=1)
    answer = await raw_client.exchange()
    assert (answer.status, answer.json["expires_in"]) == (200, 0)
    assert (await raw_client.prompt(answer.json["access_token"])).code == "token_expired"
    assert (await raw_client.prompt(await raw_client.token())).status == 200


async def test_same_token_has_less_lifetime_left(raw_client: RawClient, token):
    raw_client.local.faults.same_token()
    raw_client.local.clock.advance(3000)
    answer = await raw_client.exchange()
    assert answer.json["access_token"] == token
    assert answer.json["expires_in"] == pytest.approx(600, abs=5)
    other = await raw_client.local.create_key("other")
    assert (await raw_client.exchange(other)).json["access_token"] != token


@pytest.mark.parametrize("seconds", [5, 1e6, -1, None])
async def test_expires_in_may_be_wrong_or_absent(raw_client: RawClient, seconds):
    raw_client.local.faults.expires_in(seconds, times=1)
    document = (await raw_client.exchange()).json
    assert document.get("expires_in", "absent") == ("absent" if seconds is None else seconds)
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == pytest.approx(3600)


@pytest.mark.parametrize(
    ("unknown", "gone", "there"), [("login", LOGIN, SDK_TOKEN), ("sdk-token", SDK_TOKEN, LOGIN)]
)
async def test_dialect_answers_404_to_one_dialect(raw_client: RawClient, unknown, gone, there):
    raw_client.local.faults.dialect(unknown)
    for _ in range(2):
        assert (await raw_client.exchange(dialect=gone)).status == 404
        assert (await raw_client.exchange(dialect=there)).status == 200
