"""`VaultCredentials`: the three values in a secret of HashiCorp Vault or OpenBao."""

from __future__ import annotations

import asyncio
import builtins
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.threads import run_in_thread
from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials.document import read_credentials
from scope_async.credentials.replacement import replace_credentials
from scope_async.environment import OPTION_VARIABLES, Environment
from scope_async.errors import ConfigurationError, MissingApiKeyError, ScopeError, TimeoutError
from scope_async.http.messages import TOKEN
from scope_async.secrets.failures import with_manager
from scope_async.secrets.memory import Answer, AnswerMemory
from scope_async.secrets.vault.api import VaultAddress, VaultApi
from scope_async.secrets.vault.auth import VaultAuth
from scope_async.secrets.vault.kv import (
    KvPath,
    KvSecret,
    VaultForbiddenError,
    find_kv_path,
    read_kv,
    write_kv,
)
from scope_async.secrets.vault.token import VaultToken

Result = TypeVar("Result")
_Step = Callable[[VaultApi, str], Awaitable[Result]]

_LOOKS_EVERY = 5.0
"""Seconds between two looks at whether there is a lease to renew, and after a failed renewal."""

_logger = logging.getLogger("scope_async.secrets")


class VaultCredentials:
    """Credentials from a key/value secret (engine version 2 or 1) of HashiCorp Vault or OpenBao.

    The secret has `org_id`, `api_key` and `api_secret` (or the environment's names for them) among
    its values. What is not given is read as Vault's own tools read it: `VAULT_ADDR`, `VAULT_TOKEN`,
    `VAULT_NAMESPACE`, `VAULT_CACERT` (with `BAO_` in place of `VAULT_` too) and `~/.vault-token`.

    Asked before every exchange, at most once in 5 s; nothing blocks the event loop. Requests are
    retried and go through the proxies of the environment as the client's own do; redirects are not
    followed, since they would carry the token along. Vault's token is renewed at two thirds of its
    life when it is used, and by `keep_alive` in the background; one that can no longer be renewed
    is acquired anew where `auth` can. Every load opens and closes what it needs, so that the
    provider is usable from several event loops and after a fork, and needs no closing.

    Args:
        path: mount and path of the secret, such as `secret/scope/billing`.
        address: of Vault; plain `http://` only to a loopback address.
        auth: a token, `TokenFile(path)`, `AppRole(role_id, secret_id)` or `KubernetesAuth(role)`.
        namespace: of Vault Enterprise or OpenBao.
        ssl: an `ssl.SSLContext`, for a private CA or mutual TLS.
        allow_insecure: plain `http://` to other machines (`SCOPE_ALLOW_INSECURE`).
        timeout: seconds for one load, its retries included.
        clock: for tests.

    Raises:
        ConfigurationError: path or address is missing or not acceptable.

    Raises (when called):
        ConfigurationError: no token, a refused login, no permission or no such mount; or a
            `MissingApiKeyError`: no such secret, or one without the three values. Says which, and what to do.
        ConnectionError, TimeoutError, ServerError, RateLimitError: Vault did not answer as it should;
            trying later may help.
    """

    def __init__(
        self,
        path: str,
        *,
        address: str | None = None,
        auth: VaultAuth | None = None,
        namespace: str | None = None,
        ssl: ssl.SSLContext | None = None,
        allow_insecure: bool = False,
        timeout: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        url = address or _variable("ADDR")
        if url is None:
            raise ConfigurationError("no address of Vault; give `address` or set VAULT_ADDR")
        self.path = _checked(path)
        self._address = VaultAddress(
            url=url.strip().rstrip("/"),
            namespace=namespace or _variable("NAMESPACE"),
            timeout=timeout,
            allow_insecure=allow_insecure or _allows_insecure(),
        )
        self._clock = clock or SystemClock()
        if isinstance(auth, str) and not re.fullmatch(TOKEN, auth := auth.strip()):
            raise ConfigurationError("auth is not a token of Vault")
        self._token = VaultToken(auth, self._clock)
        self._memory = AnswerMemory(self._clock)
        self._context = ssl
        self._place: KvPath | None = None

    def __repr__(self) -> str:
        return f"VaultCredentials({self.path!r}, address={self._address.url!r})"

    async def __call__(self) -> ApiKeyCredentials:
        if (fresh := self._memory.fresh()) is not None:
            return fresh
        asked_at = self._clock.monotonic()
        secret = await self._run(self._read)
        version = None if secret.version is None else str(secret.version)
        found = self._memory.known(version) or self._decode(secret)
        if isinstance(found, ConfigurationError):
            raise with_manager(found, self._name)
        self._memory.put(Answer(found, version, asked_at))
        return found

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        """Forget these very credentials, which the auth API refused; newer ones are left alone."""
        self._memory.refuse(credentials)

    async def store(self, credentials: ApiKeyCredentials, /) -> None:
        """Write a version of the secret that has these credentials; make the secret if there is none.

        Its other values stay. Engine version 2 takes it only on top of the version that was read
        (`cas`); version 1 has no such thing, so that what it holds is compared just before.

        Raises:
            ConflictError: the secret was changed meanwhile; nothing was written.
            ConfigurationError: as when called, or a value cannot be stored; nothing was written.
            ConnectionError, TimeoutError, ServerError, RateLimitError: no certain answer; read the
                secret before trying again.
        """

        async def write(api: VaultApi, token: str) -> None:
            place = await self._find(api, token)
            secret = await read_kv(api, place, token=token)
            values = replace_credentials(secret.values, credentials)
            await write_kv(api, place, values, over=secret, token=token)

        await self._run(write)
        self._memory.forget()

    async def keep_alive(self) -> None:
        """Renew Vault's token in time, until cancelled: for a task of the client's background.

        Without it the token is renewed when it is used, which is too late for one whose life is shorter
        than that of Scope's tokens.
        """
        while True:
            wait = self._token.renews_in()
            await self._clock.sleep(_LOOKS_EVERY if wait is None else wait)
            if wait is None:
                continue
            try:
                await self._run(_nothing)
            except ScopeError as error:
                _logger.warning("cannot renew Vault's token: %s", error)
            if self._token.renews_in() == 0.0:
                await self._clock.sleep(_LOOKS_EVERY)

    @property
    def _name(self) -> str:
        return f"{self._address}, secret {self.path}"

    async def _read(self, api: VaultApi, token: str) -> KvSecret:
        return await read_kv(api, await self._find(api, token), token=token)

    async def _find(self, api: VaultApi, token: str) -> KvPath:
        if self._place is None:
            self._place = await find_kv_path(api, self.path, token=token)
        return self._place

    def _decode(self, secret: KvSecret) -> ApiKeyCredentials | ConfigurationError:
        """Return the credentials in the secret, or the error to raise."""
        if secret.values:
            return read_credentials(secret.values)
        # The mount may have been replaced by one of the other version.
        self._place = None
        if secret.version:
            return MissingApiKeyError(
                f"its version {secret.version} was deleted or is empty; undelete it, or write a new one"
            )
        return MissingApiKeyError("there is no such secret; check its path, or write it")

    async def _run(self, step: _Step[Result]) -> Result:
        """Do something with Vault and a token of it; once more with another token if it refuses that one."""
        failure: ScopeError
        try:
            async with asyncio.timeout(self._address.timeout):
                return await self._with_token(step)
        except builtins.TimeoutError:
            failure = TimeoutError(f"no answer within {self._address.timeout:g} s")
        except ScopeError as error:
            failure = error
        raise with_manager(failure, self._name)

    async def _with_token(self, step: _Step[Result]) -> Result:
        started = self._clock.monotonic()
        if self._context is None and (file := _variable("CACERT")) is not None:
            self._context = await run_in_thread(lambda: _trusting(file))
        async with VaultApi(self._address, self._context, self._clock) as api:
            token = await self._token.get(api)
            try:
                return await step(api, token)
            except VaultForbiddenError:
                if not self._token.reject(token, before=started):
                    raise
            return await step(api, await self._token.get(api))


async def _nothing(_: VaultApi, __: str) -> None:
    """Do nothing: the token was renewed, if that was due, before this step."""


def _variable(name: str) -> str | None:
    environment = Environment()
    return environment.text(f"VAULT_{name}") or environment.text(f"BAO_{name}")


def _allows_insecure() -> bool:
    environment = Environment()
    allowed = environment.flag(OPTION_VARIABLES["allow_insecure"])
    environment.check()
    return bool(allowed)


def _checked(path: str) -> str:
    """Return the path of a secret without slashes around it."""
    steps = path.strip("/").split("/") if isinstance(path, str) else []
    if len(steps) < 2 or any(step in ("", ".", "..") or not step.isprintable() for step in steps):  # noqa: PLR2004
        raise ConfigurationError("a secret's path in Vault has a mount and a name: secret/scope/billing")
    return "/".join(steps)


def _trusting(file: str) -> ssl.SSLContext:
    """Return a context that trusts the CAs in `file`. Blocks."""
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
    raise ConfigurationError(f"VAULT_CACERT: cannot read {file}: {reason}")
