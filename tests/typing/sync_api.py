"""The clients without `async` as users write them: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

from scope_async import (
    AccessToken,
    ApiKey,
    ApiKeyCredentials,
    Config,
    KeyEvent,
    NewApiKey,
    PromptVersion,
    TokenStatus,
)
from scope_async.status import ClientStatus
from scope_async.sync import ApiKeyAdmin, ScopeClient
from scope_async.telemetry.logging_hook import LoggingHook

scope = ScopeClient.from_env(timeout=5, hooks=[LoggingHook()])


def fetch_and_render() -> None:
    with ScopeClient.from_env() as opened:
        assert_type(opened, ScopeClient)
        version = opened.get_prompt_version("greeting")
        assert_type(version, PromptVersion)
        assert_type(opened.render_prompt("greeting", {"name": "Bob"}, label="latest"), str)
        assert_type(opened.get_prompt_versions(["a", "b"], label="production"), dict[str, PromptVersion])
        opened.get_prompt_version("greeting", version="version_1", cache=False, cache_ttl=1.5)
        opened.prefetch({"greeting", "farewell"})
        opened.ping()
        opened.invalidate("greeting")
        opened.clear_cache()


def options_and_lifecycle(credentials: ApiKeyCredentials) -> None:
    made = ScopeClient(
        credentials,
        config=Config(base_url="https://scope.example", auth_api_url="https://auth.example", timeout=5),
        max_retries=0,
    )
    assert_type(made.config, Config)
    made.start()
    made.close()


def tokens() -> None:
    assert_type(scope.tokens.peek(), AccessToken | None)
    token = scope.tokens.get()
    assert_type(token, AccessToken)
    scope.tokens.invalidate(token)
    assert_type(scope.tokens.status(), TokenStatus)
    assert_type(scope.tokens.refresh(), AccessToken)
    assert_type(scope.status(), ClientStatus)


def keys() -> None:
    with ApiKeyAdmin.from_env() as admin:
        assert_type(admin, ApiKeyAdmin)
        new = admin.create("ci", environment="staging", expires_in=3600)
        assert_type(new, NewApiKey)
        for key in admin.list(status="active"):
            assert_type(key, ApiKey)
        assert_type(admin.list(), Iterator[ApiKey])
        assert_type(admin.events(new.api_key), Iterator[KeyEvent])
        assert_type(admin.rotate(new.api_key, overlap=60), NewApiKey)
        assert_type(admin.get(new.api_key), ApiKey)
        assert_type(admin.revoke(new.api_key, reason="leaked"), ApiKey)
