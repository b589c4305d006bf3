"""What the package is for, end to end over real sockets: many readers, few exchanges, nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from scope_async import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConnectionError,
    InvalidCredentialsError,
    NoProductionVersionError,
    NotFoundError,
    RateLimitError,
    ScopeClient,
    ScopeError,
    ServerError,
    TimeoutError,
    ValidationError,
)
from scope_async.local import LocalScope
from scope_async.telemetry.events import TokenWaited


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello, {{name}}! Welcome to {{app}}.")
        yield local


def client_of(local: LocalScope, **options: Any) -> ScopeClient:
    options = {"base_url": local.url, "auth_api_url": local.url, "retry_base_delay": 0.0, **options}
    return ScopeClient(options.pop("credentials", None) or local.credentials, **options)


async def test_api_key_to_a_rendered_prompt(local: LocalScope, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = local.credentials
    monkeypatch.setenv("SCOPE_ORG_ID", credentials.org_id)
    monkeypatch.setenv("SCOPE_API_KEY", credentials.api_key)
    monkeypatch.setenv("SCOPE_API_SECRET", credentials.api_secret)
    monkeypatch.setenv("SCOPE_API_URL", local.url)
    monkeypatch.setenv("SCOPE_AUTH_API_URL", local.url)
    async with ScopeClient.from_env() as scope:
        version = await scope.get_prompt_version("greeting")
        assert version.render(name="Alice", app="Scope") == "Hello, Alice! Welcome to Scope."
        text = await scope.render_prompt("greeting", {"name": "Bob", "app": "Scope"}, label="latest")
        assert text == "Hello, Bob! Welcome to Scope."
        by_id = await scope.get_prompt_version("greeting", version=version.id)
        assert by_id.content == version.content


async def test_cold_start_of_ten_thousand_makes_one_exchange_and_one_request(local: LocalScope) -> None:
    async with client_of(local) as scope:
        answers = await asyncio.gather(*(scope.get_prompt_version("greeting") for _ in range(10_000)))
    assert len(answers) == 10_000
    assert {answer.content for answer in answers} == {"Hello, {{name}}! Welcome to {{app}}."}
    assert local.journal.count("exchange") == 1
    assert local.journal.count("prompt") == 1


async def test_slow_renewals_delay_no_request() -> None:
    async with LocalScope() as local:
        await local.add_prompt("greeting", "Hello")
        waits: list[TokenWaited] = []

        def note(event: object) -> None:
            if isinstance(event, TokenWaited):
                waits.append(event)

        async with client_of(local, hooks=[note], clock=local.clock) as scope:
            await scope.tokens.get()
            local.faults.latency("exchange", 0.5)
            waits.clear()

            async def worker(generation: int) -> int:
                made = 0
                while scope.tokens.status().generation < generation:
                    await scope.get_prompt_version("greeting", cache=False)
                    made += 1
                return made

            made: list[int] = []
            for generation in (2, 3, 4):
                local.clock.advance((scope.tokens.status().renews_in or 0.0) + 1.0)
                made += await asyncio.gather(*(worker(generation) for _ in range(500)))
        assert sum(made) > 1500
        assert waits == []
        assert local.journal.count("prompt") == sum(made)
        assert local.journal.count("exchange") == 4


BAD_BODIES = ["html", "empty", "list", "missing", "error", "truncated", "binary"]


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_success_that_breaks_the_contract_is_a_server_error(local: LocalScope, body: str) -> None:
    local.faults.malformed("prompt", body)
    async with client_of(local) as scope:
        with pytest.raises(ServerError) as raised:
            await scope.get_prompt_version("greeting")
    assert raised.value.http_status == 200
    assert raised.value.request_id
    assert local.journal.count("prompt") == 4


@pytest.mark.parametrize(
    ("status", "kind", "attempts"),
    [
        (302, ServerError, 1),
        (400, ScopeError, 1),
        (403, AuthorizationError, 1),
        (404, NoProductionVersionError, 1),
        (429, RateLimitError, 4),
        (500, ServerError, 4),
        (501, ServerError, 1),
        (503, ServerError, 4),
    ],
)
async def test_status_has_its_error(
    local: LocalScope, status: int, kind: type[ScopeError], attempts: int
) -> None:
    local.faults.status("prompt", status)
    async with client_of(local) as scope:
        with pytest.raises(kind) as raised:
            await scope.get_prompt_version("greeting")
    assert getattr(raised.value, "http_status", None) == status
    assert local.journal.count("prompt") == attempts


async def test_reply_of_five_and_eleven_megabytes_of_garbage(local: LocalScope) -> None:
    async with client_of(local, max_retries=0) as scope:
        for size in (5 * 2**20, 11 * 2**20):
            with local.faults.oversized("prompt", size), pytest.raises(ServerError):
                await scope.get_prompt_version("greeting")


@pytest.mark.parametrize("at", ["before", "middle"])
async def test_cut_connection_is_retried_and_then_raised(local: LocalScope, at: str) -> None:
    async with client_of(local) as scope:
        with local.faults.drop("prompt", at, times=2):
            assert await scope.get_prompt_version("greeting")
        scope.clear_cache()
        with local.faults.drop("prompt", at), pytest.raises(ConnectionError):
            await scope.get_prompt_version("greeting")


async def test_reset_connection_and_absent_service_are_connection_errors(local: LocalScope) -> None:
    async with client_of(local) as scope:
        with local.faults.reset("prompt"), pytest.raises(ConnectionError):
            await scope.get_prompt_version("greeting")
        await scope.tokens.get()
        await local.aclose()
        with pytest.raises(ConnectionError, match=r"cannot reach the service: .* 127\.0\.0\.1:\d+ \["):
            await scope.get_prompt_version("greeting")


async def test_timeout_ends_a_call_that_is_never_answered(local: LocalScope) -> None:
    local.faults.hang("prompt")
    async with client_of(local, timeout=0.3) as scope:
        with pytest.raises(TimeoutError, match=r"0\.3 s"):
            await scope.get_prompt_version("greeting")


async def test_timeout_covers_the_wait_for_a_token(local: LocalScope) -> None:
    local.faults.hang("exchange")
    async with client_of(local, timeout=0.3) as scope:
        with pytest.raises((TimeoutError, AuthenticationError)):
            await scope.get_prompt_version("greeting")


async def test_stale_copy_is_served_before_the_retries(local: LocalScope) -> None:
    async with client_of(local, clock=local.clock, retry_base_delay=10.0) as scope:
        await scope.get_prompt_version("greeting")
        local.clock.advance(400)  # past cache_ttl and stale_while_revalidate
        local.faults.status("prompt", 503, times=1, retry_after=10)
        assert (await scope.get_prompt_version("greeting")).is_stale
        local.clock.advance(10)
        async with asyncio.timeout(60):
            while (await scope.get_prompt_version("greeting")).is_stale:
                await asyncio.sleep(0.001)
        assert len([entry for entry in local.journal.entries if entry.operation == "prompt"]) == 3


async def test_request_id_is_the_same_over_all_attempts(local: LocalScope) -> None:
    local.faults.status("prompt", 503, times=2)
    async with client_of(local) as scope:
        await scope.get_prompt_version("greeting")
    ids = [entry.request_id for entry in local.journal.entries if entry.operation == "prompt"]
    assert len(ids) == 3
    assert len(set(ids)) == 1


async def test_revoked_key_is_refused_at_the_next_request(local: LocalScope) -> None:
    credentials = await local.create_key("short-lived")
    async with client_of(local, credentials=credentials) as scope:
        assert await scope.get_prompt_version("greeting", cache=False)
        await local.revoke_key(credentials.api_key)
        with pytest.raises(InvalidCredentialsError):
            await scope.get_prompt_version("greeting", cache=False)


async def test_full_connection_pool_does_not_delay_a_token(local: LocalScope) -> None:
    async with client_of(local, max_connections=10) as scope:
        first = await scope.tokens.get()
        local.faults.hang("prompt")
        calls = [asyncio.create_task(scope.get_prompt_version("greeting", cache=False)) for _ in range(300)]
        await local.journal.wait_for_arrival("prompt", 10)
        scope.tokens.invalidate(first)
        assert (await scope.tokens.get()).generation == 2
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_connections_are_given_in_order_of_arrival(local: LocalScope) -> None:
    async with client_of(local, max_connections=2) as scope:
        await scope.tokens.get()
        made = [0] * 20

        async def worker(number: int) -> None:
            while sum(made) < 200:
                await scope.get_prompt_version("greeting", cache=False)
                made[number] += 1

        await asyncio.gather(*(worker(number) for number in range(20)))
    assert min(made) >= 9


async def test_timeout_covers_the_wait_for_a_connection(local: LocalScope) -> None:
    async with client_of(local, max_connections=1, timeout=0.2) as scope:
        await scope.tokens.get()
        with local.faults.hang("prompt"):
            answers = await asyncio.gather(
                *(scope.get_prompt_version("greeting", cache=False) for _ in range(3)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {TimeoutError}
        assert await scope.get_prompt_version("greeting", cache=False)


async def test_bad_arguments_are_refused_before_any_request(local: LocalScope) -> None:
    async with client_of(local) as scope:
        for name, options in (
            ("", {}),
            ("x" * 256, {}),
            ("..", {}),
            ("greeting", {"label": "staging"}),
            ("greeting", {"label": "latest", "version": "v1"}),
        ):
            with pytest.raises(ValidationError):
                await scope.get_prompt_version(name, **options)
    assert local.journal.count("prompt") == 0


@pytest.mark.parametrize("name", ["../../admin", "a/b", "a?x=1", "a#f", "%2e%2e", "grüße 👋", "a b", "a%2Fb"])
async def test_name_reaches_the_service_as_one_segment(local: LocalScope, name: str) -> None:
    await local.add_prompt(name, f"This is {name.replace('{', '')}")
    async with client_of(local) as scope:
        assert (await scope.get_prompt_version(name)).name == name


async def test_not_found_says_what_was_asked_for(local: LocalScope) -> None:
    await local.add_prompt("draft-only", "Not yet", publish=False)
    async with client_of(local) as scope:
        for name in ("unknown", "draft-only"):
            with pytest.raises(NoProductionVersionError) as raised:
                await scope.get_prompt_version(name)
            assert raised.value.name == name
            assert raised.value.http_status == 404
            assert raised.value.request_id
        with pytest.raises(NotFoundError) as missing:
            await scope.get_prompt_version("greeting", version="nope")
        assert not isinstance(missing.value, NoProductionVersionError)


async def test_ping_fails_unless_both_services_accept_us(local: LocalScope) -> None:
    async with client_of(local, max_retries=0) as scope:
        await scope.ping()
        local.faults.status("prompt", 503, times=1)
        with pytest.raises(ServerError):
            await scope.ping()


async def test_plain_http_to_another_machine_is_refused(local: LocalScope) -> None:
    with pytest.raises(ConfigurationError, match="http://"):
        client_of(local, auth_api_url="http://scope.example.com")


@pytest.mark.parametrize("dialect", ["login", "sdk-token"])
async def test_calls_of_the_official_sdk(local: LocalScope, dialect: str) -> None:
    """The bodies and spellings that the synchronous SDK sends and reads, made by hand."""
    credentials = local.credentials
    path, key, secret = {
        "login": ("/v1/auth/applications/login", "client_id", "client_secret"),
        "sdk-token": ("/v1/auth/sdk-token", "key_id", "key_secret"),
    }[dialect]
    body = {"account_id": credentials.org_id, key: credentials.api_key, secret: credentials.api_secret}
    async with aiohttp.ClientSession(local.url) as session:
        async with session.post(path, json=body) as response:
            token = await response.json()
            assert response.status == 200
            assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        prompt = "/api/v1/prompts/greeting"
        async with session.get(f"{prompt}/production", headers=headers) as response:
            production = await response.json()
        async with session.get(f"{prompt}/latest", headers=headers) as response:
            assert (await response.json())["version_number"] == production["version_number"] == 1
        async with session.get(f"{prompt}/versions/{production['id']}", headers=headers) as response:
            by_id = await response.json()
    assert by_id["content"].replace("{{name}}", "Ada").replace("{{app}}", "Scope") == (
        "Hello, Ada! Welcome to Scope."
    )
    assert by_id["id"] == by_id["version_id"]
    assert by_id["variables"] == ["name", "app"]
    assert "type" not in by_id
