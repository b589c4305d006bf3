"""Conditional requests, and replies to other questions, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from scope_async import ApiError, ApiKeyCredentials, ScopeClient, ServerError
from scope_async.local import LocalScope
from scope_async.telemetry.events import Event, PromptFetched

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")


class StubService:
    """Gives out tokens, and answers prompts with what `answer` returns; notes every request."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.ports: list[int] = []
        self.exchanges = 0
        self.url = ""

    async def exchange(self, request: web.Request) -> web.Response:
        self.exchanges += 1
        key = (await request.json())["client_id"]
        return web.json_response({"access_token": f"token-of-{key}-{self.exchanges}", "expires_in": 3600})

    async def prompt(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.ports.append(request.transport.get_extra_info("peername")[1] if request.transport else 0)
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 200 and headers.get("ETag") == request.headers.get("If-None-Match") is not None:
            return web.Response(status=304, headers=headers)
        return web.Response(status=status, headers=headers, body=self.text(body) if status != 304 else None)

    def text(self, body: Any) -> str:
        return body if isinstance(body, str) else json.dumps(body)

    @property
    def conditions(self) -> list[str | None]:
        return [request.headers.get("If-None-Match") for request in self.requests]

    def client(self, credentials: Any = CREDENTIALS, **options: Any) -> ScopeClient:
        defaults = {"retry_base_delay": 0, "stale_while_revalidate": 0}
        return ScopeClient(credentials, base_url=self.url, auth_api_url=self.url, **{**defaults, **options})


def document(number: int = 1, **changes: Any) -> dict[str, Any]:
    known = {
        "version_id": f"v{number}",
        "version": number,
        "name": "p",
        "content": f"{number}",
        "status": "draft",
    }
    return {**known, **changes}


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    service = StubService()
    app = web.Application()
    app.router.add_post("/v1/auth/applications/login", service.exchange)
    app.router.add_get("/{path:.*}", service.prompt)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"'])
async def test_304_makes_the_copy_fresh_again(stub: StubService, etag: str) -> None:
    stub.answers = [(200, {"ETag": etag}, document())]
    events: list[Event] = []
    async with stub.client(hooks=[events.append]) as scope:
        first = await scope.get_prompt_version("p")
        assert await scope.get_prompt_version("p", cache_ttl=1e-9) is first
        assert await scope.get_prompt_version("p", cache=False) is first
    assert stub.conditions == [None, etag, etag]
    fetched = [event for event in events if isinstance(event, PromptFetched)]
    assert [event.not_modified for event in fetched] == [False, True, True]


async def test_condition_is_never_sent_with_another_api_key(stub: StubService) -> None:
    keys = ["key_1"]

    async def provider() -> ApiKeyCredentials:
        return ApiKeyCredentials("org_1", keys[-1], "secret_1")

    stub.answers = [(200, {"ETag": '"1"'}, document())]
    async with stub.client(provider) as scope:
        await scope.get_prompt_version("p")
        keys.append("key_2")
        stub.answers = [(401, {}, {"message": "revoked"}), (200, {"ETag": '"1"'}, document())]
        await scope.get_prompt_version("p", cache=False)
    assert stub.conditions == [None, '"1"', None]
    assert stub.requests[-1].headers["Authorization"] == "Bearer token-of-key_2-2"


@pytest.mark.parametrize(
    "wrong", [(304, {"ETag": '"1"'}, {}), (200, {"ETag": '"1"'}, document(name="q", prompt_id="prompt_9"))]
)
async def test_reply_to_another_question_is_tried_again_and_not_cached(stub: StubService, wrong: Any) -> None:
    async with stub.client(max_retries=1) as scope:
        stub.answers = [wrong, (200, {}, document())]
        assert (await scope.get_prompt_version("p")).name == "p"
        assert len(set(stub.ports)) == 2, "tried again on a new connection"
        scope.clear_cache()
        stub.answers = [wrong]
        for _ in range(2):
            with pytest.raises(ServerError):
                await scope.get_prompt_version("p")


@pytest.mark.parametrize("status", [403, 404])
async def test_gateways_refusal_throws_no_copy_away(stub: StubService, status: int) -> None:
    stub.answers = [(200, {}, document())]
    async with stub.client(max_retries=0) as scope:
        await scope.get_prompt_version("p")
        stub.answers = [(status, {"Content-Type": "text/html"}, "<h1>nginx</h1>")]
        for _ in range(2):
            version = await scope.get_prompt_version("p", cache_ttl=1e-9)
            assert (version.is_stale, version.content) == (True, "1")
        assert (await scope.get_prompt_version("q", fallback="x")).is_fallback
        stub.answers = [(status, {}, {"code": "refused", "message": "no"})]
        with pytest.raises(ApiError):
            await scope.get_prompt_version("p", cache=False)


async def test_draft_by_id_that_was_edited_is_seen_after_cache_ttl() -> None:
    async with LocalScope() as local:
        added = await local.add_prompt("greeting", "before", publish=False)
        options: dict[str, Any] = {"base_url": local.url, "auth_api_url": local.url}
        async with ScopeClient(
            local.credentials, clock=local.clock, stale_while_revalidate=0, **options
        ) as scope:
            assert (await scope.get_prompt_version("greeting", version=added.id)).content == "before"
            await local.edit("greeting", added.id, "after")
            local.clock.advance(6)
            assert (await scope.get_prompt_version("greeting", version=added.id)).content == "before"
            found = await scope.get_prompt_version("greeting", version=added.id, cache_ttl=5)
            assert found.content == "after"
