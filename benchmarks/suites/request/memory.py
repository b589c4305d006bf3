"""The memory of a request in flight, by tracemalloc, next to that of bare aiohttp."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace

import aiohttp

from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS, SILENT, server_process
from scope_async import ScopeClient


class SentCounter:
    """Counts the requests whose headers were sent; sets `all` when all were."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.all = asyncio.Event()

    async def __call__(self, _: object, __: SimpleNamespace, ___: object) -> None:
        self._left -= 1
        if not self._left:
            self.all.set()


async def request_memory(requests: int) -> list[Result]:
    """Return the bytes that each of `requests` concurrent requests holds while it waits for its reply."""
    with server_process() as url:
        bare = await _bare(url, requests)
        ours = await _ours(url, requests)
    return [
        Result.informative(
            "memory of a request under way",
            Spread.exactly(ours),
            "bytes",
            digits=0,
            detail=f"bare aiohttp {bare:,.0f}; {requests} at once, connections and tasks included",
        )
    ]


def _session(sent: SentCounter, requests: int) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=requests), trace_configs=[trace], timeout=aiohttp.ClientTimeout()
    )


async def _bare(url: str, requests: int) -> float:
    sent = SentCounter(requests)
    async with _session(sent, requests) as session:

        async def fetch() -> None:
            async with session.get(f"{url}/api/v1/prompts/{SILENT}/production") as response:
                await response.read()

        return await _traced(fetch, sent, requests)


async def _ours(url: str, requests: int) -> float:
    sent = SentCounter(requests)
    async with (
        _session(sent, requests) as session,
        ScopeClient(
            CREDENTIALS, base_url=url, auth_api_url=url, session=session, max_connections=requests
        ) as scope,
    ):
        await scope.tokens.get()
        return await _traced(lambda: scope.get_prompt_version(SILENT, cache=False), sent, requests)


async def _traced(fetch: Callable[[], Awaitable[object]], sent: SentCounter, requests: int) -> float:
    gc.collect()
    tracemalloc.start()
    tasks = [asyncio.ensure_future(fetch()) for _ in range(requests)]
    await sent.all.wait()
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    await asyncio.wait(tasks)
    return used / requests
