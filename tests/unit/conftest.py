"""Background tasks for the units that run in them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scope_async._core.concurrency.background import Background


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    background = Background()
    yield background
    await background.aclose()
