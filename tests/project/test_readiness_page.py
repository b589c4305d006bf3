"""The probes of docs/readiness.md, as an application would have them, through an outage."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from scope_async import ScopeClient
from scope_async.local import LocalScope

PAGE = Path(__file__).parents[2] / "docs" / "readiness.md"

Browser = TestClient[web.Request, web.Application]


def probes() -> tuple[dict[str, Any], list[str]]:
    """Return the names that the block of the page defines, and its lines of code."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "readiness"}
    exec(block, names)
    return names, [line for line in block.splitlines() if line.strip()]


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


@pytest.fixture
async def scope(local: LocalScope) -> AsyncIterator[ScopeClient]:
    addresses = {"base_url": local.url, "auth_api_url": local.url, "clock": local.clock}
    async with ScopeClient(local.credentials, max_retries=0, **addresses) as scope:
        yield scope


@pytest.fixture
async def browser(scope: ScopeClient) -> AsyncIterator[Browser]:
    names, _ = probes()
    app = web.Application()
    app[names["SCOPE"]] = scope
    app.router.add_get("/live", names["live"])
    app.router.add_get("/ready", names["ready"])
    async with TestClient(TestServer(app)) as browser:
        yield browser


async def ask(browser: Browser, path: str) -> tuple[int, str]:
    async with browser.get(path) as response:
        return response.status, await response.text()


def test_probes_are_ten_lines() -> None:
    assert len(probes()[1]) <= 10


async def test_probes_are_well_while_copies_stand_in(
    local: LocalScope, scope: ScopeClient, browser: Browser
) -> None:
    await scope.get_prompt_version("greeting")
    assert await ask(browser, "/ready") == (200, '{"problems": []}')
    asked = local.journal.count()
    local.clock.advance(1000)
    with local.faults.status("any", 503):
        assert (await scope.get_prompt_version("greeting")).is_stale
        status, said = await ask(browser, "/ready")
        assert status == 200, "a probe that fails here would take the fleet down with Scope"
        assert "1 prompt cannot be fetched; copies stand in." in said
        assert (await ask(browser, "/live"))[0] == 200
    for _ in range(20):
        await ask(browser, "/ready")
    assert local.journal.count() <= asked + 3, "a probe sends nothing"


async def test_instance_without_token_and_copies_is_live_and_not_ready(
    local: LocalScope, scope: ScopeClient, browser: Browser
) -> None:
    await scope.tokens.get()
    with local.faults.status("any", 503):
        local.clock.advance(4000)
        await local.journal.wait_for("exchange", 2)
        status, said = await ask(browser, "/ready")
        assert (status, (await ask(browser, "/live"))[0]) == (503, 200)
        assert "There is no valid token" in said
