"""200 coroutines over a secret manager in real time: rotated, frozen, absent at the start, back again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from scope_async import ApiKeyCredentials, ScopeClient, ScopeError
from scope_async.local import LocalScope
from scope_async.secrets import WritableCredentials, credentials_from_url
from tests.fakes.secret_managers import ROOT_TOKEN, ManagerProcess, MotoServer, OpenBao

WORKERS = 200
TOKEN_LIFE = 3
PATIENCE = 90


@pytest.fixture
async def local() -> AsyncIterator[LocalScope]:
    async with LocalScope(token_ttl=TOKEN_LIFE) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        yield local


class Manager:
    """A secret manager of this test alone, since it is frozen and killed; `url` is where the secret is."""

    def __init__(self, process: ManagerProcess, url: str) -> None:
        self.process = process
        self.url = url

    async def store(self, credentials: ApiKeyCredentials) -> None:
        provider = credentials_from_url(self.url)
        assert isinstance(provider, WritableCredentials)
        await provider.store(credentials)

    def start(self) -> None:
        self.process.__enter__()
        if isinstance(self.process, MotoServer):
            botocore = pytest.importorskip("botocore.session")
            client = botocore.get_session().create_client("secretsmanager")
            client.create_secret(Name="outages", SecretString="{}")
            client.close()


@pytest.fixture(params=["openbao", "moto"])
def manager(request, monkeypatch) -> Iterator[Manager]:
    if request.param == "openbao":
        openbao = OpenBao()
        variables = {"VAULT_ADDR": openbao.url, "VAULT_TOKEN": ROOT_TOKEN}
        manager = Manager(openbao, "vault://secret/outages")
    else:
        moto = MotoServer()
        variables = moto.variables
        manager = Manager(moto, "aws-sm://outages")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    manager.start()
    yield manager
    manager.process.__exit__()


@pytest.fixture
def environment(local, manager, monkeypatch) -> None:
    monkeypatch.setenv("SCOPE_CREDENTIALS", manager.url)
    monkeypatch.setenv("SCOPE_API_URL", local.url)
    monkeypatch.setenv("SCOPE_AUTH_API_URL", local.url)


class Load:
    """Workers that each ask for the prompt about three times a second."""

    def __init__(self, scope: ScopeClient) -> None:
        self._scope = scope
        self.calls = 0
        self.failures: list[str] = []

    async def work(self) -> None:
        while True:
            try:
                await self._scope.get_prompt_version("greeting", cache=False)
            except ScopeError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.calls += 1
            await asyncio.sleep(0.3)


@pytest.mark.usefixtures("environment")
async def test_calls_succeed_while_keys_are_rotated_and_the_manager_is_frozen(local, manager) -> None:
    scope = ScopeClient.from_env(max_connections=WORKERS, timeout=20)
    old = local.credentials
    await manager.store(old)
    async with asyncio.timeout(PATIENCE), scope:
        load = Load(scope)
        workers = [asyncio.create_task(load.work()) for _ in range(WORKERS)]
        try:
            await asyncio.sleep(1)
            new = await local.rotate_key(old.api_key)
            await manager.store(new)
            await asyncio.sleep(5)
            await local.revoke_key(old.api_key)
            await asyncio.sleep(1)
            assert (await scope.tokens.get()).api_key == new.api_key
            before = scope.tokens.status().generation
            manager.process.freeze()
            await asyncio.sleep(2 * TOKEN_LIFE)
            while scope.tokens.status().generation == before or scope.tokens.peek() is None:
                await asyncio.sleep(0.1)
            manager.process.thaw()
            await asyncio.sleep(1)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
    assert load.failures == []
    assert load.calls > WORKERS * 10


@pytest.mark.usefixtures("environment")
async def test_manager_that_is_not_there_is_one_clear_error_until_it_is_back(local, manager) -> None:
    scope = ScopeClient.from_env(max_connections=WORKERS, max_retries=0)  # else each waits all its time
    manager.process.kill()
    async with asyncio.timeout(PATIENCE), scope:
        async with asyncio.timeout(scope.config.timeout + 5):
            errors = await asyncio.gather(
                *(scope.get_prompt_version("greeting") for _ in range(WORKERS)), return_exceptions=True
            )
        (said,) = {str(error) for error in errors}
        assert "Vault at " in said or "AWS secret 'outages'" in said
        assert "reach" in said or "no answer" in said
        assert "secret_" not in said
        await asyncio.to_thread(manager.start)
        await manager.store(local.credentials)
        while True:
            try:
                version = await scope.get_prompt_version("greeting")
            except ScopeError:
                await asyncio.sleep(0.5)
            else:
                break
    assert version.content == "Hello, {{name}}!"
