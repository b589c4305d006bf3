from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scope_async.local import LocalScope


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local
