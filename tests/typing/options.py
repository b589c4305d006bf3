"""Options as users misspell them: each line is an error for mypy and for pyright."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Unpack

from scope_async import ApiKeyAdmin, ApiKeyCredentials, Config, ScopeClient, TokenSource, sync
from scope_async.config import Options


def misspelt(credentials: ApiKeyCredentials) -> None:
    ScopeClient(credentials, cache_tll=3)  # type: ignore[call-arg]
    ScopeClient.from_env(cache_tll=3)  # type: ignore[call-arg]
    sync.ScopeClient(credentials, cache_tll=3)  # type: ignore[call-arg]
    sync.ScopeClient.from_env(cache_tll=3)  # type: ignore[call-arg]
    TokenSource(credentials, cache_tll=3)  # type: ignore[call-arg]
    Config.from_env(cache_tll=3)  # type: ignore[call-arg]
    ApiKeyAdmin("https://scope.example", "token", timeuot=3)  # type: ignore[call-arg]
    ApiKeyAdmin.from_env(timeuot=3)  # type: ignore[call-arg]
    sync.ApiKeyAdmin("https://scope.example", "token", timeuot=3)  # type: ignore[call-arg]
    sync.ApiKeyAdmin.from_env(timeuot=3)  # type: ignore[call-arg]


def of_another_type(credentials: ApiKeyCredentials) -> None:
    ScopeClient(credentials, timeout="30")  # type: ignore[arg-type]
    ScopeClient.from_env(timeout="30")  # type: ignore[arg-type]
    sync.ScopeClient(credentials, timeout="30")  # type: ignore[arg-type]
    sync.ScopeClient.from_env(timeout="30")  # type: ignore[arg-type]
    TokenSource(credentials, timeout="30")  # type: ignore[arg-type]
    Config.from_env(timeout="30")  # type: ignore[arg-type]
    ApiKeyAdmin("https://scope.example", "token", timeout="30")  # type: ignore[arg-type]
    ApiKeyAdmin.from_env(timeout="30")  # type: ignore[arg-type]
    sync.ApiKeyAdmin("https://scope.example", "token", timeout="30")  # type: ignore[arg-type]
    sync.ApiKeyAdmin.from_env(timeout="30")  # type: ignore[arg-type]


def right(credentials: ApiKeyCredentials) -> None:
    ScopeClient(credentials, timeout=5, cache_ttl=0.5, unknown_variables="ignore")
    ApiKeyAdmin.from_env(base_url="https://scope.example", timeout=5)


def connect(**options: Unpack[Options]) -> ScopeClient:
    """A function of an application that hands its options on."""
    return ScopeClient.from_env(**options)
