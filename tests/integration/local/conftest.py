"""Fixtures: a Local Scope on a real socket, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from scope_async.local import LocalScope
from tests.integration.local.html_client import HtmlClient
from tests.integration.local.raw_client import RawClient


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def raw_client(local: LocalScope, session: aiohttp.ClientSession) -> RawClient:
    return RawClient(local, session)


@pytest.fixture
def signed_out(local: LocalScope, session: aiohttp.ClientSession) -> HtmlClient:
    """A browser that is signed out."""
    return HtmlClient(local, session)


@pytest.fixture
async def admin(local: LocalScope, session: aiohttp.ClientSession) -> HtmlClient:
    """A browser that is signed in to the settings page."""
    return await HtmlClient(local, session).sign_in()
