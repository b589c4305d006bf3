"""`PromptsApi`: all that the client does with prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp.client_middlewares import ClientMiddlewareType

from scope_async._background import Background
from scope_async._clock import Clock
from scope_async.config import Config
from scope_async.http.transport import Transport
from scope_async.prompts.fallback import Fallback, check_fallback
from scope_async.prompts.remote import RemotePrompts
from scope_async.prompts.selection import Label, Selection
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import Emit

__all__ = ["Fallback", "Label", "PromptsApi"]


class PromptsApi:
    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        auth: ClientMiddlewareType,
        background: Background,
        clock: Clock,
        emit: Emit,
        observed: bool = True,
    ) -> None:
        self._remote = RemotePrompts(config, transport=transport, auth=auth)

    async def get(
        self,
        name: str,
        *,
        label: Label | None = None,
        version: str | None = None,
        cache: bool = True,
        cache_ttl: float | None = None,
        fallback: Fallback | None = None,
    ) -> PromptVersion:
        selection = Selection.of(name, label, version)
        check_fallback(fallback)
        return await self._remote.fetch(selection)

    async def render(self, name: str, variables: Mapping[str, Any] | None = None, **options: Any) -> str:
        return (await self.get(name, **options)).render(variables)

    async def get_many(self, names: Iterable[str], *, label: Label | None = None) -> dict[str, PromptVersion]:
        return {name: await self.get(name, label=label) for name in names}

    async def prefetch(self, names: Iterable[str]) -> None:
        await self.get_many(names)

    def invalidate(self, name: str) -> None:
        pass

    def clear(self) -> None:
        pass

    async def ping(self) -> None:
        await self._remote.ping()

    def close(self) -> None:
        pass
