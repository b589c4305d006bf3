"""What goes over the wire, on the client's own session and on one that was passed in."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, web
from aiohttp.test_utils import TestServer

from scope_async import (
    ApiKeyAdmin,
    AuthenticationError,
    AuthorizationError,
    ScopeClient,
    ScopeError,
    ServerError,
)
from scope_async._version import __version__
from scope_async.http.sending import MAX_REPLY_BYTES
from scope_async.local import LocalScope
from scope_async.telemetry.events import Event, RequestRetried, ResponseReceived
from tests.fakes.exchange import CREDENTIALS

VERSION = {"version_id": "v", "version": 1, "name": "greeting", "content": "Hello", "status": "published"}
COMMON = {
    "Accept": "application/json",
    "User-Agent": f"scope-async/{__version__}",
    "X-Scope-Environment": "staging",
}


async def plainly(_: web.Request) -> web.StreamResponse:
    return web.json_response({"code": "unauthorized", "message": "no"}, status=401)


class Scope:
    """An auth API and a Scope API that keep the headers of every request, by its path."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.connections: set[object] = set()
        self.refusals = 0
        self.refusal: Callable[[web.Request], Awaitable[web.StreamResponse]] = plainly
        self.answer: Callable[[], web.Response] = lambda: web.json_response(VERSION)
        app = web.Application()
        app.router.add_post("/v1/auth/{kind:.*}", self._token)
        app.router.add_get("/api/v1/prompts/{path:.*}", self._prompt)
        app.router.add_get("/api/v1/api-keys", self._keys)
        self.server = TestServer(app)

    async def _token(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response({"access_token": f"token-{len(self.seen)}", "expires_in": 3600})

    async def _prompt(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        if self.refusals:
            self.refusals -= 1
            return await self.refusal(request)
        self.connections.add(request.transport)
        return self.answer()

    async def _keys(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response({"data": [], "next_cursor": None})

    def _note(self, request: web.Request) -> None:
        self.seen.append((request.path, dict(request.headers)))

    def of(self, path: str) -> list[dict[str, str]]:
        return [headers for where, headers in self.seen if path in where]

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


@pytest.fixture
async def scope() -> AsyncIterator[Scope]:
    scope = Scope()
    async with scope.server:
        yield scope


@asynccontextmanager
async def session_of(kind: str) -> AsyncIterator[aiohttp.ClientSession | None]:
    if kind == "our own":
        yield None
        return
    async with aiohttp.ClientSession(headers={"X-Mine": "yes", "Accept": "text/html"}) as session:
        yield session


def client_of(scope: Scope, **options: object) -> ScopeClient:
    return ScopeClient(
        CREDENTIALS, base_url=scope.url, auth_api_url=scope.url, environment="staging", **options
    )


class Hook:
    """Keeps the events and tries to send headers, of which ours must win."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        headers.update({"traceparent": "00-1-2-01", "accept": "text/plain", "AUTHORIZATION": "theirs"})


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("kind", ["our own", "passed in"])
async def test_call_carries_the_headers_of_the_contract(scope: Scope, kind: str, hooked: bool) -> None:
    hooks = [Hook()] if hooked else []
    async with session_of(kind) as session, client_of(scope, session=session, hooks=hooks) as client:
        await client.get_prompt_version("greeting")
    (asked,) = scope.of("/prompts/")
    (exchanged,) = scope.of("/auth/")
    for sent in (asked, exchanged):
        assert sent.items() >= COMMON.items()
        assert UUID(sent["X-Request-ID"]).version == 4
    assert asked["Authorization"] == "Bearer token-1"
    assert asked.get("X-Mine") == (None if kind == "our own" else "yes")
    assert asked.get("traceparent") == ("00-1-2-01" if hooked else None)
    assert "X-Mine" not in exchanged, "the exchange has a session of its own"


@pytest.mark.parametrize("kind", ["our own", "passed in"])
async def test_key_management_carries_the_headers_of_the_contract(scope: Scope, kind: str) -> None:
    async with session_of(kind) as session:
        admin = ApiKeyAdmin(scope.url, "admin-token", session=session, environment="staging")
        async with admin:
            assert [key async for key in admin.list()] == []
    (asked,) = scope.of("/api-keys")
    assert asked.items() >= {**COMMON, "Authorization": "Bearer admin-token"}.items()


async def test_given_session_is_used_and_never_closed() -> None:
    async with LocalScope() as local, aiohttp.ClientSession() as session:
        await local.add_prompt("greeting", "Hello")
        for _ in range(2):
            async with ScopeClient(
                local.credentials, base_url=local.url, auth_api_url=local.url, session=session
            ) as client:
                assert await client.get_prompt_version("greeting")
            assert not session.closed


async def another_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    request.headers["Authorization"] = "Bearer of-another-service"
    return await handler(request)


@pytest.mark.parametrize(
    "options",
    [
        {"middlewares": [another_token]},
        {"auth": ("user", "password")},
        {"headers": {"authorization": "Bearer of-another-service"}},
        {"trust_env": True},
    ],
    ids=["middleware", "auth", "default header", "netrc"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BasicAuth, from aiohttp 3.14 on
async def test_given_session_never_replaces_our_token(
    scope: Scope, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str | None] = []

    async def note(_: object, __: object, started: aiohttp.TraceRequestStartParams) -> None:
        seen.append(started.headers.get("Authorization"))

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    if "auth" in options:
        options = {"auth": aiohttp.BasicAuth(*options["auth"])}
    async with (
        aiohttp.ClientSession(trace_configs=[trace], **options) as session,
        client_of(scope, session=session) as client,
        ApiKeyAdmin(scope.url, "admin-token", session=session) as admin,
    ):
        await client.get_prompt_version("greeting")
        assert [key async for key in admin.list()] == []
    assert [asked["Authorization"] for asked in scope.of("/prompts/")] == ["Bearer token-1"]
    assert [asked["Authorization"] for asked in scope.of("/api-keys")] == ["Bearer admin-token"]
    assert not any("token" in header for header in seen if header and "another" not in header)


@pytest.mark.parametrize("kind", ["our own", "passed in"])
async def test_401_replaces_the_token_and_the_replay_is_an_attempt(scope: Scope, kind: str) -> None:
    hook, scope.refusals = Hook(), 1
    async with session_of(kind) as session, client_of(scope, session=session, hooks=[hook]) as client:
        assert await client.get_prompt_version("greeting")
    first, second = scope.of("/prompts/")
    assert (first["Authorization"], second["Authorization"]) == ("Bearer token-1", "Bearer token-3")
    assert first["X-Request-ID"] == second["X-Request-ID"]
    (retried,) = [event for event in hook.events if isinstance(event, RequestRetried)]
    assert (retried.error, retried.status, retried.delay_ms) == ("AuthenticationError", 401, 0)
    answered = [event for event in hook.events if isinstance(event, ResponseReceived)][-1]
    assert (answered.operation, answered.status, answered.attempts) == ("prompts.get", 200, 2)


async def test_401_to_every_token_is_replayed_once(scope: Scope) -> None:
    scope.refusals = 100
    async with client_of(scope) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.get_prompt_version("greeting", cache=False)
    assert caught.value.http_status == 401
    assert len(scope.of("/prompts/")) == 2
    assert len(scope.of("/auth/")) <= 3, "the second refusal may have been answered by a renewal already"


def gzipped() -> web.Response:
    response = web.json_response(VERSION)
    response.enable_compression(web.ContentCoding.gzip)
    return response


def chunked() -> web.Response:
    response = web.json_response(VERSION)
    response.enable_chunked_encoding()
    return response


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response(VERSION),
        gzipped,
        chunked,
        lambda: web.Response(status=204),
        lambda: web.Response(status=304),
        lambda: web.json_response({}, status=404),
        lambda: web.Response(status=500, text="x" * 200_000),
    ],
    ids=["json", "gzip", "chunked", "204", "304", "404", "a long 500"],
)
@pytest.mark.parametrize("kind", ["our own", "passed in"])
async def test_connection_is_reused(scope: Scope, kind: str, answer) -> None:
    scope.answer = answer
    async with session_of(kind) as session, client_of(scope, session=session, max_retries=0) as client:
        for _ in range(5):
            with suppress(ScopeError):
                await client.get_prompt_version("greeting", cache=False)
    assert len(scope.of("/prompts/")) == 5
    assert len(scope.connections) == 1


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=401, headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"short")
    assert request.transport is not None
    request.transport.close()
    return response


async def no_gzip(request: web.Request) -> web.StreamResponse:
    return web.Response(status=401, body=b"not gzip", headers={"Content-Encoding": "gzip"})


async def too_large(request: web.Request) -> web.StreamResponse:
    return web.Response(status=401, body=b" " * (MAX_REPLY_BYTES + 1))


async def stalled(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=401, headers={"Content-Length": "100"})
    await response.prepare(request)
    await asyncio.sleep(60)
    return response


@pytest.mark.parametrize("refusal", [cut_off, no_gzip, too_large, stalled])
async def test_401_counts_whatever_its_body_is(
    scope: Scope, refusal: Callable[[web.Request], Awaitable[web.StreamResponse]], monkeypatch
) -> None:
    monkeypatch.setattr("scope_async.http.sending._UNAUTHORIZED_BODY_TIMEOUT", 0.05)
    scope.refusals, scope.refusal = 1, refusal
    async with client_of(scope) as client:
        assert await client.get_prompt_version("greeting")
    assert len(scope.of("/prompts/")) == 2


async def test_attempts_are_counted_over_replays_and_retries(scope: Scope) -> None:
    hook, scope.refusals = Hook(), 1
    answers = iter([web.Response(status=503), web.Response(status=503), web.json_response(VERSION)])
    scope.answer = lambda: next(answers)
    async with client_of(scope, hooks=[hook], retry_base_delay=0.0) as client:
        await client.get_prompt_version("greeting")
    retried = [event for event in hook.events if isinstance(event, RequestRetried)]
    assert [(event.attempt, event.status) for event in retried] == [(1, 401), (2, 503), (3, 503)]
    answered = [event for event in hook.events if isinstance(event, ResponseReceived)][-1]
    assert answered.attempts == len(scope.of("/prompts/")) == 4


async def test_error_repeats_no_token_of_its_call(scope: Scope) -> None:
    scope.refusals = 1
    scope.answer = lambda: web.json_response({"message": "not token-1 and not token-3"}, status=403)
    async with client_of(scope) as client:
        with pytest.raises(AuthorizationError) as caught:
            await client.get_prompt_version("greeting")
    assert str(caught.value).startswith("not [token] and not [token]")
    assert "token-1" not in (caught.value.http_body or "")


@pytest.mark.parametrize("how", ["cancelled", "too large"])
@pytest.mark.parametrize("kind", ["our own", "passed in"])
async def test_error_has_no_frame_with_the_token(scope: Scope, kind: str, how: str) -> None:
    if how == "cancelled":
        scope.refusals, scope.refusal = 1, forever
    else:
        scope.answer = lambda: web.Response(body=b" " * (MAX_REPLY_BYTES + 1))
    async with session_of(kind) as session, client_of(scope, session=session) as client:
        await client.tokens.get()
        with pytest.raises((TimeoutError, ServerError)) as caught:
            async with asyncio.timeout(0.1 if how == "cancelled" else 10):
                await client.get_prompt_version("greeting", cache=False)
    error: BaseException | None = caught.value
    shown = ""
    while error is not None:
        shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        error = error.__cause__ or error.__context__
    assert "Bearer token" not in shown


async def forever(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()
