"""One client in several event loops: at a time, each in a thread of its own, and one after the other."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import sys
import threading
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from scope_async import BearerAuth, ClientClosedError, ScopeClient, TokenSource
from scope_async.local import LocalScope
from scope_async.telemetry.events import Event, RequestStarted
from tests.fakes.cli import clean_environment

Result = TypeVar("Result")
caller = contextvars.ContextVar("caller", default="nobody")


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=2) as scope:
        await scope.add_prompt("greeting", "Hello!")
        yield scope


@pytest.fixture
async def scope(local: LocalScope) -> AsyncIterator[ScopeClient]:
    client = client_of(local)
    yield client
    await client.aclose()


def client_of(local: LocalScope, **options: Any) -> ScopeClient:
    options = {"cache_ttl": 0.3, "stale_while_revalidate": 0.2, "token_refresh_buffer": 1, **options}
    return ScopeClient(local.credentials, base_url=local.url, auth_api_url=local.url, **options)


def in_thread(function: Callable[[], Result]) -> asyncio.Future[Result]:
    """Call `function` in a new thread, which no pool counts."""
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - handed on
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(done)


def in_own_loop(main: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Future[Result]:
    return in_thread(lambda: asyncio.run(main()))


async def call_until(scope: ScopeClient, deadline: float) -> int:
    """Make calls of every kind; return how many. Each that fails raises."""
    calls = 0
    while time.monotonic() < deadline:
        await scope.get_prompt_version("greeting", cache=calls % 5 != 4)
        await scope.tokens.get()
        calls += 1
        await asyncio.sleep(0.002)
    return calls


async def test_eight_threads_with_a_loop_each_share_one_client(local: LocalScope, scope: ScopeClient) -> None:
    deadline = time.monotonic() + 3.0
    calls = await asyncio.gather(*(in_own_loop(lambda: call_until(scope, deadline)) for _ in range(8)))
    assert min(calls) > 0
    # One client with one loop exchanges about once a second here.
    assert local.journal.count("exchange") <= 6


async def test_threads_with_many_short_loops_share_one_client(local: LocalScope, scope: ScopeClient) -> None:
    deadline = time.monotonic() + 3.0

    def run(seconds: float) -> int:
        loops = 0
        while time.monotonic() < deadline:
            asyncio.run(call_until(scope, min(deadline, time.monotonic() + seconds)))
            loops += 1
        return loops

    threads = [in_thread(functools.partial(run, seconds)) for seconds in (0.001, 0.01, 0.05, 0.2) * 2]
    assert min(await asyncio.gather(*threads)) > 1
    assert local.journal.count("exchange") <= 10


@pytest.mark.parametrize("cache", [True, False])
async def test_loops_one_after_the_other_leave_nothing_behind(
    local: LocalScope, cache: bool, caplog: pytest.LogCaptureFixture
) -> None:
    scope = client_of(local, cache_ttl=300, token_refresh_buffer=0)

    def run(times: int) -> None:
        for _ in range(times):
            asyncio.run(scope.get_prompt_version("greeting", cache=cache))
        gc.collect()

    await in_thread(lambda: run(5))
    before = await open_files()
    with caplog.at_level(logging.WARNING):
        await in_thread(lambda: run(60))
    assert await open_files() <= before + 2
    assert not caplog.records
    assert not scope._transport._sessions._by_loop
    await scope.aclose()


async def open_files() -> int:
    """Return how many are open when Local Scope has noticed which connections were closed."""
    await asyncio.sleep(0.2)
    return await in_thread(lambda: len([*Path("/proc/self/fd").iterdir()]))


CLOSED_LOOPS = """
import asyncio, gc, sys
from scope_async import ScopeClient

scope = ScopeClient.from_env()
for number in range(20):
    loop = asyncio.new_event_loop()
    version = loop.run_until_complete(scope.get_prompt_version("greeting", cache=number % 2 == 0))
    loop.close()
    gc.collect()
print(version.content)
asyncio.run(scope.aclose())
"""


async def test_loops_that_are_closed_with_the_clients_tasks_in_them_are_disposed_of_quietly(
    local: LocalScope,
) -> None:
    variables = clean_environment(
        SCOPE_ORG_ID=local.org_id,
        SCOPE_API_KEY=local.credentials.api_key,
        SCOPE_API_SECRET=local.credentials.api_secret,
        SCOPE_API_URL=local.url,
        SCOPE_AUTH_API_URL=local.url,
        SCOPE_LOG="warning",
        SCOPE_TOKEN_REFRESH_BUFFER="1",
        PYTHONWARNINGS="ignore::ResourceWarning",  # as without -X dev: asyncio's own of its transports
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLOSED_LOOPS, env=variables, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await process.communicate()
    assert output.decode() == "Hello!\n"


async def test_token_is_renewed_when_due_although_no_loop_lasts(local: LocalScope) -> None:
    tokens = TokenSource(
        local.credentials, base_url=local.url, auth_api_url=local.url, token_refresh_buffer=1
    )
    first = await in_own_loop(tokens.get)
    await asyncio.sleep(1.1)
    second = await in_own_loop(tokens.get)
    assert (first.generation, second.generation) == (1, 2)
    assert first.expires_in() > 0
    await tokens.aclose()


async def test_waiter_is_carried_on_when_the_home_loop_ends(local: LocalScope, scope: ScopeClient) -> None:
    local.faults.latency("any", 0.3)
    began = threading.Event()

    async def home() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                began.set()
                await scope.get_prompt_version("greeting")

    ended = in_own_loop(home)
    await in_thread(began.wait)
    await asyncio.sleep(0.05)
    foreign = [in_own_loop(lambda: scope.get_prompt_version("greeting", cache=False)) for _ in range(3)]
    assert [version.content for version in await asyncio.gather(*foreign)] == ["Hello!"] * 3
    await ended


@pytest.mark.parametrize("how", ["stopped", "blocked"])
async def test_client_moves_when_the_home_loop_goes_without_a_word(
    local: LocalScope, scope: ScopeClient, how: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    hung = local.faults.hang("prompt")
    waiting, release = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def home() -> None:
        loop = new_loop()
        loops.append(loop)

        async def main() -> None:
            asyncio.ensure_future(scope.get_prompt_version("greeting")).add_done_callback(_look_at)
            while not local.journal.count("exchange"):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            waiting.set()
            if how == "blocked":
                release.wait()
            await asyncio.sleep(0.3)

        loop.run_until_complete(main())
        release.wait()

    ended = in_thread(home)
    await in_thread(waiting.wait)
    foreign = in_own_loop(lambda: scope.get_prompt_version("greeting"))
    await asyncio.sleep(0.1)
    hung.remove()
    assert (await foreign).content == "Hello!"
    release.set()
    await ended
    for loop in loops:
        _end(loop)


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left in a loop that does not run, and close it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    runner = threading.Thread(
        target=lambda: loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    )
    runner.start()
    runner.join()
    loop.close()


async def test_cancelled_caller_of_another_loop_ends_its_own_part_alone(
    local: LocalScope, scope: ScopeClient
) -> None:
    await scope.start()
    await scope.tokens.get()
    local.faults.latency("prompt", 0.4)

    async def impatient() -> None:
        async with asyncio.timeout(0.1):
            await scope.get_prompt_version("greeting", cache=False)

    patient = in_own_loop(lambda: scope.get_prompt_version("greeting", cache=False))
    with pytest.raises(TimeoutError):
        await in_own_loop(impatient)
    assert (await patient).content == "Hello!"


async def test_aclose_in_another_loop_wakes_the_waiters_of_all(local: LocalScope) -> None:
    scope = client_of(local)
    local.faults.hang("exchange")
    waiters = [in_own_loop(lambda: scope.get_prompt_version("greeting")) for _ in range(3)]
    await asyncio.sleep(0.2)
    await in_own_loop(scope.aclose)
    answers = await asyncio.gather(*waiters, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ClientClosedError}
    assert scope.status().tokens.state == "closed"


async def test_call_in_another_loop_has_its_callers_context(local: LocalScope) -> None:
    seen: list[str] = []

    def hook(event: Event) -> None:
        if isinstance(event, RequestStarted) and event.operation == "prompts.get":
            seen.append(caller.get())

    async with client_of(local, hooks=[hook]) as scope:
        await scope.tokens.get()

        async def main() -> None:
            caller.set("another thread")
            await scope.get_prompt_version("greeting", cache=False)

        await in_own_loop(main)
    assert seen == ["another thread"]


async def test_fallback_runs_in_the_loop_of_its_caller(local: LocalScope, scope: ScopeClient) -> None:
    await scope.start()
    local.faults.status("prompt", 501)

    async def main() -> bool:
        mine = asyncio.get_running_loop()

        async def fallback() -> str:
            return str(asyncio.get_running_loop() is mine)

        return (await scope.get_prompt_version("greeting", fallback=fallback)).content == "True"

    assert await in_own_loop(main)


async def test_invalidate_in_another_thread_is_seen_at_once(local: LocalScope) -> None:
    async with client_of(local, cache_ttl=300) as scope:
        await scope.get_prompt_version("greeting")
        await local.add_prompt("greeting", "Good day!")
        await in_thread(lambda: scope.invalidate("greeting"))
        assert await scope.render_prompt("greeting") == "Good day!"


async def test_bearer_auth_works_in_any_loop(local: LocalScope) -> None:
    tokens = TokenSource(local.credentials, base_url=local.url, auth_api_url=local.url)

    async def main() -> int:
        async with (
            aiohttp.ClientSession(middlewares=[BearerAuth(tokens)]) as session,
            session.get(f"{local.url}/api/v1/prompts/greeting/production") as response,
        ):
            return response.status

    async with tokens:
        statuses = await asyncio.gather(main(), *(in_own_loop(main) for _ in range(4)))
        assert statuses == [200] * 5
        tokens.invalidate(await tokens.get())
        assert await asyncio.gather(*(in_own_loop(main) for _ in range(4))) == [200] * 4
    assert local.journal.count("exchange") == 2


async def test_status_and_peek_need_no_loop(local: LocalScope) -> None:
    async with client_of(local) as scope:
        await scope.prefetch(["greeting"])
        assert await in_thread(lambda: scope.status().ready and scope.tokens.peek() is not None)
