"""What a service, a proxy or a firewall echoes, and what aiohttp keeps: none of it reaches an error."""

from __future__ import annotations

import base64
import gc
import html
import json
import logging
import traceback
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from scope_async import ApiKeyAdmin, ApiKeyCredentials, ScopeClient, ScopeError, TokenSource
from scope_async._core.clock import SystemClock
from scope_async.config import Config
from scope_async.http.messages import Request, request_headers
from scope_async.http.transport import Transport
from scope_async.telemetry.events import Event
from tests.fakes.raw_server import RawConnection, raw_server, response

SECRET = "secret_Zk+9/qT=7xR2&w8LmNp3"
CREDENTIALS = ApiKeyCredentials("org_1", "key_01XYZ789", SECRET)
TOKEN = "opaque+token/of=the-API.4711"
ADMIN = "admin+token/of=the-API.0815"


def spellings(secret: str) -> list[str]:
    """Return every form in which a secret may be found, and its longer parts."""
    pair = f"key_01XYZ789:{secret}"
    whole = [
        secret,
        json.dumps(secret)[1:-1],
        secret.replace("/", "\\/"),
        secret.replace("+", "\\u002B").replace("=", "\\u003D").replace("/", "\\u002F"),
        quote(secret, safe=""),
        html.escape(secret),
        *(base64.b64encode(text.encode()).decode().rstrip("=")[:-1] for text in (secret, pair)),
    ]
    return whole + [secret[start : start + 8] for start in range(len(secret) - 7)]


ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: f"got {secret}",
    "escaped slash": lambda secret: f"got {secret}".replace("/", "\\/"),
    "escaped signs": lambda secret: secret.replace("+", "\\u002B").replace("=", "\\u003d"),
    "quoted": lambda secret: f"/login?client_secret={quote(secret, safe='')}",
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "pair": lambda secret: "Basic " + base64.b64encode(f"key_01XYZ789:{secret}".encode()).decode(),
    "cut": lambda secret: f"{secret[:12]}… is wrong",
    "end": lambda secret: f"…{secret[-12:]} is wrong",
    "page": lambda secret: f"<html><pre>{html.escape(secret)}</pre></html>",
    "lines": lambda secret: f"x\r\n2026-01-01 CRITICAL {secret}\x1b[31m\u202e",
}


def everything_shown(error: BaseException) -> str:
    """Return what anyone can reach from an error: texts, attributes, notes, causes, frames with locals."""
    parts = []
    frames = error.__traceback__
    while (
        frames is not None and "scope_async" not in frames.tb_frame.f_code.co_filename.rpartition("tests")[2]
    ):
        frames = frames.tb_next
    shown = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    parts += [*shown.format(), repr(error), repr(vars(error)), repr(error.args)]
    for other in (error.__cause__, error.__context__):
        if other is not None:
            assert not isinstance(other, aiohttp.ClientError)
            parts.append(everything_shown(other))
    return "\n".join(parts)


def assert_hidden(error: ScopeError, *secrets: str, log: str = "", events: Sequence[Event] = ()) -> None:
    shown = everything_shown(error) + log + repr(events)
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in shown
    for text in (error.message, error.error_code, error.request_id, getattr(error, "http_body", None)):
        assert text is None or text.isprintable()


def replies(text: str) -> dict[str, bytes]:
    """Return replies that have `text` in each place."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').encode("unicode_escape").decode()
    header = text.encode("ascii", "replace").decode().replace("\r\n", " ").replace("\x1b", " ")
    raw = json.dumps(text).encode()
    return {
        "message": response({"code": "bad", "message": text}, 400),
        "code": response({"code": text, "message": "bad"}, 400),
        "raw message": response(
            b'{"message": "' + (raw[1:-1] if "\\" not in text else text.encode()) + b'"}', 400
        ),
        "error": response({"error": text}, 403),
        "error in error": response({"error": {"code": text, "message": text}}, 500),
        "page": response(text.encode(), 403, Content_Type="text/html"),
        "request id": response({"message": "bad"}, 400, X_Request_ID=header),
        "200": response({"message": text, "code": text}, 200),
        "200 page": response(text.encode(), 200),
        "200 list": response([text, inner], 200),
    }


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("place", list(replies("")))
async def test_secret_that_the_exchange_echoes_is_hidden(echo, place, caplog) -> None:
    async def handle(connection: RawConnection) -> None:
        while await connection.request():
            await connection.send(replies(ECHOES[echo](SECRET))[place])

    events: list[Event] = []
    caplog.set_level(logging.DEBUG)
    async with raw_server(handle) as server:
        tokens = TokenSource(
            CREDENTIALS, base_url=server.url, auth_api_url=server.url, hooks=[events.append], max_retries=0
        )
        async with tokens:
            with pytest.raises(ScopeError) as caught:
                await tokens.get()
    assert_hidden(caught.value, SECRET, log=caplog.text, events=events)


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("place", list(replies("")))
async def test_token_that_the_service_echoes_is_hidden(echo, place, caplog) -> None:
    async def handle(connection: RawConnection) -> None:
        while request := await connection.request():
            if b"/auth/" in request:
                await connection.send(response({"access_token": TOKEN, "expires_in": 600}))
            else:
                await connection.send(replies(ECHOES[echo](TOKEN))[place])

    events: list[Event] = []
    caplog.set_level(logging.DEBUG)
    async with raw_server(handle) as server:
        scope = ScopeClient(
            CREDENTIALS, base_url=server.url, auth_api_url=server.url, hooks=[events.append], max_retries=0
        )
        async with scope:
            with pytest.raises(ScopeError) as caught:
                await scope.get_prompt_version("greeting")
    assert_hidden(caught.value, SECRET, TOKEN, log=caplog.text, events=events)


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("place", list(replies("")))
async def test_admin_token_that_the_service_echoes_is_hidden(echo, place) -> None:
    async def handle(connection: RawConnection) -> None:
        while await connection.request():
            await connection.send(replies(ECHOES[echo](ADMIN))[place])

    async with raw_server(handle) as server, ApiKeyAdmin(server.url, ADMIN, max_retries=0) as admin:
        for call in (admin.get("key_1"), admin.create("billing"), anext(admin.list())):
            with pytest.raises(ScopeError) as caught:
                await call
            assert_hidden(caught.value, ADMIN)


@pytest.mark.parametrize(
    "reply",
    [
        {"message": "welcome eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrZXlfMSJ9.c2lnbmF0dXJl"},
        {"message": f"your token is {TOKEN}", "access_token": TOKEN, "expires_in": "soon"},
        {"token": TOKEN, "message": TOKEN},
        {"access_token": TOKEN, "token_type": "MAC"},
    ],
)
async def test_token_that_a_broken_success_holds_is_hidden(reply) -> None:
    async def handle(connection: RawConnection) -> None:
        while await connection.request():
            await connection.send(response(reply))

    async with raw_server(handle) as server:
        # Tried again until the caller's time is over, and told with what the attempt before failed with.
        tokens = TokenSource(CREDENTIALS, base_url=server.url, auth_api_url=server.url, timeout=0.5)
        async with tokens:
            with pytest.raises(ScopeError) as caught:
                await tokens.get()
    assert_hidden(caught.value, TOKEN)
    assert "eyJzdWIi" not in everything_shown(caught.value)


def broken(how: str):
    async def handle(connection: RawConnection) -> None:
        request = await connection.request()
        if how == "407":
            await connection.send(response({"message": "who?"}, 407, Proxy_Authenticate="Basic"))
        elif how == "tunnel refused":
            await connection.send(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        elif how == "no TLS behind the tunnel":
            await connection.send(b"HTTP/1.1 200 OK\r\n\r\nplain text, and not a handshake at all")
        elif how == "long header":
            await connection.send(
                b"HTTP/1.1 200 OK\r\nX-Echo: " + request.replace(b"\r\n", b" ") * 200 + b"\r\n\r\n"
            )
        elif how == "garbage":
            await connection.send(b"garbage\r\n\r\n" + request)
        elif how == "reset":
            connection.abort()

    return handle


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "how", ["407", "tunnel refused", "no TLS behind the tunnel", "long header", "garbage", "reset", "close"]
)
async def test_password_of_a_proxy_is_in_no_error(monkeypatch, scheme, how) -> None:
    password = "hunter2+pass"
    url = URL(f"{scheme}://scope.invalid/x")
    async with raw_server(broken(how)) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("://", f"://joe:{quote(password, safe='')}@"))
        config = Config(base_url=str(url), auth_api_url=str(url), timeout=5, allow_insecure=True)
        transport = Transport(config, clock=SystemClock(), max_connections=1)
        request = Request(operation="test", method="GET", url=url, headers=request_headers())
        request.headers["Authorization"] = f"Bearer {TOKEN}"
        try:
            with pytest.raises(ScopeError) as caught:
                await transport.call(request, _refuse, max_retries=0)
        finally:
            await transport.aclose()
    assert_hidden(caught.value, password, TOKEN)
    assert base64.b64encode(f"joe:{password}".encode()).decode() not in everything_shown(caught.value)
    assert_no_aiohttp_error_within_reach(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://scope.invalid"])
async def test_errors_keep_no_exception_of_aiohttp(address) -> None:
    config = Config(base_url=address, auth_api_url=address, timeout=5, allow_insecure=True)
    transport = Transport(config, clock=SystemClock(), max_connections=1)
    request = Request(operation="test", method="GET", url=URL(address), headers=request_headers())
    try:
        with pytest.raises(ScopeError) as caught:
            await transport.call(request, _refuse, max_retries=0)
    finally:
        await transport.aclose()
    assert_no_aiohttp_error_within_reach(caught.value)


def _refuse(reply: Any) -> None:
    raise ScopeError("this reply is not what the test wants")


def assert_no_aiohttp_error_within_reach(error: BaseException) -> None:
    """Follow attributes, causes and the locals of every frame."""
    seen: set[int] = set()
    waiting: list[object] = [error, error.__cause__, error.__context__, vars(error)]
    trace = error.__traceback__
    while trace is not None:
        waiting.extend(trace.tb_frame.f_locals.values())
        trace = trace.tb_next
    while waiting:
        found = waiting.pop()
        if id(found) in seen or not isinstance(found, BaseException | dict | list | tuple):
            continue
        seen.add(id(found))
        assert not isinstance(found, aiohttp.ClientError), found
        waiting.extend(gc.get_referents(found))
