"""Processes that share a store; `python -m tests.integration.stores.fleet` shows what that is worth."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from scope_async.local import LocalScope
from tests.fakes.redis_server import RedisServer, running

_WITHIN = 30


class Member:
    """One process of the fleet."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.leading = asyncio.Event()
        self.last_line = ""
        self._reading: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        assert self.process.stdout is not None
        assert await self.process.stdout.readline() == b"ready\n"
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.last_line = line.decode()
            if line == b"leading\n":
                self.leading.set()

    def tell(self) -> None:
        """Let it begin to call, or end."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def outcome(self) -> dict[str, Any]:
        assert self._reading is not None
        await self._reading
        await self.process.wait()
        return dict(json.loads(self.last_line))

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self._reading is not None:
            await self._reading


@attrs.frozen
class Outcome:
    """What a fleet did together; `slowest` is in seconds."""

    calls: int
    errors: tuple[str, ...]
    slowest: float


class Fleet:
    """Members that call until `stop`."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    async def leader(self) -> Member:
        """Return the first member that exchanges for all."""
        waits = {asyncio.ensure_future(each.leading.wait()): each for each in self.members}
        done, rest = await asyncio.wait(waits, timeout=_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        for each in rest:
            each.cancel()
        return waits[done.pop()]

    async def kill(self, member: Member) -> None:
        """End a member at once, as `kill -9` does."""
        self.members.remove(member)
        await member.end()

    async def stop(self) -> Outcome:
        """End all calls and return what they came to."""
        for each in self.members:
            each.tell()
        async with asyncio.timeout(_WITHIN):
            outcomes = [await each.outcome() for each in self.members]
        return Outcome(
            calls=sum(each["calls"] for each in outcomes),
            errors=tuple(error for each in outcomes for error in each["errors"]),
            slowest=max(each["slowest"] for each in outcomes),
        )


@asynccontextmanager
async def fleet(
    local: LocalScope, store_url: str, count: int, what: str = "tokens", *, host: tuple[str, ...] = ()
) -> AsyncIterator[Fleet]:
    """Run `count` processes that begin to call together; `host` is the command that runs one elsewhere."""
    credentials = local.credentials
    variables = {
        "SCOPE_API_URL": local.url,
        "SCOPE_AUTH_API_URL": local.url,
        "SCOPE_ORG_ID": local.org_id,
        "SCOPE_API_KEY": credentials.api_key,
        "SCOPE_API_SECRET": credentials.api_secret,
        "SCOPE_STORE_URL": store_url,
        "SCOPE_ALLOW_INSECURE": "1",  # its hosts may be network namespaces
    }
    made: list[Member] = []
    try:
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *(*host, sys.executable, "-m", "tests.integration.stores.fleet_process", what),
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, **variables},
                cwd=Path(__file__).parents[3],
            )
            made.append(Member(process))
        async with asyncio.timeout(_WITHIN):
            for each in made:
                await each.ready()
        for each in made:
            each.tell()
        yield Fleet(list(made))
    finally:
        for each in made:
            await each.end()


Scenario = Callable[[LocalScope, Fleet], Awaitable[int]]


async def tokens(local: LocalScope, _: Fleet) -> int:
    await asyncio.sleep(20)
    return local.journal.arrivals("exchange")


async def prompts(local: LocalScope, _: Fleet) -> int:
    await asyncio.sleep(8)
    return local.journal.arrivals("prompt")


async def leader_killed(local: LocalScope, made: Fleet) -> int:
    await made.kill(await made.leader())
    await asyncio.sleep(15)
    return local.journal.arrivals("exchange")


async def revoked(local: LocalScope, _: Fleet) -> int:
    await asyncio.sleep(2)
    before = local.journal.arrivals("exchange")
    local.clock.advance(7)
    await asyncio.sleep(2)
    return local.journal.arrivals("exchange") - before


def in_trouble(begin: Callable[[], None], end: Callable[[], None]) -> Scenario:
    """Return a scenario in which the server of the store is away for six seconds."""

    async def scenario(local: LocalScope, _: Fleet) -> int:
        await asyncio.sleep(2)
        begin()
        await asyncio.sleep(6)
        end()
        await asyncio.sleep(4)
        return local.journal.arrivals("exchange")

    return scenario


async def show(title: str, store_url: str, scenario: Scenario, *, exchange: float = 0.0) -> None:
    """Print what came of eight processes in a scenario, whose exchanges take so many seconds."""
    what = "prompts" if scenario is prompts else "tokens"
    async with LocalScope(token_ttl=6, prompts={"greeting": "Hello"}) as local:
        local.faults.latency("exchange", exchange)
        async with fleet(local, store_url, 8, what) as made:
            count = await scenario(local, made)
            outcome = await made.stop()
    print(
        f"{store_url.partition(':')[0] or 'alone':<6} {title:<44} {count:>4}   calls {outcome.calls:>5}"
        f"   failed {len(outcome.errors)}   slowest {outcome.slowest * 1000:.0f} ms",
        flush=True,
    )


async def show_all(store_url: str) -> None:
    await show("8 processes, 6 s tokens, 20 s: exchanges", store_url, tokens)
    await show("8 processes, cache_ttl 2, 8 s: requests", store_url, prompts)
    await show("all tokens revoked, 2 s: further exchanges", store_url, revoked)
    if store_url:
        await show("leader killed in a 1.5 s exchange, 15 s", store_url, leader_killed, exchange=1.5)


async def show_trouble(server: RedisServer) -> None:
    await show("server frozen for 6 s: exchanges in 12 s", server.url, in_trouble(server.freeze, server.thaw))
    await show("server killed for 6 s: exchanges in 12 s", server.url, in_trouble(server.kill, server.start))


def main() -> None:
    asyncio.run(show_all(""))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(show_all((Path(folder) / "store").as_uri()))
        with running(RedisServer(Path(folder) / "redis")) as server:
            asyncio.run(show_all(server.url))
            asyncio.run(show_trouble(server))


if __name__ == "__main__":
    main()
