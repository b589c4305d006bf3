"""How fast Local Scope starts and answers, next to a bare aiohttp.web handler.

The servers run in their own processes. The client writes the same bytes to both over plain sockets
and parses only the length, so that the servers are what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from benchmarks.harness.local_scope import running_scope
from benchmarks.harness.processes import running_process, serve_command
from benchmarks.harness.result import Result, Spread
from scope_async.local import LocalScope

CONNECTIONS = 50
PROMPT = "Hello, {{name}}! Welcome to {{app}}."
PATH = "/api/v1/prompts/greeting/production"

BARE = """
import asyncio, sys
from aiohttp import web

async def main():
    body = sys.stdin.buffer.read()
    async def handler(request):
        return web.Response(body=body, content_type="application/json")
    app = web.Application()
    app.router.add_get("/{rest:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def start_in_process(runs: int) -> list[float]:
    """Return the milliseconds until a `LocalScope()` accepts connections, of each run."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        async with LocalScope():
            taken.append((time.perf_counter() - started) * 1000)
    return taken


def start_serve(runs: int, folder: str) -> list[float]:
    """Return the milliseconds until `scope-async serve` prints that it is ready, of each run."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        with running_process(serve_command(folder)):
            taken.append((time.perf_counter() - started) * 1000)
    return taken


async def requests_per_second(url: str, headers: str, requests: int) -> float:
    """Return the replies per second over `CONNECTIONS` busy connections."""
    address = urlsplit(url)
    message = f"GET {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}\r\n".encode()
    left = iter(range(requests))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for _ in left:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return requests / (time.perf_counter() - started)


async def throughput(rounds: int, requests: int) -> list[tuple[float, float]]:
    """Return requests per second of Local Scope and of the bare handler, of each round."""
    async with running_scope() as local:
        async with local.client() as scope:
            headers = {"Authorization": (await scope.tokens.get()).authorization}
        async with aiohttp.ClientSession(local.url) as session, session.get(PATH, headers=headers) as reply:
            body = await reply.read()
        header = f"Authorization: {headers['Authorization']}\r\n"
        with running_process([sys.executable, "-c", BARE], body) as bare:
            pairs = []
            for _ in range(rounds):
                ours = await requests_per_second(local.url, header, requests)
                pairs.append((ours, await requests_per_second(bare.strip(), header, requests)))
    return pairs


def results(*, rounds: int, requests: int) -> list[Result]:
    """Return the results of starts, and of the prompts endpoint next to the bare handler."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "greeting.md").write_text(PROMPT)
        starts = Spread.of(asyncio.run(start_in_process(rounds)))
        serves = Spread.of(start_serve(rounds, folder))
    pairs = asyncio.run(throughput(rounds, requests))
    ours, bare = ([pair[number] for pair in pairs] for number in (0, 1))
    return [
        _start("start of LocalScope() in process", starts, 50),
        _start("start of scope-async serve", serves, 600),
        Result.at_least(
            "prompts endpoint of Local Scope",
            Spread.of_ratios(ours, bare),
            0.7,
            floor="bare aiohttp.web handler",
            detail=f"requests/s {Spread.of(ours).show(0)}, bare {Spread.of(bare).show(0)}, same bytes",
        ),
    ]


def _start(name: str, taken: Spread, goal: float) -> Result:
    return Result(
        name,
        f"<= {goal:g} ms",
        f"{taken.show(0)} ms",
        reached=taken.median <= goal,
        quantity=taken,
        unit="ms",
    )
