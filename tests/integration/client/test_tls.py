"""The option `ssl`: a private CA and mutual TLS, for the API calls and for the exchange."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web

from scope_async import ApiKeyAdmin, ApiKeyCredentials, ScopeClient, ScopeError

VERSION = {"version_id": "v1", "version": 1, "name": "greeting", "content": "Hello", "status": "published"}
CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def client_context(authority: trustme.CA, *, identity: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if identity:
        authority.issue_cert("billing@scope.example").configure_cert(context)
    return context


@asynccontextmanager
async def serving(authority: trustme.CA, *, asks_for_identity: bool) -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a Scope over TLS, and the paths that were asked for."""
    paths: list[str] = []

    async def token(request: web.Request) -> web.Response:
        paths.append("token")
        return web.json_response({"access_token": "token-1", "expires_in": 600})

    async def version(request: web.Request) -> web.Response:
        paths.append("version")
        return web.json_response(VERSION)

    async def keys(request: web.Request) -> web.Response:
        paths.append("keys")
        return web.json_response({"data": [], "next_cursor": None})

    app = web.Application()
    app.router.add_post("/v1/auth/applications/login", token)
    app.router.add_get("/api/v1/prompts/greeting/production", version)
    app.router.add_get("/api/v1/api-keys", keys)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks_for_identity:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", paths
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("asks_for_identity", [False, True], ids=["private CA", "mutual TLS"])
async def test_ssl_is_used_for_the_calls_and_for_the_exchange(authority, asks_for_identity) -> None:
    context = client_context(authority, identity=asks_for_identity)
    async with serving(authority, asks_for_identity=asks_for_identity) as (url, paths):
        async with ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url, ssl=context) as scope:
            assert (await scope.get_prompt_version("greeting")).content == "Hello"
        async with ApiKeyAdmin(url, "token", ssl=context) as admin:
            assert [key async for key in admin.list()] == []
    assert paths == ["token", "version", "keys"]


async def test_ssl_is_used_beside_a_session_that_was_passed_in(authority) -> None:
    context = client_context(authority, identity=True)
    async with (
        serving(authority, asks_for_identity=True) as (url, paths),
        aiohttp.ClientSession() as given,
        ScopeClient(CREDENTIALS, base_url=url, auth_api_url=url, ssl=context, session=given) as scope,
    ):
        assert (await scope.get_prompt_version("greeting")).content == "Hello"
    assert paths == ["token", "version"]


async def test_session_that_was_passed_in_keeps_its_own_context_without_the_option(authority) -> None:
    own = aiohttp.TCPConnector(ssl=client_context(authority, identity=False))
    async with (
        serving(authority, asks_for_identity=False) as (url, _),
        aiohttp.ClientSession(connector=own) as given,
        ApiKeyAdmin(url, "token", session=given) as admin,
    ):
        assert [key async for key in admin.list()] == []


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown CA", "no client certificate"])
async def test_connection_that_tls_refuses_says_so(authority, trusted) -> None:
    context = client_context(authority, identity=False) if trusted else None
    async with (
        serving(authority, asks_for_identity=trusted) as (url, paths),
        ApiKeyAdmin(url, "token", ssl=context, max_retries=0) as admin,
    ):
        with pytest.raises(ScopeError, match=r"(?i)certificate|reset|closed|disconnect"):
            await admin.get("key_1")
    assert not paths
