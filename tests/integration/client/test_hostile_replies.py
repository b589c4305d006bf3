"""Replies without end, and small ones that grow: what a client keeps of them in memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes.cli import clean_environment

MIB = 1024 * 1024
TOKEN = json.dumps({"access_token": "e30.eyJleHAiOjQwMDAwMDAwMDB9.x", "expires_in": 3600}).encode()
CHUNK = b"X-Filler: " + b"x" * 4000 + b"\r\n"

# In a process of its own, whose peak of memory begins anew before the call (proc(5), clear_refs).
PROGRAM = """
import asyncio, re, sys
from pathlib import Path
from scope_async import ApiKeyCredentials, ScopeClient, ScopeError

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main(url):
    credentials = ApiKeyCredentials(org_id="org_1", api_key="key_1", api_secret="secret")
    async with ScopeClient(credentials, base_url=url, auth_api_url=url, max_retries=0, timeout=20) as scope:
        await scope.tokens.get()
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        try:
            await scope.get_prompt_version("greeting")
        except ScopeError as error:
            print(peak() - before, type(error).__name__)

asyncio.run(main(sys.argv[1]))
"""


async def send_endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(400 * MIB // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()


async def send_endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(400 * MIB // len(CHUNK)):
        writer.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
        await writer.drain()


async def send_bomb(writer: asyncio.StreamWriter) -> None:
    bomb = gzip.compress(bytes(MIB), 9) * 400  # of members, which are read as one (RFC 1952)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(bomb), bomb))
    await writer.drain()


@asynccontextmanager
async def service(answer) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                if request.startswith(b"POST"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(TOKEN), TOKEN))
                elif request.startswith(b"GET"):
                    await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MIB)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak of memory")
@pytest.mark.parametrize("answer", [send_endless_headers, send_endless_body, send_bomb])
async def test_client_bounds_what_it_keeps_of_a_reply(answer) -> None:
    async with service(answer) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, url), env=clean_environment(), stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
    grown, error = printed.decode().split()
    assert error == "ServerError"
    # The limit of a reply is 10 MiB: read, decompressed, joined.
    assert int(grown) < 64 * 1024  # KiB
