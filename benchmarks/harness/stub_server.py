"""A stub server in its own process, as cheap as possible: a token, and prompt versions.

    python -m benchmarks.harness.stub_server

Prints its port.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from urllib.parse import unquote

from benchmarks.harness.processes import running_process
from scope_async import ApiKeyCredentials

CREDENTIALS = ApiKeyCredentials(
    org_id="org_bench",
    api_key="key_bench",
    api_secret="secret_bench",  # noqa: S106 - any is accepted
)
SAME, CHANGING, SILENT = "greeting", "changing", "silent"
"""Prompts: the same reply each time, another version in every reply, and no reply at all."""

VERSION = {
    "version_id": "ver_00000001",
    "version": 3,
    "prompt_id": "prm_01",
    "name": "greeting",
    "content": "Hello, {{name}}! Welcome to {{app}}.",
    "variables": ["name", "app"],
    "status": "published",
    "is_production": True,
    "prompt_type": "text",
    "metadata": {"model": "gpt", "temperature": 0.2},
    "tags": ["welcome"],
    "created_at": "2025-05-01T10:00:00Z",
    "updated_at": "2025-05-01T10:00:00Z",
    "promoted_at": "2025-05-01T10:00:00Z",
    "promoted_by": "ann@example.com",
}
TOKEN = {"access_token": "e30.eyJleHAiOjQwMDAwMDAwMDB9.x", "expires_in": 86400, "token_type": "Bearer"}
LANGFUSE = {
    "type": "text",
    "name": "greeting",
    "version": 3,
    "prompt": VERSION["content"],
    "config": {},
    "labels": ["production"],
    "tags": [],
}

_SAME = f"GET /api/v1/prompts/{SAME}/".encode()
_CHANGING, _SILENT = f"/{CHANGING}/".encode(), f"/{SILENT}/".encode()
_versions = count(2)


def _reply(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_VERSION, _TOKEN, _LANGFUSE = _reply(VERSION), _reply(TOKEN), _reply(LANGFUSE)
_CHANGED = _reply({**VERSION, "name": CHANGING})


class StubProtocol(asyncio.Protocol):
    """Replies as soon as the head of a request is there; the short body comes with it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"POST"):
            self._transport.write(_TOKEN)
        elif _CHANGING in data[:100]:
            self._transport.write(_CHANGED.replace(b"ver_00000001", b"ver_%08d" % next(_versions)))
        elif _SILENT in data[:100]:
            pass
        elif data.startswith(b"GET /api/public"):
            self._transport.write(_LANGFUSE)
        elif data.startswith(_SAME):
            self._transport.write(_VERSION)
        elif data.startswith(b"GET"):
            name = unquote(data.split(b"/", 5)[4].decode())
            self._transport.write(_reply({**VERSION, "name": name}))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(StubProtocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def new_credentials() -> ApiKeyCredentials:
    """Return the credentials of another organization, whose entries in a store nothing else reads."""
    return ApiKeyCredentials(f"org_{secrets.token_hex(8)}", CREDENTIALS.api_key, secrets.token_hex(16))


@contextmanager
def server_process() -> Iterator[str]:
    """Run a stub server while the block runs; yield its root URL."""
    command = [sys.executable, "-m", "benchmarks.harness.stub_server"]
    with running_process(command) as port:
        yield f"http://127.0.0.1:{int(port)}"


if __name__ == "__main__":
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        sys.exit(130)
