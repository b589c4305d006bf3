"""A key is rotated in its manager while a client works with it: no call fails."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from scope_async import ScopeClient, ScopeError
from scope_async.local import LocalScope
from scope_async.secrets import (
    AwsSecretsManagerCredentials,
    KeyringCredentials,
    VaultCredentials,
    WritableCredentials,
)
from tests.fakes.secret_managers import ROOT_TOKEN

WORKERS = 50
ROTATIONS = 2
PATIENCE = 30


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=60) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


class Load:
    """Workers that ask the service as fast as it answers."""

    def __init__(self, scope: ScopeClient) -> None:
        self._scope = scope
        self._stopped = False
        self.calls = 0
        self.failures: list[ScopeError] = []

    async def work(self) -> None:
        while not self._stopped:
            try:
                await self._scope.get_prompt_version("greeting", cache=False)
            except ScopeError as error:
                self.failures.append(error)
            self.calls += 1

    async def finish(self) -> None:
        """Return after two more calls of each worker."""
        last = self.calls + 2 * WORKERS
        while self.calls < last:
            await asyncio.sleep(0.01)
        self._stopped = True


async def failures_while_rotating(local: LocalScope, provider: Callable[[], WritableCredentials]):
    """Return the calls that failed; one provider writes, as a command would, another one is read."""
    administrator, current = provider(), local.credentials
    await administrator.store(current)
    async with (
        asyncio.timeout(PATIENCE),
        ScopeClient(provider(), base_url=local.url, auth_api_url=local.url, clock=local.clock) as scope,
        asyncio.TaskGroup() as group,
    ):
        load = Load(scope)
        for _ in range(WORKERS):
            group.create_task(load.work())
        for _ in range(ROTATIONS):
            old, current = current, await local.rotate_key(current.api_key)
            await administrator.store(current)
            while (token := scope.tokens.peek()) is None or token.api_key != current.api_key:
                local.clock.advance(1)
                await asyncio.sleep(0.02)
            await local.revoke_key(old.api_key)
        await load.finish()
    return load.failures


async def test_rotation_in_vault_fails_no_call(local, openbao) -> None:
    def provider() -> VaultCredentials:
        return VaultCredentials("secret/rotation", auth=ROOT_TOKEN, clock=local.clock)

    assert await failures_while_rotating(local, provider) == []


async def test_rotation_in_aws_fails_no_call(local, moto) -> None:
    pytest.importorskip("botocore")
    import botocore.session

    client = botocore.session.get_session().create_client("secretsmanager")
    name = f"rotation-{secrets.token_hex(4)}"
    client.create_secret(Name=name, SecretString="{}")
    client.close()

    def provider() -> AwsSecretsManagerCredentials:
        return AwsSecretsManagerCredentials(name, clock=local.clock)

    assert await failures_while_rotating(local, provider) == []


async def test_rotation_in_the_keyring_fails_no_call(local, file_keyring) -> None:
    def provider() -> KeyringCredentials:
        return KeyringCredentials("rotation", clock=local.clock)

    assert await failures_while_rotating(local, provider) == []
