"""Local Scope over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from scope_async.local import LocalScope
from tests.integration.local.local_caller import Caller


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
