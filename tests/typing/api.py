"""The public API as users write it: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type

import aiohttp

from scope_async import (
    AccessToken,
    ApiError,
    ApiKey,
    ApiKeyAdmin,
    ApiKeyCredentials,
    BearerAuth,
    ChainCredentials,
    Config,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
    MissingVariableError,
    NewApiKey,
    NoProductionVersionError,
    PromptVersion,
    RateLimitError,
    ScopeClient,
    ScopeError,
    TimeoutError,
    TokenSource,
    TokenStatus,
)
from scope_async.local import LocalScope, ThreadedLocalScope
from scope_async.stores import FileStore, store_from_url
from scope_async.stores.availability import StoreStatus
from scope_async.telemetry.events import Event, TokenExchanged
from scope_async.telemetry.logging_hook import LoggingHook
from scope_async.telemetry.otel import OpenTelemetryHook


async def fetch_and_render() -> None:
    async with ScopeClient.from_env() as scope:
        assert_type(scope, ScopeClient)
        version = await scope.get_prompt_version("greeting")
        assert_type(version, PromptVersion)
        assert_type(version.render(name="Alice", app="Scope"), str)
        assert_type(version.render({"name": "Alice"}, app="Scope"), str)
        text = await scope.render_prompt("greeting", {"name": "Bob", "app": "Scope"}, label="latest")
        assert_type(text, str)
        assert_type(await scope.get_prompt_versions(["a", "b"], label="production"), dict[str, PromptVersion])
        await scope.get_prompt_version("greeting", version="version_1", cache=False, cache_ttl=1.5)
        await scope.prefetch({"greeting", "farewell"})
        await scope.ping()
        scope.invalidate("greeting")
        scope.clear_cache()


async def options_and_lifecycle(credentials: ApiKeyCredentials, session: aiohttp.ClientSession) -> None:
    scope = ScopeClient(
        credentials,
        config=Config(base_url="https://scope.example", auth_api_url="https://auth.example", timeout=5),
        session=session,
        hooks=[on_event, later],
        max_retries=0,
    )
    assert_type(scope.config, Config)
    assert_type(scope.config.timeout, float)
    await scope.start()
    await scope.aclose()
    ScopeClient.from_env(environment="staging", store=FileStore("/run/scope"))
    ScopeClient(credentials, store=store_from_url("redis://localhost"))
    store = scope.status().store
    assert_type(store, StoreStatus | None)


def on_event(event: Event) -> None:
    if isinstance(event, TokenExchanged):
        assert_type(event.generation, int)


async def later(event: Event) -> None:
    pass


async def from_a_vault() -> ApiKeyCredentials:
    return ApiKeyCredentials("org_1", "key_1", api_secret="secret_1")


class Vault:
    async def __call__(self) -> ApiKeyCredentials:
        return ApiKeyCredentials.from_env()


def providers() -> None:
    chain = ChainCredentials(EnvCredentials(), FileCredentials("/run/secrets/scope"), Vault(), from_a_vault)
    provider: CredentialProvider = chain
    ScopeClient(provider)
    ScopeClient(from_a_vault)
    ScopeClient(Vault())


async def tokens(scope: ScopeClient) -> None:
    assert_type(scope.tokens, TokenSource)
    assert_type(scope.tokens.peek(), AccessToken | None)
    token = await scope.tokens.get()
    assert_type(token, AccessToken)
    assert_type(token.authorization, str)
    assert_type(token.expires_in(), float)
    assert_type(token.generation, int)
    scope.tokens.invalidate(token)
    status = scope.tokens.status()
    assert_type(status, TokenStatus)
    assert_type(status.exchanges, int)
    async with aiohttp.ClientSession(middlewares=[BearerAuth(scope.tokens)]) as session:
        await session.get("https://scope.example/api/v1/anything")


def read(version: PromptVersion) -> None:
    assert_type(version.id, str)
    assert_type(version.version_number, int)
    assert_type(version.created_at, datetime | None)
    assert_type(version.is_production, bool)
    assert_type(version.is_stale, bool)
    assert_type(version.get_metadata("model", "none"), Any)
    assert_type(version.otel_attributes(), dict[str, str | bool])
    assert_type(version.created_by, str | None)
    assert_type(version.to_dict(), dict[str, Any])
    assert_type(version.to_json(), str)
    assert_type(version.bind(app="Scope").render(name="Alice"), str)
    assert_type(version.diff(version), str)
    raw: Mapping[str, Any] = version.raw
    names: tuple[str, ...] = tuple(version.variables)
    messages = version.render_messages(name="Alice")
    assert_type(messages, list[Any])
    del raw, names


async def errors(scope: ScopeClient) -> None:
    try:
        await scope.render_prompt("greeting", {})
    except MissingVariableError as error:
        assert_type(error.missing_variables, tuple[str, ...])
    except NoProductionVersionError as error:
        assert_type(error.name, str)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except ApiError as error:
        assert_type(error.http_status, int | None)
        assert_type(error.request_id, str | None)
    except (TimeoutError, ScopeError):
        raise


async def keys() -> None:
    async with ApiKeyAdmin.from_env() as admin:
        new = await admin.create("ci", environment="staging", expires_in=3600)
        assert_type(new, NewApiKey)
        assert_type(new.api_secret, str)
        async for key in admin.list(status="active"):
            assert_type(key, ApiKey)
        rotated = await admin.rotate(new.api_key, overlap=60, again=True)
        assert_type(rotated, NewApiKey)
        assert_type(rotated.replaced_key, ApiKey | None)
        assert_type(await admin.get(new.api_key), ApiKey)
        await admin.revoke(new.api_key, reason="leaked")


async def local() -> None:
    async with LocalScope() as scope:
        version = await scope.add_prompt("greeting", "Hello, {{name}}!")
        await scope.promote("greeting", version.id)
        ScopeClient(scope.credentials, base_url=scope.url, auth_api_url=scope.url)


def threaded() -> None:
    with LocalScope() as scope:
        assert_type(scope, ThreadedLocalScope)
        version = scope.add_prompt("greeting", "Hello, {{name}}!", tags=["a"])
        assert_type(version.version_number, int)
        scope.add_prompt("greeting")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


class Propagating:
    """A hook that adds a header to every request."""

    def __call__(self, event: Event, /) -> None: ...

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        headers["X-Trace"] = request_id


def observed() -> None:
    ScopeClient.from_env(hooks=[OpenTelemetryHook(propagate=False), LoggingHook(), Propagating()])
