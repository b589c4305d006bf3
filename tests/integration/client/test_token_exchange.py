"""The token source against Local Scope's auth API, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scope_async import (
    AccessToken,
    ApiKeyCredentials,
    FileCredentials,
    InvalidCredentialsError,
    ScopeClient,
    TokenRefreshError,
    TokenSource,
)
from scope_async.auth.exchange import ExchangeResponse
from scope_async.local import LocalScope


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as scope:
        yield scope


def tokens_of(local: LocalScope, **options: Any) -> TokenSource:
    return TokenSource(
        options.pop("credentials", None) or local.credentials,
        base_url=local.url,
        auth_api_url=local.url,
        **options,
    )


async def test_token_has_claims_and_lifetime(local: LocalScope) -> None:
    async with tokens_of(local) as tokens:
        token = await tokens.get()
        assert token.claims["key_id"] == local.credentials.api_key
        assert 3590 < token.expires_in() <= 3600
        assert token.authorization == f"Bearer {token.value}"


@pytest.mark.parametrize("dialect", ["login", "sdk-token"])
async def test_dialect_can_be_chosen(local: LocalScope, dialect: str) -> None:
    async with tokens_of(local, auth_dialect=dialect) as tokens:
        assert await tokens.get()
    assert [entry.path.rsplit("/", 1)[-1] for entry in local.journal.entries] == [
        "login" if dialect == "login" else "sdk-token"
    ]


async def test_dialect_auto_finds_the_one_that_answers_and_remembers_it(local: LocalScope) -> None:
    local.faults.dialect("login")
    async with tokens_of(local) as tokens:
        for _ in range(3):
            tokens.invalidate(await tokens.get())
        await tokens.get()
    paths = [entry.path.rsplit("/", 1)[-1] for entry in local.journal.entries]
    assert paths == ["login", "sdk-token", "sdk-token", "sdk-token", "sdk-token"]


async def test_exchange_without_an_auth_api_says_so(local: LocalScope) -> None:
    local.faults.status("exchange", 404)
    async with tokens_of(local) as tokens:
        with pytest.raises(TokenRefreshError, match="no token exchange at auth_api_url"):
            await tokens.get()


async def test_secret_that_is_wrong_is_refused_and_shown_nowhere(
    local: LocalScope, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = ApiKeyCredentials(local.org_id, local.credentials.api_key, "secret_wrong_wrong_wrong")
    with caplog.at_level(logging.DEBUG):
        async with tokens_of(local, credentials=wrong) as tokens:
            with pytest.raises(InvalidCredentialsError) as refused:
                await tokens.get()
    assert refused.value.http_status == 401
    assert refused.value.request_id
    assert "secret_wrong" not in f"{refused.value!r} {refused.value} {refused.value.http_body} {caplog.text}"


async def test_secret_repeated_in_a_reply_does_not_leak() -> None:
    async def echo(request: web.Request) -> web.Response:
        data = await request.json()
        return web.json_response({"code": "bad", "message": f"got {data}"}, status=401)

    async with _server(echo) as url:
        credentials = ApiKeyCredentials("org", "key", "secret_that_is_repeated")
        async with TokenSource(credentials, base_url=url, auth_api_url=url) as tokens:
            with pytest.raises(InvalidCredentialsError) as refused:
                await tokens.get()
    error: BaseException | None = refused.value
    while error is not None:
        assert "secret_that_is_repeated" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("before", [1900, 1985, 1995, 2100])
async def test_secret_cut_off_with_the_body_does_not_leak(before: int) -> None:
    async def echo(request: web.Request) -> web.Response:
        data = await request.json()
        return web.Response(status=401, text="x" * before + data["client_secret"])

    async with _server(echo) as url:
        credentials = ApiKeyCredentials("org", "key", "secret_that_is_repeated")
        async with TokenSource(credentials, base_url=url, auth_api_url=url) as tokens:
            with pytest.raises(InvalidCredentialsError) as refused:
                await tokens.get()
    assert "secr" not in (refused.value.http_body or "").replace("[api secret]", "")


async def test_token_in_a_broken_success_does_not_leak() -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "the-token-itself", "expires_in": "soon"})

    async with _server(broken) as url:
        credentials = ApiKeyCredentials("org", "key", "secret")
        async with TokenSource(credentials, base_url=url, auth_api_url=url, max_retries=0) as tokens:
            with pytest.raises(TokenRefreshError) as failed:
                await tokens.get()
    error: BaseException | None = failed.value
    while error is not None:
        assert "the-token-itself" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("body", ["html", "empty", "list", "missing", "error", "truncated", "binary"])
async def test_malformed_reply_is_a_transient_failure(local: LocalScope, body: str) -> None:
    with local.faults.malformed("exchange", body):
        async with tokens_of(local, max_retries=0) as tokens:
            with pytest.raises(TokenRefreshError):
                await tokens.get()
    assert tokens.status().failures == 1


@pytest.mark.parametrize(
    "fault",
    [
        lambda faults: faults.reset("exchange"),
        lambda faults: faults.drop("exchange", "before"),
        lambda faults: faults.drop("exchange", "middle"),
        lambda faults: faults.status("exchange", 503),
    ],
)
async def test_fault_that_lasts_fails_the_callers_when_their_time_is_over(local: LocalScope, fault) -> None:
    fault(local.faults)
    async with tokens_of(local, retry_base_delay=0.01, timeout=0.4) as tokens:
        with pytest.raises(TokenRefreshError):
            await tokens.get()
        assert 2 <= tokens.status().failures <= 20


async def test_reply_that_is_too_large_is_not_asked_for_again(local: LocalScope) -> None:
    local.faults.oversized("exchange")
    async with tokens_of(local) as tokens:
        for _ in range(2):
            with pytest.raises(TokenRefreshError, match="larger than"):
                await tokens.get()
        assert tokens.status().exchanges == 1


async def test_token_that_expired_before_it_came_is_handed_out_until_a_401(local: LocalScope) -> None:
    local.faults.expired_token()
    async with tokens_of(local) as tokens:
        assert await tokens.get()


async def test_exchange_without_an_answer_ends_at_its_timeout(local: LocalScope) -> None:
    local.faults.hang("exchange")
    async with tokens_of(local, timeout=0.2) as tokens:
        with pytest.raises(TokenRefreshError, match=r"0\.2 s"):
            await tokens.get()


async def test_revoked_key_is_replaced_through_the_credentials_file(
    local: LocalScope, tmp_path: Path
) -> None:
    file = tmp_path / "scope.json"
    old = await local.create_key("service-old")
    _write(file, old)
    async with tokens_of(local, credentials=FileCredentials(file)) as tokens:
        first = await tokens.get()
        new = await local.create_key("service-new")
        _write(file, new)
        await local.revoke_key(old.api_key)
        tokens.invalidate(first)
        second = await tokens.get()
    assert (first.api_key, second.api_key) == (old.api_key, new.api_key)


async def test_get_by_ten_thousand_readers_makes_one_exchange(local: LocalScope) -> None:
    async with tokens_of(local) as tokens:
        await asyncio.gather(*(tokens.get() for _ in range(10_000)))
    assert local.journal.count("exchange") == 1


def _write(file: Path, credentials: ApiKeyCredentials) -> None:
    file.write_text(
        json.dumps(
            {
                "org_id": credentials.org_id,
                "api_key": credentials.api_key,
                "api_secret": credentials.api_secret,
            }
        )
    )


@asynccontextmanager
async def _server(handler: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


class SharedTokens:
    """An exchange that hands out a token that several processes share, until it is rejected."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self.rejected: list[AccessToken | None] = []

    async def __call__(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        self.rejected.append(rejected)
        if rejected is None:
            return ExchangeResponse("expired-elsewhere", 3600)
        return ExchangeResponse((await self._tokens.get()).value, 3600)


async def test_exchange_of_a_client_is_told_of_the_token_that_the_service_rejected(local: LocalScope) -> None:
    await local.add_prompt("greeting", "Hello!")
    async with tokens_of(local) as tokens:
        exchange = SharedTokens(tokens)
        async with ScopeClient(
            local.credentials, exchange=exchange, base_url=local.url, auth_api_url=local.url
        ) as scope:
            assert await scope.render_prompt("greeting") == "Hello!"
    first, second = exchange.rejected
    assert first is None
    assert second is not None
    assert second.value == "expired-elsewhere"
