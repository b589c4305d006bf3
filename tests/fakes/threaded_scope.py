"""A Local Scope in a thread of its own, for synchronous tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from scope_async.local import LocalScope

Result = TypeVar("Result")


class ThreadedScope:
    """`local` is the server; `run` awaits one of its methods in its thread."""

    def __init__(self, local: LocalScope, loop: asyncio.AbstractEventLoop) -> None:
        self.local = local
        self._loop = loop
        self.addresses = {"base_url": local.url, "auth_api_url": local.url}

    def run(self, call: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(20)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that a client and an administrator need."""
        credentials = self.local.credentials
        return {
            "SCOPE_API_URL": self.local.url,
            "SCOPE_AUTH_API_URL": self.local.url,
            "SCOPE_ORG_ID": credentials.org_id,
            "SCOPE_API_KEY": credentials.api_key,
            "SCOPE_API_SECRET": credentials.api_secret,
            "SCOPE_ADMIN_TOKEN": self.local.admin_token,
        }


@contextmanager
def threaded_scope(**options: Any) -> Iterator[ThreadedScope]:
    """Serve for the block; `options` are those of `LocalScope`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local-scope")
    thread.start()

    async def opened() -> LocalScope:
        local = LocalScope(**options)
        await local.start()
        return local

    try:
        local = asyncio.run_coroutine_threadsafe(opened(), loop).result(20)
        try:
            yield ThreadedScope(local, loop)
        finally:
            asyncio.run_coroutine_threadsafe(local.aclose(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
