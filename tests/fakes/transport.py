"""A Scope service without a network, and a `PromptService` on it, for the prompt tests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import attrs
from multidict import CIMultiDict

from scope_async._core.clock import FakeClock
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.errors import ScopeError
from scope_async.http.messages import Reply, Request
from scope_async.prompts.reference import Label
from scope_async.prompts.service import PromptService
from scope_async.prompts.version import PromptVersion
from scope_async.stores import SharedStore
from scope_async.stores.client_store import ClientStore
from scope_async.telemetry.events import Event

PATH = "/api/v1/prompts/"
ROOT = f"http://localhost:1{PATH}"


class FakeTransport:
    """Answers like `Transport.call`; every prompt exists, in version `number`.

    `failure` is raised instead, `statuses` answers single prompts with an error status, and
    while `gate` is cleared every call waits. With `etags` it answers conditional requests.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.retries: list[int | None] = []
        self.number = 1
        self.etags = False
        self.failure: Exception | None = None
        self.statuses: dict[str, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self._on_attempt_failed: Callable[[ScopeError], None] | None = None
        self.in_flight = 0
        self.most_at_once = 0

    @property
    def paths(self) -> list[str]:
        return [str(request.url).removeprefix(ROOT) for request in self.requests]

    def count(self, path: str) -> int:
        return Counter(self.paths)[path]

    def forget_requests(self) -> None:
        self.requests.clear()
        self.retries.clear()

    def fail_attempt(self, error: ScopeError) -> None:
        """Report that the first attempt of the last call failed and a retry follows."""
        assert self._on_attempt_failed is not None
        self._on_attempt_failed(error)

    async def call(
        self,
        request: Request,
        read: Callable[[Reply], Any],
        token_provider: Any = None,
        max_retries: int | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Any:
        self._on_attempt_failed = on_attempt_failed
        self.requests.append(request)
        self.retries.append(max_retries)
        number, failure, gate = self.number, self.failure, self.gate
        if token_provider is not None and (token := token_provider.peek()) is not None:
            request.authorize(token)
        self.in_flight += 1
        self.most_at_once = max(self.most_at_once, self.in_flight)
        try:
            await asyncio.sleep(0)
            await gate.wait()
        finally:
            self.in_flight -= 1
        if failure is not None:
            raise failure.with_traceback(None)  # it may have been raised a thousand times before
        quoted, _, selector = str(request.url).partition(PATH)[2].partition("/")
        name = unquote(quoted)
        status = self.statuses.get(name, 200)
        body = {"message": "no"} if status != 200 else document(name, number, selector)
        return read(self.reply(request, status, json.dumps(body).encode(), f'"{name}-{number}-{selector}"'))

    def reply(self, request: Request, status: int, body: bytes, etag: str) -> Reply:
        """Return the reply as it is sent: a 304 without a body when the condition is met."""
        headers = CIMultiDict({"X-Request-ID": "req-1"})
        if self.etags and status == 200:
            headers["ETag"] = etag
            if request.headers.get("If-None-Match") == etag:
                status, body = 304, b""
        return Reply(status=status, headers=headers, body=body, sent=dict(request.headers))


def document(name: str, number: int, selector: str = "production") -> dict[str, Any]:
    kind, _, asked = selector.partition("/")
    return {
        "version_id": unquote(asked) if kind == "versions" else f"{name}-{number}",
        "version": number,
        "name": name,
        "content": f"{name} {number} {{{{x}}}}",
        "status": "published",
        "is_production": selector == "production",
    }


class FakeTokens:
    """A token provider whose token is that of `api_key`."""

    def __init__(self) -> None:
        self.api_key = "key_1"

    def peek(self) -> FakeToken:
        return FakeToken(self.api_key)


@attrs.frozen
class FakeToken:
    api_key: str

    @property
    def authorization(self) -> str:
        return f"Bearer of-{self.api_key}"


class PromptServiceFixture:
    """A `PromptService`, its transport, its clock and its events; with a `store`, one process of several."""

    def __init__(
        self, *, store: SharedStore | None = None, clock: FakeClock | None = None, **options: Any
    ) -> None:
        self.tokens = FakeTokens()
        self.organization: str | None = "org_1"
        self.transport = FakeTransport()
        self.clock = clock or FakeClock(ticking=False)
        self.background = Background()
        self.events: list[Event] = []
        addresses = {"base_url": "http://localhost:1", "auth_api_url": "http://localhost:1"}
        self.config = Config(**{**addresses, **options})
        self.store = None if store is None else self.client_store(store)
        self.api = PromptService(
            self.config,
            transport=self.transport,
            token_provider=self.tokens,
            background=self.background,
            clock=self.clock,
            emit=self.events.append,
            organization=lambda: self.organization,
            store=self.store,
        )

    def client_store(self, store: SharedStore) -> ClientStore:
        return ClientStore(
            store, self.config, background=self.background, clock=self.clock, emit=self.events.append
        )

    async def get(
        self,
        name: str,
        *,
        label: Label | None = None,
        version: str | None = None,
        cache: bool = True,
        cache_ttl: float | None = None,
        **options: Any,
    ) -> PromptVersion:
        """Return a version as `ScopeClient.get_prompt_version` does."""
        if cache and cache_ttl is None and (found := self.api.peek(name, label, version)) is not None:
            return found
        return await self.api.fetch(
            name, label=label, version=version, cache=cache, cache_ttl=cache_ttl, **options
        )

    async def number(self, name: str = "p", **options: Any) -> int:
        return (await self.get(name, **options)).version_number

    async def waiting(self, name: str = "p", **options: Any) -> asyncio.Task[PromptVersion]:
        """Return a read that waits for the service, which holds its answers back from here on."""
        self.transport.gate.clear()
        read = asyncio.create_task(self.get(name, **options))
        await self.settle()
        assert not read.done()
        return read

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def settle(self) -> None:
        """Let all tasks run until they wait for something else."""
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def prompt_service(**options: Any) -> AsyncIterator[PromptServiceFixture]:
    served = PromptServiceFixture(**options)
    try:
        yield served
    finally:
        served.transport.gate.set()
        served.api.close()
        await served.background.aclose()
        await served.api.flush()
