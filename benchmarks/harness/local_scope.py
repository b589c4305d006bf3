"""A Local Scope in a process of its own, where things go wrong on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.harness.processes import local_scope
from scope_async import ApiKeyAdmin, ApiKeyCredentials, ScopeClient


class Scene:
    """It has a prompt called `greeting`; `credentials` are those of its first API key."""

    def __init__(self, ready: dict[str, str], control: aiohttp.ClientSession) -> None:
        self.url = ready["url"]
        self._admin_token = ready["admin_token"]
        self._control = control
        self.credentials = ApiKeyCredentials(ready["org_id"], ready["api_key"], ready["api_secret"])

    def client(self, credentials: Any = None, **options: Any) -> ScopeClient:
        """Return a client of it, with the first API key unless told otherwise."""
        return ScopeClient(
            credentials or self.credentials, base_url=self.url, auth_api_url=self.url, **options
        )

    def admin(self) -> ApiKeyAdmin:
        return ApiKeyAdmin(self.url, self._admin_token)

    @asynccontextmanager
    async def fault(self, fault: str) -> AsyncIterator[None]:
        """Let a fault last as long as the block; written as for `scope-async serve --fault`."""
        async with self._control.post("/local/faults", json={"fault": fault}) as reply:
            number = (await reply.json())["id"]
        try:
            yield
        finally:
            async with self._control.delete(f"/local/faults/{number}"):
                pass

    async def exchanges(self) -> int:
        """Return how many token exchanges it was asked for."""
        async with self._control.get("/local/journal", params={"operation": "exchange"}) as reply:
            return int((await reply.json())["counts"]["exchange"])


@asynccontextmanager
async def scene(*options: str) -> AsyncIterator[Scene]:
    """Run one with these options of `scope-async serve`."""
    with local_scope(*options) as ready:
        headers = {"Authorization": f"Bearer {ready['admin_token']}"}
        async with aiohttp.ClientSession(ready["url"], headers=headers, raise_for_status=True) as control:
            yield Scene(ready, control)
