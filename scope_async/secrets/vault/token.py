"""Vault's token: acquired, renewed at two thirds of its life, in the end acquired anew."""

from __future__ import annotations

import logging
from pathlib import Path

import attrs

from scope_async._core.clock import Clock
from scope_async._core.concurrency.threads import run_in_thread
from scope_async.environment import Environment
from scope_async.errors import ConfigurationError
from scope_async.secrets.vault.api import VaultApi, as_object
from scope_async.secrets.vault.auth import AppRole, KubernetesAuth, TokenFile, TokenLease, VaultAuth

TOKEN_VARIABLES = ("VAULT_TOKEN", "BAO_TOKEN")
_HOME_FILE = "~/.vault-token"

_logger = logging.getLogger("scope_async.secrets")


class VaultToken:
    """The token that requests are sent with; `auth` None stands for `VAULT_TOKEN`, then `~/.vault-token`."""

    def __init__(self, auth: VaultAuth | None, clock: Clock) -> None:
        self._auth = auth
        self._clock = clock
        self._lease: TokenLease | None = None

    async def get(self, api: VaultApi) -> str:
        """Return a token that has not ended, renewing or acquiring it if need be.

        Raises:
            ConfigurationError: there is none, or Vault refuses the login.
            ScopeError: Vault did not answer.
        """
        auth, lease = self._auth, self._lease
        if not isinstance(auth, AppRole | KubernetesAuth):
            return await self._get_given(api, auth)
        if lease is None or self._clock.monotonic() >= lease.renew_at:
            renewed = None if lease is None else await self._renew(api, lease)
            self._lease = lease = renewed or await self._log_in_again(api, auth, lease)
        return lease.token

    async def _get_given(self, api: VaultApi, auth: str | TokenFile | None) -> str:
        token = auth if isinstance(auth, str) else None
        if auth is None:
            token = Environment().text(TOKEN_VARIABLES[0]) or Environment().text(TOKEN_VARIABLES[1])
        if token is None:
            # The program that writes the file renews its token.
            return await run_in_thread(lambda: _read_file(auth if isinstance(auth, TokenFile) else None))
        lease = self._lease
        if lease is None or lease.token != token:
            lease = await self._look_up(api, token)
        elif lease.renewable and self._clock.monotonic() >= lease.renew_at:
            lease = await self._renew(api, lease) or self._last_of(lease)
        self._lease = lease
        return token

    def reject(self, token: str, *, before: float) -> bool:
        """Forget a token that Vault refused; return True if another one may be acquired.

        One that was acquired after `before` is as good as any: it is the policy that forbids.
        """
        lease = self._lease
        if lease is None or lease.token != token:
            return False
        self._lease = None
        return isinstance(self._auth, AppRole | KubernetesAuth) and lease.since < before

    def _last_of(self, lease: TokenLease) -> TokenLease:
        """Return a lease that is used until it expires, since it can be neither renewed nor replaced."""
        left = max(0.0, lease.expires_at - self._clock.monotonic())
        _logger.warning("Vault's token cannot be renewed any more and ends in %.0f s; replace it", left)
        return attrs.evolve(lease, renewable=False)

    def renews_in(self) -> float | None:
        """Return the seconds until `get` will renew the token; None for one without an end or a renewal."""
        lease = self._lease
        if lease is None or not lease.renewable or lease.expires_at == float("inf"):
            return None
        return max(0.0, lease.renew_at - self._clock.monotonic())

    async def _log_in_again(
        self, api: VaultApi, auth: AppRole | KubernetesAuth, lease: TokenLease | None
    ) -> TokenLease:
        """Return a new lease, or the one in hand if its life is not over and the login is refused."""
        try:
            return await self._log_in(api, auth)
        except ConfigurationError:
            # A secret id may be good for one login alone.
            if lease is None or self._clock.monotonic() >= lease.expires_at:
                raise
            return self._last_of(lease)

    async def _log_in(self, api: VaultApi, auth: AppRole | KubernetesAuth) -> TokenLease:
        body = await run_in_thread(auth.login)
        since = self._clock.monotonic()
        path = f"auth/{auth.mount.strip('/')}/login"
        reply = await api.call("POST", path, body=body)
        granted = as_object(reply.body.get("auth"))
        token = granted.get("client_token")
        if reply.ok and isinstance(token, str) and token:
            return TokenLease.of(token, granted, since=since)
        kind, said = type(auth).__name__, reply.said(secrets=[body.pop("secret_id", ""), body.pop("jwt", "")])
        raise ConfigurationError(f"the {kind} login at {path} was refused: {said}")

    async def _look_up(self, api: VaultApi, token: str) -> TokenLease:
        since = self._clock.monotonic()
        reply = await api.call("GET", "auth/token/lookup-self", token=token)
        # A policy may forbid looking; whether the token is good, the read will say.
        return TokenLease.of(token, reply.data, since=since) if reply.ok else TokenLease(token)

    async def _renew(self, api: VaultApi, lease: TokenLease) -> TokenLease | None:
        """Return the lease renewed; None when it lives no longer than before, so that another is needed."""
        since = self._clock.monotonic()
        if not lease.renewable or since >= lease.expires_at:
            return None
        reply = await api.call("POST", "auth/token/renew-self", token=lease.token, body={})
        renewed = (
            TokenLease.of(lease.token, as_object(reply.body.get("auth")), since=since) if reply.ok else None
        )
        if renewed is not None and renewed.expires_at > lease.expires_at + 1:
            return renewed
        return None


def _read_file(auth: TokenFile | None) -> str:
    if auth is not None:
        return auth.read()
    home = Path(_HOME_FILE).expanduser()
    if not home.exists():
        raise ConfigurationError(f"no token: give `auth`, or set {TOKEN_VARIABLES[0]}, or run `vault login`")
    return TokenFile(home).read()
