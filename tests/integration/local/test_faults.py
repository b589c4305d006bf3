"""Faults of Local Scope, each as a client meets it on the wire."""

from __future__ import annotations

import asyncio

import aiohttp
import jwt
import pytest

from scope_async.errors import ValidationError
from scope_async.local import Fault, LocalScope
from scope_async.local.faults.spec import OVERSIZED
from tests.integration.local.raw_client import LOGIN, SDK_TOKEN, Caller


@pytest.fixture
async def token(caller: Caller) -> str:
    await caller.local.add_prompt("greeting", "Hello, {{name}}!")
    return await caller.token()


async def raw(local: LocalScope, request: str) -> tuple[bytes, type[Exception] | None]:
    """Send bytes on a connection of its own; return what came until the end, and how it ended."""
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
    return f"GET /api/v1/prompts/{path} HTTP/1.1\nHost: x\nAuthorization: Bearer {token}\n\n"


async def test_a_status_is_for_the_next_calls_of_its_operation_only(caller: Caller, token):
    fault = caller.local.faults.status("prompt", 503, times=2, retry_after=7)
    assert (await caller.exchange()).status == 200
    assert (await caller.admin("GET", "/api/v1/api-keys")).status == 200
    first, second, third = [await caller.prompt(token) for _ in range(3)]
    assert [answer.status for answer in (first, second, third)] == [503, 503, 200]
    assert first.headers["Retry-After"] == "7"
    assert first.headers["X-Request-ID"]
    assert first.code == "unavailable"
    assert (fault.hits, fault.left) == (2, 0)
    assert caller.local.faults.active == ()


async def test_a_retry_after_may_be_a_date_and_a_redirect_has_its_header(caller: Caller, token):
    caller.local.faults.status("prompt", 429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", times=1)
    caller.local.faults.status("prompt", 302, headers={"Location": "https://example.com/"}, times=1)
    limited, moved = [
        await caller.send("GET", "/api/v1/prompts/greeting/latest", token=token, allow_redirects=False)
        for _ in range(2)
    ]
    assert (limited.status, limited.headers["Retry-After"]) == (429, "Wed, 21 Oct 2026 07:28:00 GMT")
    assert (moved.status, moved.headers["Location"]) == (302, "https://example.com/")


async def test_any_is_every_operation_but_not_the_controls(caller: Caller, token):
    caller.local.faults.status("any", 500)
    assert (await caller.exchange()).status == 500
    assert (await caller.prompt(token)).status == 500
    assert (await caller.admin("GET", "/api/v1/api-keys")).status == 500
    assert (await caller.send("GET", "/healthz")).status == 200
    assert (await caller.admin("DELETE", "/local/faults")).status == 200
    assert (await caller.prompt(token)).status == 200


async def test_faults_are_served_in_the_order_in_which_they_were_added(caller: Caller, token):
    for status in (500, 429, 503):
        caller.local.faults.status("prompt", status, times=1)
    assert [(await caller.prompt(token)).status for _ in range(4)] == [500, 429, 503, 200]


async def test_a_fault_may_last_for_a_time_of_the_clock(caller: Caller, token):
    caller.local.faults.status("prompt", 503, lasting=60)
    assert (await caller.prompt(token)).status == 503
    caller.local.clock.advance(60)
    assert (await caller.prompt(token)).status == 200


async def test_a_fault_ends_with_its_block_and_can_be_removed(caller: Caller, token):
    with caller.local.faults.unauthorized():
        refused = await caller.prompt(token)
        assert (refused.status, refused.code) == (401, "invalid_token")
    assert (await caller.prompt(token)).status == 200
    fault = caller.local.faults.status("prompt", 503)
    fault.remove()
    fault.remove()
    assert (await caller.prompt(token)).status == 200


async def test_a_seed_makes_chance_repeatable(caller: Caller, token):
    async def draw(seed: int) -> list[int]:
        with caller.local.faults.status("prompt", 503, probability=0.5, seed=seed):
            return [(await caller.prompt(token)).status for _ in range(24)]

    first = await draw(7)
    assert set(first) == {200, 503}
    assert first == await draw(7)
    assert first != await draw(8)


async def test_latency_follows_the_clock(caller: Caller, token):
    caller.local.faults.latency("prompt", 1800)
    waiting = asyncio.create_task(caller.prompt(token))
    await caller.local.journal.wait_for_arrival("prompt")
    assert caller.local.journal.count("prompt") == 0
    caller.local.clock.advance(1799)
    assert not (await asyncio.wait((waiting,), timeout=0.01))[0]
    caller.local.clock.advance(1)
    assert (await waiting).status == 200


async def test_latency_is_drawn_from_its_range_and_adds_up(local: LocalScope):
    local.faults.latency("prompt", (1, 3), seed=1)
    local.faults.latency("any", 10)
    delays = [local.faults.plan("prompt", "/").delay for _ in range(20)]
    assert all(11 <= delay <= 13 for delay in delays)
    assert len(set(delays)) == 20


async def test_latency_comes_before_another_fault(caller: Caller, token):
    caller.local.faults.latency("prompt", 1800, times=1)
    caller.local.faults.status("prompt", 503, times=1)
    waiting = asyncio.create_task(caller.prompt(token))
    await caller.local.journal.wait_for_arrival("prompt")
    caller.local.clock.advance(1800)
    assert (await waiting).status == 503


async def test_drop_before_closes_without_a_byte_after_the_call_was_carried_out(caller: Caller, token):
    caller.local.faults.drop("prompt")
    assert await raw(caller.local, get(token)) == (b"", None)
    caller.local.faults.drop("keys")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.new_key("made all the same")
    names = [key["name"] for key in (await caller.local.export_state())["api_keys"]]
    assert "made all the same" in names
    assert {entry.status for entry in caller.local.journal.entries[1:]} == {None}


async def test_drop_in_the_middle_sends_half_of_the_reply(caller: Caller, token):
    whole = (await caller.prompt(token)).body
    caller.local.faults.drop("prompt", "middle")
    received, _ = await raw(caller.local, get(token))
    head, _, half = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(whole)}".encode() in head
    assert half == whole[: len(whole) // 2]


async def test_reset_is_a_reset_and_the_call_is_not_carried_out(caller: Caller, token):
    caller.local.faults.reset("any")
    assert await raw(caller.local, get(token)) == (b"", ConnectionResetError)
    with pytest.raises(aiohttp.ClientOSError):
        await caller.new_key()
    assert len((await caller.local.export_state())["api_keys"]) == 1


async def test_hang_never_answers_and_ends_with_the_client(caller: Caller, token):
    caller.local.faults.hang("prompt", times=1)
    waiting = asyncio.create_task(caller.prompt(token))
    await caller.local.journal.wait_for_arrival("prompt")
    caller.local.clock.advance(1e6)
    assert not (await asyncio.wait((waiting,), timeout=0.01))[0]
    waiting.cancel()
    entry = await caller.local.journal.wait_for("prompt")
    assert (entry.status, entry.fault) == (None, "hang")
    assert (await caller.prompt(await caller.token())).status == 200


@pytest.mark.parametrize("body", ["html", "empty", "list", "missing", "error", "truncated", "binary"])
async def test_a_malformed_body_is_200_and_not_what_was_asked_for(caller: Caller, token, body):
    whole = (await caller.prompt(token)).body
    caller.local.faults.malformed("any", body, times=2)
    answers = [await caller.prompt(token), await caller.exchange()]
    for answer in answers:
        assert answer.status == 200
        assert b"access_token" not in answer.body or body == "truncated"
        assert b'"variables"' not in answer.body or body == "truncated"
    if body == "truncated":
        assert answers[0].body == whole[: len(whole) // 2]


async def test_an_oversized_body_is_as_large_as_asked_for(caller: Caller, token):
    caller.local.faults.oversized("prompt", times=1)
    caller.local.faults.oversized("prompt", 1000, times=1)
    assert len((await caller.prompt(token)).body) == OVERSIZED
    small = await caller.prompt(token)
    assert len(small.body) == 1000
    assert small.json.keys() == {"content"}


async def test_an_expired_token_is_refused_at_once(caller: Caller, token):
    caller.local.faults.expired_token(times=1)
    answer = await caller.exchange()
    assert (answer.status, answer.json["expires_in"]) == (200, 0)
    assert (await caller.prompt(answer.json["access_token"])).code == "token_expired"
    assert (await caller.prompt(await caller.token())).status == 200


async def test_the_same_token_again_has_less_life_left(caller: Caller, token):
    caller.local.faults.same_token()
    caller.local.clock.advance(3000)
    answer = await caller.exchange()
    assert answer.json["access_token"] == token
    assert answer.json["expires_in"] == pytest.approx(600, abs=5)
    other = await caller.local.create_key("other")
    assert (await caller.exchange(other)).json["access_token"] != token


@pytest.mark.parametrize("seconds", [5, 1e6, -1, None])
async def test_expires_in_may_be_wrong_or_absent(caller: Caller, seconds):
    caller.local.faults.expires_in(seconds, times=1)
    document = (await caller.exchange()).json
    assert document.get("expires_in", "absent") == ("absent" if seconds is None else seconds)
    claims = jwt.decode(document["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == pytest.approx(3600)


@pytest.mark.parametrize(
    ("unknown", "gone", "there"), [("login", LOGIN, SDK_TOKEN), ("sdk-token", SDK_TOKEN, LOGIN)]
)
async def test_one_dialect_may_be_unknown(caller: Caller, unknown, gone, there):
    caller.local.faults.dialect(unknown)
    for _ in range(2):
        assert (await caller.exchange(dialect=gone)).status == 404
        assert (await caller.exchange(dialect=there)).status == 200


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("exchange:latency=1.5", Fault("exchange", "latency", 1.5)),
        ("any:latency=0.1-0.3", Fault("any", "latency", (0.1, 0.3))),
        (
            "prompt:status=503,retry_after=2,times=5",
            Fault("prompt", "status", 503, retry_after="2", times=5),
        ),
        (
            "keys:drop=middle,probability=0.1,seed=7,lasting=60",
            Fault("keys", "drop", "middle", probability=0.1, seed=7, lasting=60),
        ),
        ("prompt:hang", Fault("prompt", "hang")),
        ("prompt:oversized", Fault("prompt", "oversized", OVERSIZED)),
        ("exchange:expires_in=none", Fault("exchange", "expires_in")),
        ("exchange:dialect=sdk-token", Fault("exchange", "dialect", "sdk-token")),
    ],
)
def test_a_fault_can_be_written_as_text_and_as_json(text, fault):
    assert Fault.parse(text) == fault
    assert Fault.from_document(fault.document()) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prompt",
        "prompt:",
        "prompt:explode",
        "prompts:hang",
        "prompt:status",
        "prompt:status=abc",
        "prompt:status=99",
        "prompt:status=200.5",
        "prompt:latency",
        "prompt:latency=-1",
        "prompt:latency=3-1",
        "prompt:latency=nan",
        "prompt:hang=1",
        "prompt:drop=after",
        "prompt:malformed=xml",
        "prompt:oversized=0",
        "prompt:status=503,times=0",
        "prompt:status=503,probability=2",
        "prompt:status=503,often=1",
        "prompt:expired_token",
        "keys:same_token",
        "exchange:dialect=oauth",
    ],
)
def test_a_fault_that_does_not_exist_is_refused_in_its_own_words(text):
    with pytest.raises(ValidationError) as refused:
        Fault.parse(text)
    assert repr(text) in str(refused.value)
