"""Tests of the service: each has its own Local Scope, with faults and a clock to advance."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from service import build_app
from uvicorn import Config, Server

from scope_async import ScopeClient
from scope_async.local import LocalScope
from scope_async.local.faults.registry import Faults

# The fixtures local_scope, scope_faults and so on come with the package.


@pytest.fixture
def scope_prompts() -> dict[str, str]:
    return {"greeting": "Hello, {{name}}! Welcome to {{app}}."}


@pytest.fixture
async def http(local_scope: LocalScope) -> AsyncIterator[aiohttp.ClientSession]:
    """The service on a free port, and an HTTP session for it."""

    def connect() -> ScopeClient:
        return ScopeClient(
            local_scope.credentials,
            clock=local_scope.clock,
            base_url=local_scope.url,
            auth_api_url=local_scope.url,
            retry_base_delay=0.0,
        )

    server = Server(Config(build_app(connect), port=0, log_level="critical", ws="none"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    await server.shutdown()


async def test_greeting_is_the_production_prompt(http: aiohttp.ClientSession) -> None:
    async with http.get("/greet/Ada") as response:
        assert await response.json() == {"text": "Hello, Ada! Welcome to Scope.", "fallback": False}


async def test_greeting_works_while_scope_is_down(http: aiohttp.ClientSession, scope_faults: Faults) -> None:
    scope_faults.status("any", 503)
    async with http.get("/greet/Ada") as response:
        assert await response.json() == {"text": "Hello, Ada. Welcome to Scope.", "fallback": True}


async def test_missing_prompt_is_404(http: aiohttp.ClientSession) -> None:
    async with http.get("/prompts/unknown") as response:
        assert response.status == 404


async def test_new_version_is_served_after_the_cached_one_expires(
    http: aiohttp.ClientSession, local_scope: LocalScope
) -> None:
    async with http.get("/prompts/greeting") as response:
        assert (await response.json())["version"] == 1
    await local_scope.add_prompt("greeting", "Good day, {{name}}! Welcome to {{app}}.")
    local_scope.clock.advance(3600)
    async with http.get("/prompts/greeting") as response:
        assert (await response.json())["version"] == 2


async def test_health_check_is_green_while_copies_stand_in(
    http: aiohttp.ClientSession, local_scope: LocalScope, scope_faults: Faults
) -> None:
    async with http.get("/prompts/greeting") as response:
        assert response.status == 200
    scope_faults.status("any", 503)
    local_scope.clock.advance(3600)
    async with http.get("/prompts/greeting") as response:
        assert response.status == 200
    async with http.get("/health") as response:
        assert response.status == 200


async def test_health_check_reports_a_revoked_key(
    http: aiohttp.ClientSession, local_scope: LocalScope
) -> None:
    async with http.get("/prompts/greeting") as response:
        assert response.status == 200
    async with http.get("/health") as response:
        assert await response.json() == {"status": "ok", "token": "fresh"}
    await local_scope.revoke_key(local_scope.credentials.api_key)
    local_scope.clock.advance(3600)
    async with http.get("/prompts/greeting") as response:
        assert response.status == 500
    async with http.get("/health") as response:
        assert response.status == 503
