"""The cost of concurrent callers of a token source without a token: time, exchanges, memory.

Times are CPU time of the thread, so that other load of the machine is not in them.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.harness.interleave import interleave
from benchmarks.harness.result import Result, Spread
from benchmarks.harness.stub_server import CREDENTIALS
from scope_async import ApiKeyCredentials, ServerError, TokenRefreshError, TokenSource
from scope_async.auth.exchange import ExchangeResponse

READS = 20_000
WAITERS = 10_000
WAITER_BYTES = 1500


class HeldExchange:
    """An exchange without a network that blocks until `answer` is set."""

    def __init__(self, lifetime: float = 3600.0, error: Exception | None = None) -> None:
        self.lifetime = lifetime
        self.error = error
        self.asked = 0
        self.answer = asyncio.Event()

    async def __call__(self, _: ApiKeyCredentials, /, **__: object) -> ExchangeResponse:
        self.asked += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return ExchangeResponse(f"token-{self.asked}", self.lifetime)


def new_source(auth: HeldExchange, **options: Any) -> TokenSource:
    return TokenSource(
        CREDENTIALS,
        exchange=auth,
        base_url="http://127.0.0.1:1",
        auth_api_url="http://127.0.0.1:1",
        **options,
    )


async def bare_waiters() -> float:
    """Return the milliseconds for the same number of coroutines on one bare event."""
    event = asyncio.Event()
    started = time.thread_time()
    tasks = [asyncio.ensure_future(event.wait()) for _ in range(WAITERS)]
    await asyncio.sleep(0)
    event.set()
    await asyncio.gather(*tasks)
    return (time.thread_time() - started) * 1000


async def waiters(rounds: int) -> list[Result]:
    asked: list[int] = []
    typed: list[int] = []

    async def wait(error: Exception | None) -> float:
        auth = HeldExchange(error=error)
        # Else an outage is waited out for as long as the callers have time.
        tokens = new_source(auth, max_retries=0)
        started = time.thread_time()
        tasks = [asyncio.ensure_future(tokens.get()) for _ in range(WAITERS)]
        await asyncio.sleep(0)
        auth.answer.set()
        answers = await asyncio.gather(*tasks, return_exceptions=error is not None)
        taken = (time.thread_time() - started) * 1000
        asked.append(auth.asked)
        if error is not None:
            typed.append(sum(isinstance(answer, TokenRefreshError) for answer in answers))
        await tokens.aclose()
        return taken

    taken = await interleave(
        {
            "bare": bare_waiters,
            "cold": lambda: wait(None),
            "down": lambda: wait(ServerError("down", http_status=503)),
        },
        rounds,
    )
    took = {name: f"{Spread.of(values).show(0)} ms" for name, values in taken.items()}
    return [
        Result.at_most(
            f"{WAITERS:,} waiters, cold: time",
            Spread.of_ratios(taken["cold"], taken["bare"]),
            3.0,
            floor="bare event",
            detail=f"{took['cold']}; bare event {took['bare']}",
        ),
        Result.count(
            f"{WAITERS:,} waiters, cold or down: exchanges",
            max(asked),
            1,
            unit="exchanges",
            reached=set(asked) == {1},
        ),
        Result.count(
            f"{WAITERS:,} waiters, auth API down: typed errors",
            min(typed),
            WAITERS,
            unit="errors",
            reached=set(typed) == {WAITERS},
            detail=took["down"],
        ),
    ]


async def short_token() -> list[Result]:
    auth = HeldExchange(lifetime=60.0)
    auth.answer.set()
    async with new_source(auth, token_refresh_buffer=300) as tokens:
        for _ in range(READS):
            await tokens.get()
    return [Result.count(f"60 s token, 300 s buffer, {READS:,} reads", auth.asked, 1, unit="exchanges")]


async def bytes_of_waiters(number: int, wait: Callable[[], Any]) -> float:
    """Return the memory of each of `number` tasks that wait, which are cancelled then."""
    gc.collect()
    tracemalloc.start()
    tasks = [asyncio.ensure_future(wait()) for _ in range(number)]
    await asyncio.sleep(0)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return used / number


async def memory() -> list[Result]:
    event = asyncio.Event()
    await bytes_of_waiters(WAITERS, event.wait)  # the set of all tasks grows once
    bare = await bytes_of_waiters(WAITERS, event.wait)
    async with new_source(HeldExchange()) as tokens:
        used = await bytes_of_waiters(WAITERS, tokens.get)
    return [
        Result(
            f"memory of {WAITERS:,} waiters",
            f"<= {WAITER_BYTES:,} bytes each",
            f"{used:,.0f} bytes each",
            reached=used <= WAITER_BYTES,
            detail=f"the caller's own task included; on a bare event {bare:,.0f} bytes",
            quantity=Spread.exactly(used),
            unit="bytes each",
        )
    ]
