"""`ApiKeyAdmin` against Local Scope, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from scope_async import ScopeClient
from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    ConflictError,
    InvalidCredentialsError,
    NotFoundError,
    ScopeError,
    ValidationError,
)
from scope_async.keys import ApiKeyAdmin
from scope_async.local import LocalScope
from scope_async.telemetry.events import Event, RequestFailed, RequestStarted, ResponseReceived


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


@pytest.fixture
async def admin(local: LocalScope) -> AsyncIterator[ApiKeyAdmin]:
    async with ApiKeyAdmin(local.url, local.admin_token) as admin:
        yield admin


def _client(local, key) -> ScopeClient:
    return ScopeClient(key.credentials(), base_url=local.url, auth_api_url=local.url, max_retries=0)


async def test_create_returns_credentials_for_a_client(local, admin):
    key = await admin.create("billing-service-prod", environment="staging", expires_in=3600)
    assert key.org_id == local.org_id
    assert (key.expires_at - key.created_at).total_seconds() == pytest.approx(3600, abs=0.01)
    async with _client(local, key) as scope:
        assert await scope.render_prompt("greeting", {"name": "Alice"}) == "Hello, Alice!"
    seen = await admin.get(key.api_key)
    assert seen.environment == "staging"
    assert seen.last_used_at is not None
    assert not hasattr(seen, "api_secret")


async def test_list_goes_through_all_pages_and_filters(admin):
    made = {(await admin.create(f"service-{number}", environment="staging")).api_key for number in range(120)}
    listed = [key async for key in admin.list(environment="staging")]
    assert len(listed) == len(made)
    assert {key.api_key for key in listed} == made
    await admin.revoke(listed[0].api_key)
    assert [key.api_key async for key in admin.list(status="revoked")] == [listed[0].api_key]
    assert [key.name async for key in admin.list(environment="production")] == ["default"]


async def test_revoke_is_immediate_final_and_idempotent(local, admin):
    key = await admin.create("billing")
    async with _client(local, key) as scope:
        await scope.get_prompt_version("greeting", cache=False)
        revoked = await admin.revoke(key.api_key, reason="leaked")
        assert (revoked.status, revoked.revoked_reason) == ("revoked", "leaked")
        # The very next request with a token that the key already got.
        with pytest.raises(AuthenticationError):
            await scope.get_prompt_version("greeting", cache=False)
    again = await admin.revoke(key.api_key, reason="another reason")
    assert (again.revoked_at, again.revoked_reason) == (revoked.revoked_at, "leaked")
    with pytest.raises(ConflictError):
        await admin.rotate(key.api_key)


async def test_revoke_refuses_every_request_with_a_token_of_the_key(local, admin):
    key = await admin.create("billing")
    async with _client(local, key) as scope:
        token = await scope.tokens.get()
    url = f"{local.url}/api/v1/prompts/greeting/production"
    revoked = asyncio.Event()
    late: list[int] = []
    early: list[int] = []

    async def ask(session: aiohttp.ClientSession) -> None:
        for _ in range(40):
            sent_after = revoked.is_set()
            async with session.get(url, headers={"Authorization": token.authorization}) as reply:
                (late if sent_after else early).append(reply.status)

    async with aiohttp.ClientSession() as session:
        workers = [asyncio.create_task(ask(session)) for _ in range(50)]
        while len(early) < 100:
            await asyncio.sleep(0)
        await admin.revoke(key.api_key)
        revoked.set()
        await asyncio.gather(*workers)
    assert early.count(200) >= 100
    assert len(late) >= 1000
    assert set(late) == {401}


async def test_rotate_keeps_the_old_key_for_the_overlap(local, admin):
    old = await admin.create("billing", environment="staging")
    new = await admin.rotate(old.api_key, overlap=60)
    assert (new.name, new.environment) == (old.name, old.environment)
    assert new.api_secret != old.api_secret
    for key in (old, new):
        async with _client(local, key) as scope:
            await scope.ping()
    local.clock.advance(61)
    assert (await admin.get(old.api_key)).status == "expired"
    async with _client(local, old) as scope:
        with pytest.raises(InvalidCredentialsError):
            await scope.ping()
    async with _client(local, new) as scope:
        await scope.ping()


async def test_events_are_the_audit_trail_of_a_key(local, admin):
    key = await admin.create("billing")
    async with _client(local, key) as scope:
        await scope.ping()
    await admin.rotate(key.api_key)
    await admin.revoke(key.api_key, reason="replaced")
    events = [event async for event in admin.events(key.api_key)]
    assert [event.event for event in events] == ["created", "used", "rotated", "revoked"]
    assert events[-1].reason == "replaced"
    assert all(event.at.tzinfo is not None for event in events)


async def test_create_whose_reply_is_lost_makes_one_key(local, admin):
    before = len([key async for key in admin.list()])
    local.faults.drop("keys", "before", times=1)  # the reply, not the request
    await admin.create("billing")
    assert len([key async for key in admin.list()]) == before + 1


async def test_admin_token_is_required(local):
    async with ScopeClient(local.credentials, base_url=local.url, auth_api_url=local.url) as scope:
        token = await scope.tokens.get()
    async with ApiKeyAdmin(local.url, token.value) as service:
        with pytest.raises(AuthorizationError):
            await service.create("billing")
        with pytest.raises(AuthorizationError):
            [key async for key in service.list()]
        with pytest.raises(AuthorizationError):
            await service.revoke(local.credentials.api_key)
    async with ApiKeyAdmin(local.url, "admin_wrong") as stranger:
        with pytest.raises(AuthenticationError) as caught:
            await stranger.create("billing")
    assert "admin_wrong" not in str(caught.value)


async def test_errors_are_those_of_the_package(admin):
    with pytest.raises(NotFoundError):
        await admin.get("key_none")
    with pytest.raises(NotFoundError):
        await admin.revoke("key/../../none")
    with pytest.raises(NotFoundError):
        [event async for event in admin.events("key_none")]
    with pytest.raises(ApiError, match="environment"):
        await admin.create("billing", environment="moon")
    with pytest.raises(ValidationError):
        await admin.get("..")


async def test_start_and_aclose_in_any_order(local):
    admin = ApiKeyAdmin(local.url, local.admin_token)
    await admin.aclose()
    await admin.start()
    await admin.create("billing")
    await asyncio.create_task(admin.aclose())
    await admin.aclose()
    with pytest.raises(ClientClosedError):
        await admin.create("billing")


async def test_rotate_under_load_fails_no_call(local, admin):
    """New credentials where the client finds them, the old key revoked: no request fails."""
    first = await admin.create("billing")
    current = first.credentials()

    async def provider():
        return current

    failures: list[ScopeError] = []
    stop = asyncio.Event()

    async def work(scope: ScopeClient) -> None:
        while not stop.is_set():
            try:
                await scope.get_prompt_version("greeting", cache=False)
            except ScopeError as error:
                failures.append(error)
                return

    async with ScopeClient(provider, base_url=local.url, auth_api_url=local.url) as scope:
        workers = [asyncio.create_task(work(scope)) for _ in range(200)]
        await asyncio.sleep(0.2)
        new = await admin.rotate(first.api_key, overlap=60)
        current = new.credentials()
        await admin.revoke(first.api_key)
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.gather(*workers)
        assert (await scope.tokens.get()).api_key == new.api_key
    assert failures == []


async def test_hooks_see_each_call_without_what_varies_in_its_path(local: LocalScope) -> None:
    seen: list[Event] = []

    async def asynchronously(event: Event, /) -> None:
        seen.append(event)

    async with ApiKeyAdmin(local.url, local.admin_token, hooks=[seen.append, asynchronously]) as admin:
        key = await admin.create("billing")
        with pytest.raises(NotFoundError):
            await admin.get(f"{key.api_key}x")
        await asyncio.sleep(0)
    expected = [
        ("keys.create", "/api/v1/api-keys", ResponseReceived),
        ("keys.get", "/api/v1/api-keys/{api_key}", RequestFailed),
    ]
    started = [event for event in seen if isinstance(event, RequestStarted)]
    ended = [type(event) for event in seen if isinstance(event, ResponseReceived | RequestFailed)]
    assert [(event.operation, event.template) for event in started[::2]] == [each[:2] for each in expected]
    assert sorted(map(str, ended)) == sorted(str(each[2]) for each in expected * 2)
