"""A Local Scope in its own process, with faults on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from benchmarks.harness.processes import local_scope_process
from scope_async import ApiKeyAdmin, ApiKeyCredentials, ScopeClient


class RunningScope:
    """A Local Scope with a prompt called `greeting`; `credentials` are those of its first API key."""

    def __init__(self, ready: dict[str, str], control: aiohttp.ClientSession) -> None:
        self.url = ready["url"]
        self._admin_token = ready["admin_token"]
        self._control = control
        self.credentials = ApiKeyCredentials(ready["org_id"], ready["api_key"], ready["api_secret"])

    def client(self, credentials: Any = None, **options: Any) -> ScopeClient:
        """Return a client, by default with the first API key."""
        return ScopeClient(
            credentials or self.credentials, base_url=self.url, auth_api_url=self.url, **options
        )

    def admin(self) -> ApiKeyAdmin:
        return ApiKeyAdmin(self.url, self._admin_token)

    @asynccontextmanager
    async def fault(self, fault: str) -> AsyncIterator[None]:
        """Inject a fault while the block runs; written as for `scope-async serve --fault`."""
        async with self._control.post("/local/faults", json={"fault": fault}) as reply:
            number = (await reply.json())["id"]
        try:
            yield
        finally:
            async with self._control.delete(f"/local/faults/{number}"):
                pass

    async def exchanges(self) -> int:
        """Return the number of token exchanges it has received."""
        async with self._control.get("/local/journal", params={"operation": "exchange"}) as reply:
            return int((await reply.json())["counts"]["exchange"])


@asynccontextmanager
async def running_scope(*options: str) -> AsyncIterator[RunningScope]:
    """Run a Local Scope with these options of `scope-async serve`."""
    with local_scope_process(*options) as ready:
        headers = {"Authorization": f"Bearer {ready['admin_token']}"}
        async with aiohttp.ClientSession(ready["url"], headers=headers, raise_for_status=True) as control:
            yield RunningScope(ready, control)
