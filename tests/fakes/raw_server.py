"""A TCP server that answers byte by byte as a test says, for what no HTTP server does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Any


class RawConnection:
    """One accepted connection; `number` counts from 1."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Return the next request with its body; empty when the client has closed the connection."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            return head + await self._reader.readexactly(int(length[1]) if length else 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def closed(self) -> None:
        """Return when the client has closed the connection."""
        with suppress(ConnectionError):
            await self._reader.read()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()


class RawServer:
    """What a test knows of the server: where it is, and what it got, with the connection's number."""

    def __init__(self) -> None:
        self.url = ""
        self.connections: list[RawConnection] = []


@asynccontextmanager
async def raw_server(
    handle: Callable[[RawConnection], Awaitable[None]], ssl: SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve each connection with `handle`, which ends with the block."""
    found, tasks = RawServer(), set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = RawConnection(len(found.connections) + 1, reader, writer)
        found.connections.append(connection)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handle(connection)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=ssl)
    scheme = "http" if ssl is None else "https"
    found.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def response(document: Any, status: int = 200, **headers: str) -> bytes:
    """Return a whole HTTP reply with a JSON body, or the given bytes as its body."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
