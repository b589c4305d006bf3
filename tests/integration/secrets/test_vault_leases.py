"""The life of Vault's own token, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from scope_async import ApiKeyCredentials
from scope_async._core.clock import FakeClock
from scope_async.errors import ConfigurationError
from scope_async.secrets import AppRole, VaultCredentials
from scope_async.secrets.vault.auth import TokenLease

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_1")


class Leases:
    """Vault's side: hands out tokens `t1`, `t2`, … of a lifetime that can be changed."""

    def __init__(self, stub) -> None:
        self.stub = stub
        self.lifetime = 90.0
        self.renewable = True
        self.renews = True
        self.logins_left = 100
        self.issued = 0
        stub.answers["auth/approle/login"] = self.log_in
        stub.answers["auth/token/renew-self"] = self.renew
        stub.answers["auth/token/lookup-self"] = lambda _: web.json_response(
            {"data": {"ttl": self.lifetime, "renewable": self.renewable}}
        )

    def grant(self, token: str) -> web.Response:
        auth = {"client_token": token, "lease_duration": self.lifetime, "renewable": self.renewable}
        return web.json_response({"auth": auth})

    def log_in(self, _: object) -> web.Response:
        if self.logins_left == 0:
            return web.json_response({"errors": ["invalid secret id"]}, status=400)
        self.logins_left -= 1
        self.issued += 1
        return self.grant(f"t{self.issued}")

    def renew(self, asked) -> web.Response:
        if not self.renews:
            return web.json_response({"errors": ["lease is not renewable"]}, status=400)
        return self.grant(asked.token)

    def count(self, path: str) -> int:
        return self.stub.paths.count(path)

    @property
    def tokens_read_with(self) -> list[str]:
        return [asked.token for asked in self.stub.asked if asked.path == "secret/data/scope"]


@pytest.fixture
def leases(vault_stub) -> Leases:
    return Leases(vault_stub)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(ticking=False)


def lease_of(provider: VaultCredentials) -> TokenLease:
    assert provider._token._lease is not None
    return provider._token._lease


def approle(leases: Leases, clock: FakeClock) -> VaultCredentials:
    auth = AppRole("role", "secret_id")
    return VaultCredentials("secret/scope", address=leases.stub.url, auth=auth, clock=clock)


async def test_lease_is_renewed_after_two_thirds_of_its_life(leases, clock) -> None:
    provider = approle(leases, clock)
    await provider()
    clock.advance(59)
    await provider()
    assert leases.count("auth/token/renew-self") == 0
    clock.advance(6)
    await provider()
    assert leases.count("auth/token/renew-self") == 1
    assert leases.tokens_read_with == ["t1", "t1", "t1"]


@pytest.mark.parametrize("why", ["not renewable", "renewal refused", "not longer", "ended"])
async def test_lease_that_cannot_be_renewed_is_replaced(leases, clock, why) -> None:
    leases.renewable = why != "not renewable"
    provider = approle(leases, clock)
    await provider()
    leases.renews = why != "renewal refused"
    leases.lifetime = 20.0 if why == "not longer" else 90.0
    clock.advance(100 if why == "ended" else 61)
    await provider()
    assert leases.tokens_read_with == ["t1", "t2"]


async def test_lease_is_used_to_its_end_when_the_login_works_only_once(leases, clock) -> None:
    leases.renewable, leases.logins_left = False, 1
    provider = approle(leases, clock)
    await provider()
    clock.advance(80)
    assert await provider() == CREDENTIALS
    assert leases.tokens_read_with == ["t1", "t1"]
    clock.advance(20)
    with pytest.raises(ConfigurationError, match="login at auth/approle/login was refused: invalid"):
        await provider()


async def test_given_token_is_used_to_its_end_when_it_cannot_be_renewed(leases, clock, caplog) -> None:
    provider = VaultCredentials("secret/scope", address=leases.stub.url, auth="given", clock=clock)
    await provider()
    leases.renews = False
    for _ in range(3):
        clock.advance(61)
        assert await provider() == CREDENTIALS
    assert leases.count("auth/token/renew-self") == 1
    assert "Vault's token cannot be renewed any more and ends in 29 s; replace it" in caplog.text


async def test_given_token_is_renewed_too(leases, clock) -> None:
    provider = VaultCredentials("secret/scope", address=leases.stub.url, auth="given", clock=clock)
    await provider()
    clock.advance(61)
    await provider()
    assert leases.count("auth/token/renew-self") == 1
    assert leases.count("auth/token/lookup-self") == 1


async def test_token_without_permission_to_look_itself_up_is_used(leases, clock) -> None:
    leases.stub.answers["auth/token/lookup-self"] = lambda _: web.json_response({"errors": []}, status=403)
    provider = VaultCredentials("secret/scope", address=leases.stub.url, auth="given", clock=clock)
    assert await provider() == CREDENTIALS


async def test_forbidden_path_costs_one_login_a_load(leases, clock) -> None:
    leases.stub.answers["secret/data/scope"] = lambda _: web.json_response(
        {"errors": ["permission denied"]}, status=403
    )
    provider = approle(leases, clock)
    with pytest.raises(ConfigurationError, match="permission denied"):
        await provider()
    assert leases.issued == 1


async def test_keep_alive_renews_while_no_call_asks(leases, clock) -> None:
    provider = approle(leases, clock)
    keeping = asyncio.create_task(provider.keep_alive())
    await provider()
    async with asyncio.timeout(60):
        for renewals in (1, 2, 3):
            while leases.count("auth/token/renew-self") < renewals:
                clock.advance(1)
                await asyncio.sleep(0.001)
    assert leases.tokens_read_with == ["t1"]
    assert leases.issued == 1
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


async def test_keep_alive_goes_on_after_a_failure(leases, clock, caplog) -> None:
    provider = approle(leases, clock)
    keeping = asyncio.create_task(provider.keep_alive())
    await provider()
    answer = leases.stub.answers["auth/token/renew-self"]
    failing = lambda _: web.Response(status=307, headers={"Location": "https://else.example"})  # noqa: E731
    leases.stub.answers["auth/token/renew-self"] = failing
    async with asyncio.timeout(60):
        while leases.count("auth/token/renew-self") < 2:
            clock.advance(1)
            await asyncio.sleep(0.001)
        leases.stub.answers["auth/token/renew-self"] = answer
        while lease_of(provider).since == 0:
            clock.advance(1)
            await asyncio.sleep(0.001)
    assert "cannot renew Vault's token" in caplog.text
    assert "t1" not in caplog.text
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
