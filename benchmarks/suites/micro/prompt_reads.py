"""Reading a prompt that is in memory: ours, a dict lookup in a coroutine, and other clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread

import scope_async.sync
from benchmarks.harness.case import Case, Timer, timed_awaits, timed_calls
from benchmarks.harness.stub_server import CREDENTIALS
from benchmarks.suites.micro.prompt_peers import langfuse, official_sdk
from scope_async import PromptVersion, ScopeClient

NAME = "greeting"


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Timer]:
    async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
        await scope.get_prompt_version(NAME)
        yield timed_awaits(lambda: scope.get_prompt_version(NAME))


@asynccontextmanager
async def synchronous(url: str) -> AsyncIterator[Timer]:
    with scope_async.sync.ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
        await to_thread.run_sync(scope.get_prompt_version, NAME)
        yield timed_calls(lambda: scope.get_prompt_version(NAME))


@asynccontextmanager
async def lookup(url: str) -> AsyncIterator[Timer]:
    async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url) as scope:
        versions = {NAME: await scope.get_prompt_version(NAME)}

    async def read(name: str) -> PromptVersion:
        return versions[name]

    yield timed_awaits(lambda: read(NAME))


@asynccontextmanager
async def official(url: str) -> AsyncIterator[Timer]:
    client = official_sdk(url)
    await to_thread.run_sync(client.get_prompt_version, NAME)
    yield timed_calls(lambda: client.get_prompt_version(NAME))


@asynccontextmanager
async def of_langfuse(url: str) -> AsyncIterator[Timer]:
    client = langfuse(url)
    await to_thread.run_sync(client.get_prompt, NAME)
    yield timed_calls(lambda: client.get_prompt(NAME))


CASES = {
    "cached get_prompt_version": Case(ours),
    "synchronous cached get_prompt_version": Case(synchronous),
    "a dict lookup in a coroutine": Case(lookup),
    "scope_client's cached get_prompt_version": Case(official, "scope_client"),
    "langfuse's cached get_prompt": Case(of_langfuse, "langfuse"),
}
