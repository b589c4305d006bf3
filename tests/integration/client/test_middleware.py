"""`BearerAuth` on an ordinary aiohttp session: the token, the rule for 401, and one origin alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scope_async import ApiKeyCredentials, BearerAuth, ClientClosedError, TokenSource
from tests.fakes.exchange import CREDENTIALS, FakeAuth


class Service:
    """A service that accepts the tokens of a set, and remembers what it was sent."""

    def __init__(self) -> None:
        self.accepts: Callable[[str], bool] = lambda _: True
        self.seen: list[str | None] = []
        self.bodies: list[bytes] = []
        self.redirect_to = ""
        app = web.Application()
        app.router.add_route("*", "/redirect", self._redirect)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        header = request.headers.get("Authorization")
        self.seen.append(header)
        self.bodies.append(await request.read())
        accepted = header is not None and self.accepts(header)
        return web.json_response({}, status=200 if accepted else 401)

    async def _redirect(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("Authorization"))
        raise web.HTTPFound(self.redirect_to)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with service.server:
        yield service


@pytest.fixture
def auth() -> FakeAuth:
    return FakeAuth()


@pytest.fixture
async def tokens(service: Service, auth: FakeAuth) -> AsyncIterator[TokenSource]:
    async with TokenSource(
        CREDENTIALS, exchange=auth, base_url=service.url, auth_api_url=service.url
    ) as tokens:
        yield tokens


@pytest.fixture
async def session(tokens: TokenSource) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(middlewares=[BearerAuth(tokens)]) as session:
        yield session


async def test_request_carries_the_token(service: Service, session: aiohttp.ClientSession) -> None:
    for _ in range(3):
        async with session.get(f"{service.url}/a") as response:
            assert response.status == 200
    assert service.seen == ["Bearer token-1"] * 3


async def test_401_replaces_the_token_and_replays_the_request_once(
    service: Service, session: aiohttp.ClientSession
) -> None:
    service.accepts = lambda header: header != "Bearer token-1"
    async with session.post(f"{service.url}/a", json={"x": 1}) as response:
        assert response.status == 200
    assert service.seen == ["Bearer token-1", "Bearer token-2"]
    assert service.bodies == [b'{"x": 1}'] * 2


async def test_401_to_every_token_gets_one_replay_and_no_storm(
    service: Service, session: aiohttp.ClientSession, auth: FakeAuth
) -> None:
    service.accepts = lambda _: False
    for _ in range(20):
        async with session.get(f"{service.url}/a") as response:
            assert response.status == 401
    assert len(auth.asked) <= 4
    assert len(service.seen) <= 20 + 3


async def test_401_to_a_thousand_requests_makes_one_exchange(
    service: Service, session: aiohttp.ClientSession, auth: FakeAuth
) -> None:
    service.accepts = lambda header: header != "Bearer token-1"

    async def call() -> int:
        async with session.get(f"{service.url}/a") as response:
            return response.status

    assert set(await asyncio.gather(*(call() for _ in range(1000)))) == {200}
    assert len(auth.asked) == 2


async def test_401_after_changed_credentials_gets_a_second_replay(service: Service, auth: FakeAuth) -> None:
    keys = iter(["key_1", "key_1", "key_2"])
    last = "key_2"

    async def provider() -> ApiKeyCredentials:
        return ApiKeyCredentials("org_1", next(keys, last), "secret")

    service.accepts = lambda header: header == "Bearer token-3"
    async with (
        TokenSource(provider, exchange=auth, base_url=service.url, auth_api_url=service.url) as tokens,
        aiohttp.ClientSession(middlewares=[BearerAuth(tokens)]) as session,
        session.get(f"{service.url}/a") as response,
    ):
        assert response.status == 200
    assert auth.asked == ["key_1", "key_1", "key_2"]


async def test_401_to_a_body_that_cannot_be_sent_twice_invalidates_without_a_replay(
    service: Service, session: aiohttp.ClientSession, tokens: TokenSource
) -> None:
    service.accepts = lambda header: header != "Bearer token-1"

    async def stream() -> AsyncIterator[bytes]:
        yield b"once"

    async with session.post(f"{service.url}/a", data=stream()) as response:
        assert response.status == 401
    assert service.bodies == [b"once"]
    assert (await tokens.get()).generation == 2


async def test_redirect_to_another_origin_does_not_carry_the_token(
    service: Service, session: aiohttp.ClientSession
) -> None:
    foreign = Service()
    async with foreign.server:
        service.redirect_to = f"{foreign.url}/stolen"
        async with session.get(f"{service.url}/redirect") as response:
            assert response.status == 401
        async with session.get(f"{foreign.url}/direct") as response:
            assert response.status == 401
    assert service.seen == ["Bearer token-1"]
    assert foreign.seen == [None, None]


async def test_closed_source_refuses_the_request_before_it_is_sent(
    service: Service, session: aiohttp.ClientSession, tokens: TokenSource
) -> None:
    await tokens.aclose()
    with pytest.raises(ClientClosedError):
        await session.get(f"{service.url}/a")
    assert service.seen == []


async def test_cancelled_request_leaves_the_exchange_alone(
    service: Service, session: aiohttp.ClientSession, auth: FakeAuth, tokens: TokenSource
) -> None:
    tokens.invalidate(await tokens.get())
    auth.hold()
    request: asyncio.Task[Any] = asyncio.ensure_future(session.get(f"{service.url}/a"))
    await asyncio.sleep(0.01)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    auth.release()
    assert (await tokens.get()).generation == 2
    assert service.seen == []
