"""Connections of Local Scope that send no whole request, or what is not HTTP."""

from __future__ import annotations

import asyncio

import pytest

from scope_async.local import LocalScope
from scope_async.local.web import listener, request
from tests.integration.local.raw_client import RawClient


async def connect(local: LocalScope, text: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(local.url.rsplit(":", 1)[1]))
    writer.write(text)
    await writer.drain()
    return reader, writer


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: local"], ids=["nothing", "half"])
async def test_connection_without_a_request_is_closed(local: LocalScope, monkeypatch, sent):
    monkeypatch.setattr(listener, "HEAD_TIMEOUT", 0.5)
    reader, writer = await connect(local, sent)
    assert await asyncio.wait_for(reader.read(), 20) == b""
    await close(writer)


async def test_connection_that_had_a_request_is_kept(local: LocalScope, monkeypatch):
    monkeypatch.setattr(listener, "HEAD_TIMEOUT", 0.0)
    monkeypatch.setattr(listener, "_GRACE", 0.01)
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await connect(local, get)
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.2)
    writer.write(get)
    await reader.readuntil(b"}")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await close(writer)


async def test_many_half_sent_requests_do_not_silence_the_server(raw_client: RawClient, monkeypatch):
    monkeypatch.setattr(listener, "MOST_WAITING", 20)
    half = b"POST /v1/auth/sdk-token HTTP/1.1\r\nHost: localhost\r\nContent-Le"
    opened = [await connect(raw_client.local, half) for _ in range(200)]
    assert (await raw_client.exchange()).status == 200
    # Those beyond the twenty that are left are closed, the oldest first.
    await asyncio.wait_for(
        asyncio.gather(*(reader.read() for reader, _ in opened[:180]), return_exceptions=True), 20
    )
    assert (await raw_client.exchange()).status == 200
    await close(*(writer for _, writer in opened))


async def test_half_sent_body_is_a_408(local: LocalScope, monkeypatch):
    monkeypatch.setattr(request, "_BODY_TIMEOUT", 0.2)
    head = b"POST /v1/auth/sdk-token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    reader, writer = await connect(local, head + b'Content-Length: 100\r\n\r\n{"account')
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 20)
    assert local.journal.entries[-1].code == "request_timeout"
    await close(writer)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\nx\r\n\r\n",
        b"HELO\r\n\r\n",
    ],
    ids=["TLS", "header", "another protocol"],
)
async def test_malformed_request_is_a_400_in_json_and_in_the_journal(local: LocalScope, caplog, sent):
    reader, writer = await connect(local, sent)
    answer = await asyncio.wait_for(reader.read(), 20)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b'"code": "malformed_request"' in answer
    (entry,) = local.journal.entries
    assert (entry.operation, entry.status, entry.code) == ("unknown", 400, "malformed_request")
    await close(writer)
