"""Opened and closed from any task, in any order, any number of times, in every usual host."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import fastapi
import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from scope_async import ApiKeyCredentials, ClientClosedError, ScopeClient
from scope_async.local import LocalScope

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@asynccontextmanager
async def greeting_service(**options: Any) -> AsyncIterator[LocalScope]:
    async with LocalScope(**options) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with greeting_service() as local:
        yield local


def client_of(local: LocalScope, **options: Any) -> ScopeClient:
    return ScopeClient(local.credentials, base_url=local.url, auth_api_url=local.url, **options)


@pytest.fixture
async def opened_in_a_fixture(local: LocalScope) -> AsyncIterator[ScopeClient]:
    async with client_of(local) as scope:
        yield scope


async def test_client_in_a_pytest_fixture(opened_in_a_fixture: ScopeClient) -> None:
    assert await opened_in_a_fixture.render_prompt("greeting", {"name": "Ada"}) == "Hello, Ada!"


async def test_aclose_in_another_task_than_start(local: LocalScope) -> None:
    scope = client_of(local)
    await asyncio.create_task(scope.start())
    assert await asyncio.create_task(scope.get_prompt_version("greeting"))
    await asyncio.create_task(scope.aclose())


async def test_aclose_twice_and_concurrently(local: LocalScope) -> None:
    scope = client_of(local)
    await scope.start()
    await scope.start()
    await asyncio.gather(*(scope.aclose() for _ in range(5)))
    await scope.aclose()
    with pytest.raises(ClientClosedError):
        await scope.get_prompt_version("greeting")


async def test_aclose_without_start(local: LocalScope) -> None:
    await client_of(local).aclose()


async def test_start_works_again_after_aclose(local: LocalScope) -> None:
    scope = client_of(local)
    for _ in range(3):
        async with scope:
            assert await scope.get_prompt_version("greeting", cache=False)
    assert local.journal.count("exchange") == 3


async def test_start_during_aclose(local: LocalScope) -> None:
    asked = 0

    async def slow_to_end() -> ApiKeyCredentials:
        nonlocal asked
        asked += 1
        if asked == 1:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
        return local.credentials

    scope = ScopeClient(slow_to_end, base_url=local.url, auth_api_url=local.url)
    await scope.start()
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(scope.aclose())
    await asyncio.sleep(0)
    await scope.start()
    await closing
    assert await scope.get_prompt_version("greeting")
    await scope.aclose()
    with pytest.raises(ClientClosedError):
        await scope.get_prompt_version("greeting")


async def test_aclose_of_two_clients_first_in_first_out(local: LocalScope) -> None:
    first, second = client_of(local), client_of(local)
    await first.start()
    await second.start()
    assert await first.get_prompt_version("greeting")
    await first.aclose()
    assert await second.get_prompt_version("greeting")
    await second.aclose()


async def test_client_in_an_exit_stack(local: LocalScope) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(local)) for _ in range(3)]
        for scope in clients:
            assert await scope.get_prompt_version("greeting")


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_exception_in_the_body_is_raised_as_it_is(local: LocalScope, error: BaseException) -> None:
    async def body() -> None:
        async with client_of(local) as scope:
            await scope.get_prompt_version("greeting")
            raise error

    with pytest.raises(type(error)) as raised:
        await body()
    assert raised.value is error


async def test_start_under_a_timeout(local: LocalScope) -> None:
    scope = client_of(local)
    await asyncio.wait_for(scope.start(), 5)
    assert await scope.get_prompt_version("greeting")
    await asyncio.wait_for(scope.aclose(), 5)


async def test_cancelled_aclose_raises_and_can_be_finished(local: LocalScope) -> None:
    scope = client_of(local)
    await scope.start()
    await scope.get_prompt_version("greeting")
    closing = asyncio.create_task(scope.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await scope.aclose()


async def test_aclose_ends_calls_in_flight(local: LocalScope) -> None:
    local.faults.hang("prompt")
    scope = client_of(local)
    await scope.start()
    calls = [
        asyncio.create_task(scope.get_prompt_version("greeting", cache=cache)) for cache in (True, False) * 10
    ]
    await local.journal.wait_for_arrival("prompt", 11)
    await scope.aclose()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ClientClosedError}


async def test_cancelled_refresh_loop_is_restarted_by_the_next_reader(local: LocalScope) -> None:
    async with client_of(local) as scope:
        first = await scope.tokens.get()
        mine = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not mine and task.get_name().startswith("scope"):
                task.cancel()
        await asyncio.sleep(0.01)
        scope.tokens.invalidate(first)
        assert (await scope.tokens.get()).generation == 2
        assert await scope.get_prompt_version("greeting")


async def test_client_in_an_aiohttp_application(local: LocalScope) -> None:
    key = web.AppKey("scope", ScopeClient)

    async def scope_context(app: web.Application) -> AsyncIterator[None]:
        async with client_of(local) as app[key]:
            yield

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=await request.app[key].render_prompt("greeting", {"name": "aiohttp"}))

    app = web.Application()
    app.cleanup_ctx.append(scope_context)
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/")).text() == "Hello, aiohttp!"


async def test_client_in_aiohttp_startup_and_cleanup_hooks(local: LocalScope) -> None:
    scope = client_of(local)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=await scope.render_prompt("greeting", {"name": "hooks"}))

    async def opened(_: web.Application) -> None:
        await scope.start()

    async def closed(_: web.Application) -> None:
        await scope.aclose()

    app = web.Application()
    app.on_startup.append(opened)
    app.on_cleanup.append(closed)
    app.router.add_get("/", handler)
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/")).text() == "Hello, hooks!"


async def test_client_in_a_fastapi_lifespan_under_uvicorn(local: LocalScope) -> None:
    @asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
        async with client_of(local) as app.state.scope:
            yield

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/")
    async def greet() -> str:
        text: str = await app.state.scope.render_prompt("greeting", {"name": "FastAPI"})
        return text

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="on", ws="none"))
    prompt_service = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as response:
        assert await response.json() == "Hello, FastAPI!"
    server.should_exit = True
    await prompt_service


def test_second_event_loop_keeps_the_token_and_drops_the_rest(new_loop: LoopFactory) -> None:
    async def first() -> tuple[ScopeClient, int]:
        async with greeting_service() as local:
            scope = client_of(local)
            await scope.start()
            await scope.get_prompt_version("greeting")
            return scope, (await scope.tokens.get()).generation

    async def second(scope: ScopeClient) -> int:
        generation = (await scope.tokens.get()).generation
        async with greeting_service() as elsewhere:
            other = client_of(elsewhere)
            async with other:
                assert await other.get_prompt_version("greeting")
        await scope.aclose()
        return generation

    with warnings.catch_warnings():
        # The first loop ended with connections open; that is what the test is about.
        warnings.simplefilter("ignore", ResourceWarning)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            scope, generation = runner.run(first())
        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(second(scope)) == generation
        scope._transport._sessions._bound = None
        gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forked_child_keeps_the_token_and_makes_connections_of_its_own(new_loop: LoopFactory) -> None:
    async def main() -> None:
        async with greeting_service() as local, client_of(local) as scope:
            await scope.get_prompt_version("greeting")
            token = await scope.tokens.get()
            child = os.fork()
            if child == 0:
                kept = scope.tokens.peek()
                os._exit(0 if kept is not None and kept.value == token.value else 1)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            # The parent's connections still work.
            assert await scope.get_prompt_version("greeting", cache=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())


def test_token_source_that_was_never_closed_warns(new_loop: LoopFactory) -> None:
    async def main() -> None:
        async with greeting_service() as local:
            scope = client_of(local)
            await scope.tokens.get()
            del scope

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
        gc.collect()
    assert any("TokenSource" in str(warning.message) for warning in caught)


async def test_log_is_empty_without_failures(local: LocalScope, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with client_of(local) as scope:
            await scope.get_prompt_version("greeting")
    assert [record for record in caplog.records if record.name.startswith(("scope_async", "asyncio"))] == []
