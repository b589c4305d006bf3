"""A `PromptService` on a service that answers when it is told to, and a model of what is there to be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import attrs
from multidict import CIMultiDict

from scope_async._core.clock import FakeClock
from scope_async._core.concurrency.background import Background
from scope_async.config import Config
from scope_async.errors import ConnectionError, ScopeError, ServerError
from scope_async.http.failures import is_transient
from scope_async.http.messages import Reply, Request
from scope_async.prompts.service import PromptService
from scope_async.prompts.version import PromptVersion
from tests.fakes.transport import FakeTokens

TTL, REVALIDATE, IF_ERROR, STALE_TIMEOUT = 100.0, 20.0, 500.0, 2.0
NAMES = ("a", "b", "c")


bypassing: ContextVar[bool] = ContextVar("bypassing", default=False)
"""True in a reader that neither reads nor stores, whose answer the cache never hears of."""


@attrs.define(eq=False)
class HeldRequest:
    """A request that waits for its answer; what the service had when it came is in `number`."""

    name: str
    request: Request
    read: Callable[[Reply], Any]
    on_attempt_failed: Callable[[ScopeError], None] | None
    number: int | None
    asked_at: float
    order: int
    answered: asyncio.Future[Any]
    is_stored: bool


class HoldingTransport:
    """Holds every request until `answer` or `fail`; checks the conditions that are sent."""

    def __init__(self, rig: PromptRig) -> None:
        self._rig = rig
        self.held: list[HeldRequest] = []

    async def call(
        self,
        request: Request,
        read: Callable[[Reply], Any],
        token_provider: Any,
        max_retries: int | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Any:
        token = token_provider.peek()
        request.headers["Authorization"] = token.authorization
        name = request.url.raw_path.split("/")[-2]
        held = HeldRequest(
            name,
            request,
            read,
            on_attempt_failed,
            self._rig.numbers[name],
            self._rig.clock.monotonic(),
            self._rig.next_order(),
            asyncio.get_running_loop().create_future(),
            not bypassing.get(),
        )
        condition = request.headers.get("If-None-Match")
        assert condition is None or f"-{token.api_key}-" in condition, "an ETag of another API key was sent"
        self.held.append(held)
        try:
            return await held.answered
        finally:
            if held in self.held:
                self.held.remove(held)


class PromptRig:
    """The event loop, the clock and the service of one run, and what its readers were given."""

    def build(self, *, max_entries: int, fallback: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(ticking=False)
        self.tokens = FakeTokens()
        self.numbers: dict[str, int | None] = dict.fromkeys(NAMES, 1)
        self.newest: dict[str, int] = dict.fromkeys(NAMES, 1)
        self.orders = 0
        self.invalidated: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.known: dict[str, tuple[int, int | None]] = {}
        """By name: the latest answered request's order and answer."""
        self.readers: list[tuple[asyncio.Task[PromptVersion], str, int, bool]] = []
        self.fallback = "stand-in" if fallback else None
        self.transport = HoldingTransport(self)
        self.background = Background()
        config = Config(
            base_url="http://localhost:1",
            auth_api_url="http://localhost:1",
            cache_ttl=TTL,
            stale_while_revalidate=REVALIDATE,
            stale_if_error=IF_ERROR,
            stale_timeout=STALE_TIMEOUT,
            cache_max_entries=max_entries,
        )
        self.api = PromptService(
            config,
            transport=self.transport,
            token_provider=self.tokens,
            background=self.background,
            clock=self.clock,
            emit=None,
            organization=lambda: "org_1",
        )

    def next_order(self) -> int:
        self.orders += 1
        return self.orders

    def run(self) -> None:
        """Let all tasks run until they wait for something."""

        async def settle() -> None:
            for _ in range(25):
                await asyncio.sleep(0)

        self.loop.run_until_complete(settle())
        for reader in [reader for reader in self.readers if reader[0].done()]:
            self.readers.remove(reader)
            self.check(*reader)

    def check(self, task: asyncio.Task[PromptVersion], name: str, since: int, has_fallback: bool) -> None:
        """Check what one reader got that began when `since` requests had been sent."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            assert isinstance(error, ScopeError)
            assert not has_fallback or not isinstance(error, ConnectionError), "the fallback was not used"
            return
        version = task.result()
        if version.is_fallback:
            assert has_fallback
            return
        assert version.name == name
        assert version.version_number <= self.newest[name]
        if self.invalidated[name] > since:
            return  # overtaken while it waited: it may have what it asked for
        floor = self.floor_at(name, self.invalidated[name])
        assert floor is None or version.version_number >= floor, "a version from before an invalidation"

    def floor_at(self, name: str, order: int) -> int | None:
        """Return the number that the service had when the prompt was invalidated last."""
        return self.floors.get((name, order))

    @property
    def floors(self) -> dict[tuple[str, int], int]:
        if not hasattr(self, "_floors"):
            self._floors: dict[tuple[str, int], int] = {}
        return self._floors

    def read(self, name: str, **options: Any) -> None:
        fallback = self.fallback if options.pop("with_fallback", False) else None
        arguments = {"fallback": fallback, **options}

        async def get() -> PromptVersion:
            bypassing.set(options.get("cache_ttl") == 0)
            plain = not options
            return (plain and self.api.peek(name)) or await self.api.fetch(name, **arguments)

        task = self.loop.create_task(get())
        self.readers.append((task, name, self.orders, fallback is not None))
        self.run()

    def invalidate(self, name: str) -> None:
        self.orders += 1
        self.invalidated[name] = self.orders
        number = self.numbers[name]
        self.floors[name, self.orders] = number if number is not None else self.newest[name] + 1

    def etag(self, held: HeldRequest) -> str:
        key = held.request.headers["Authorization"].removeprefix("Bearer of-")
        return f'"{held.name}-{key}-{held.number}"'

    def answer(self, held: HeldRequest) -> None:
        """Answer with what the service had when the request came: 200, 304 or 404."""
        etag = self.etag(held)
        status, body = 200, json.dumps(self.document(held.name, held.number or 0)).encode()
        if held.number is None:
            status, body, etag = 404, b'{"code": "not_found", "message": "gone"}', ""
        elif held.request.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.reply(held, status, body, etag)
        latest = self.known.get(held.name)
        if held.is_stored and (latest is None or latest[0] < held.order):
            self.known[held.name] = held.order, held.number

    def reply(self, held: HeldRequest, status: int, body: bytes, etag: str = "") -> bool:
        """Answer a request; return False if the client took the reply for an error."""
        headers = CIMultiDict({"ETag": etag} if etag else {})
        reply = Reply(status=status, headers=headers, body=body, sent=dict(held.request.headers))
        try:
            result = held.read(reply)
        except ScopeError as error:
            assert not isinstance(error, ServerError) or is_transient(error)
            held.answered.set_exception(error)
        else:
            held.answered.set_result(result)
        accepted = held.answered.exception() is None
        self.run()
        return accepted

    def document(self, name: str, number: int) -> dict[str, Any]:
        return {
            "version_id": f"{name}-{number}",
            "version": number,
            "name": name,
            "content": f"{name} {number}",
            "status": "published",
        }

    def stop(self) -> None:
        async def close() -> None:
            self.api.close()
            await self.background.aclose()

        self.loop.run_until_complete(close())
        self.run()
        for task, *_ in self.readers:
            task.cancel()
        self.run()
        self.loop.close()
