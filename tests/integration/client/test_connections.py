"""What arrives on a connection when no request asked for it, and connections that end under a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from yarl import URL

from scope_async import ConnectionError, ScopeError, ServerError
from scope_async._core.clock import SystemClock
from scope_async.auth.exchange import HttpExchange
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.http.decoding import read_object
from scope_async.http.messages import Request, request_headers
from scope_async.http.transport import Transport
from tests.fakes.raw_server import RawConnection, RawServer, raw_server, response


class Caller:
    """Calls a raw server through the transport, each time for another path."""

    def __init__(self, server: RawServer, transport: Transport) -> None:
        self.server = server
        self.transport = transport

    async def get(self, path: str, *, max_retries: int = 0) -> Any:
        request = Request(
            operation="test", method="GET", url=URL(self.server.url + path), headers=request_headers()
        )
        return (await self.transport.call(request, read_object, max_retries=max_retries))["for"]

    async def post(self, path: str, *, idempotent: bool) -> Any:
        request = Request(
            operation="test",
            method="POST",
            url=URL(self.server.url + path),
            headers=request_headers(),
            body=b"{}",
            idempotent=idempotent,
        )
        return (await self.transport.call(request, read_object, max_retries=0))["for"]


@asynccontextmanager
async def calling(handle, **options: Any) -> AsyncIterator[Caller]:
    async with raw_server(handle) as server:
        config = Config(base_url=server.url, auth_api_url=server.url, **{"timeout": 5, **options})
        transport = Transport(config, clock=SystemClock(), max_connections=5)
        try:
            yield Caller(server, transport)
        finally:
            await transport.aclose()


def path_of(request: bytes) -> str:
    return request.split()[1].decode()


def answer(request: bytes) -> bytes:
    return response({"for": path_of(request)})


FORGED = response({"for": "/forged"})

UNASKED = {
    "a second reply": (FORGED, b""),
    "two more replies": (FORGED * 2, b""),
    "the head of a reply": (FORGED[:50], b""),
    "the head of a reply, whose rest comes later": (FORGED[:50], FORGED[50:]),
    "the first byte of a reply": (FORGED[:1], FORGED[1:]),
    "a reply but for its last byte": (FORGED[:-1], FORGED[-1:]),
    "an empty line": (b"\r\n", b""),
    "garbage": (b"\0\xff garbage", b""),
    "a reply without an end": (b"HTTP/1.1 200 OK\r\n\r\n{", b""),
    "an interim reply": (b"HTTP/1.1 103 Early Hints\r\n\r\n", b""),
    "a chunked reply": (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{"for": "/forged"}\r\n0\r\n\r\n',
        b"",
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
}


CASES = [
    pytest.param(unasked, when, id=f"{name}, {when}")
    for name, unasked in UNASKED.items()
    for when in ("with the reply", "at once after it", "while idle")
    # Together with a reply, an empty line is allowed (RFC 9112 section 2.2), and garbage spoils it.
    if when == "while idle" or name not in ("an empty line", "garbage")
]


@pytest.mark.parametrize(("unasked", "when"), CASES)
async def test_unrequested_bytes_are_never_an_answer(unasked, when) -> None:
    before, after = unasked
    idle = asyncio.Event()

    async def handle(connection: RawConnection) -> None:
        request = await connection.request()
        if when == "with the reply":
            await connection.send(answer(request) + before)
        else:
            await connection.send(answer(request))
            if when == "while idle":
                await idle.wait()
            await connection.send(before)
        while request := await connection.request():
            await connection.send(after + answer(request))

    async with calling(handle) as caller:
        for number in range(6):
            assert await caller.get(f"/{number}") == f"/{number}"
            idle.set()
            if when == "while idle":
                await asyncio.sleep(0.02)
            idle.clear()
        assert len(caller.server.connections) > 1


@pytest.mark.parametrize("garbage", [b"\0\xff", b"garbage\r\n\r\n", b"HTTP/9.9 what\r\n"])
async def test_reply_with_garbage_behind_it_is_its_answer_or_an_error(garbage) -> None:
    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            await connection.send(answer(request) + garbage)

    async with calling(handle) as caller:
        for number in range(4):
            try:
                assert await caller.get(f"/{number}") == f"/{number}"
            except ServerError as error:
                assert "not HTTP" in str(error)


async def test_reply_that_the_event_loop_has_not_read_yet_is_no_answer() -> None:
    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            await connection.send(answer(request))
            if connection.number == 1:
                loop.call_later(0.05, connection._writer.write, FORGED)

    loop = asyncio.get_running_loop()
    async with calling(handle) as caller:
        assert await caller.get("/1") == "/1"
        sent = loop.create_future()
        loop.call_later(0.1, sent.set_result, None)
        # Both in one turn of the loop: the reply is in the kernel when the next request is made.
        connection = caller.server.connections[0]
        connection._writer.write(FORGED)
        assert await caller.get("/2") == "/2"
        assert len(caller.server.connections) == 2
        await sent


async def test_connection_on_which_nothing_else_arrives_is_reused() -> None:
    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            await connection.send(answer(request))

    async with calling(handle) as caller:
        for number in range(5):
            assert await caller.get(f"/{number}") == f"/{number}"
            await asyncio.sleep(0)
        assert len(caller.server.connections) == 1


async def test_unrequested_token_reply_is_no_token() -> None:
    def token(value: str) -> bytes:
        return response({"access_token": value, "expires_in": 60})

    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            await connection.send(token(body["client_id"]) + token("somebody-else"))

    async with calling(handle) as caller:
        exchange = HttpExchange(caller.transport._config, caller.transport)
        for key in ("key_1", "key_2", "key_3"):
            found = await exchange(ApiKeyCredentials("org_1", key, "secret_1"))
            assert found.value == key
            await asyncio.sleep(0)


def cut(how: str):
    """Return a server that ends each connection under its second request."""

    async def handle(connection: RawConnection) -> None:
        request = await connection.request()
        if not request:
            return
        await connection.send(answer(request))
        if not await connection.request():
            return
        if how == "reset":
            connection.abort()
        elif how == "garbage of an older reply":
            await connection.send(b"rest of something else\r\n\r\n")
            await connection.closed()

    return handle


@pytest.mark.parametrize("how", ["close", "reset", "garbage of an older reply"])
async def test_kept_alive_connection_that_ends_under_a_request_is_no_failure(how) -> None:
    async with calling(cut(how)) as caller:
        for number in range(4):
            assert await caller.get(f"/{number}") == f"/{number}"


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_all_kept_alive_connections_may_end_under_requests(how) -> None:
    async with calling(cut(how)) as caller:
        for _ in range(3):
            paths = [f"/{number}" for number in range(5)]
            assert await asyncio.gather(*map(caller.get, paths)) == paths


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_idempotent_post_is_sent_again_at_once_and_another_one_is_not(how) -> None:
    async with calling(cut(how)) as caller:
        assert await caller.post("/1", idempotent=True) == "/1"
        assert await caller.post("/2", idempotent=True) == "/2"
        with pytest.raises(ConnectionError):
            await caller.post("/3", idempotent=False)


async def test_request_is_sent_again_at_once_only_once() -> None:
    requests = []

    async def handle(connection: RawConnection) -> None:
        requests.append(await connection.request())

    async with calling(handle) as caller:
        with pytest.raises(ConnectionError):
            await caller.post("/1", idempotent=True)
        assert len(requests) == 2


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\n", response({"for": "/"})[:-3]], ids=["in the head", "in the body"]
)
async def test_reply_that_is_cut_off_is_no_cut_before_it(part) -> None:
    requests = []

    async def handle(connection: RawConnection) -> None:
        requests.append(await connection.request())
        await connection.send(part)

    async with calling(handle) as caller:
        with pytest.raises(ScopeError):
            await caller.post("/1", idempotent=True)
        assert len(requests) == 1


async def test_exchange_survives_a_kept_alive_connection_that_ends_under_it() -> None:
    async def handle(connection: RawConnection) -> None:
        if await connection.request():
            await connection.send(response({"access_token": f"token-{connection.number}"}))
            await connection.request()

    async with calling(handle) as caller:
        exchange = HttpExchange(caller.transport._config, caller.transport)
        credentials = ApiKeyCredentials("org_1", "key_1", "secret_1")
        assert [(await exchange(credentials)).value for _ in range(3)] == ["token-1", "token-2", "token-3"]
