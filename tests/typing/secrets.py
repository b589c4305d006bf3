"""`scope_async.secrets` as users write it: checked by mypy and pyright, never run."""

from __future__ import annotations

import ssl
from typing import assert_type

from scope_async import ApiKeyCredentials, CredentialProvider, ScopeClient
from scope_async.secrets import (
    AppRole,
    AwsSecretsManagerCredentials,
    CachingCredentials,
    KeyringCredentials,
    KubernetesAuth,
    LeasedCredentials,
    TokenFile,
    VaultCredentials,
    WritableCredentials,
    credentials_from_env,
    credentials_from_url,
)


async def providers(context: ssl.SSLContext) -> None:
    vault = VaultCredentials("secret/scope", address="https://vault.example:8200", auth="token", ssl=context)
    assert_type(await vault(), ApiKeyCredentials)
    VaultCredentials("secret/scope", auth=TokenFile("/run/vault/token"), namespace="team")
    VaultCredentials("secret/scope", auth=AppRole("role", "secret", mount="approle"))
    VaultCredentials("secret/scope", auth=KubernetesAuth("scope"), timeout=5)
    AwsSecretsManagerCredentials("prod/scope", region="eu-west-1")
    KeyringCredentials("scope")
    assert_type(credentials_from_url("vault://secret/scope"), CredentialProvider)
    ScopeClient(credentials_from_env())


async def write(new: ApiKeyCredentials) -> None:
    writable: tuple[WritableCredentials, ...] = (
        VaultCredentials("secret/scope"),
        AwsSecretsManagerCredentials("prod/scope"),
        KeyringCredentials("scope"),
    )
    for provider in writable:
        assert_type(await provider.store(new), None)
    caching: CachingCredentials = KeyringCredentials("scope")
    caching.invalidate(new)
    leased: LeasedCredentials = VaultCredentials("secret/scope")
    await leased.keep_alive()
