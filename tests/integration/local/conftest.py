"""Local Scope over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from scope_async.local import LocalScope
from tests.integration.local.html_client import Visitor
from tests.integration.local.raw_client import Caller


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def caller(local: LocalScope, session: aiohttp.ClientSession) -> Caller:
    return Caller(local, session)


@pytest.fixture
def stranger(local: LocalScope, session: aiohttp.ClientSession) -> Visitor:
    """A browser that nobody has signed in with."""
    return Visitor(local, session)


@pytest.fixture
async def admin(local: LocalScope, session: aiohttp.ClientSession) -> Visitor:
    """A browser whose person is signed in to the settings page."""
    return await Visitor(local, session).sign_in()
