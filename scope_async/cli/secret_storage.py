"""Where `--into` puts the secret of a new API key, so that it is shown nowhere."""

from __future__ import annotations

import asyncio
import builtins
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from scope_async.credentials import ApiKeyCredentials, CredentialProvider, WritableCredentials
from scope_async.errors import ConfigurationError, ConflictError, MissingApiKeyError, ScopeError, TimeoutError
from scope_async.keys.admin import ApiKeyAdmin
from scope_async.keys.models import NewApiKey
from scope_async.secrets.urls import credentials_from_url

_READ_TIMEOUT = 30.0
"""Seconds; a FIFO without a writer would keep the command waiting for ever."""


class SecretStorage:
    """The secret manager or the file of a URL; every call asks it anew.

    Raises:
        ConfigurationError: no such URL, a part in braces that no key has filled in, or what it names can
            only be read.
    """

    def __init__(
        self, url: str, open_url: Callable[[str], CredentialProvider] = credentials_from_url
    ) -> None:
        if unknown := re.search(r"\{.*?\}", url):
            raise ConfigurationError(
                f"{url}: {unknown[0]} stands for nothing here; `keys rollover` puts in {{name}}, "
                "{environment} and {api_key}; a brace of the place itself is written %7B"
            )
        self.url = url
        self._open_url = open_url
        if not isinstance(open_url(url), WritableCredentials):
            raise ConfigurationError(f"{url} can be read, not written")

    def __str__(self) -> str:
        return self.url

    async def read(self) -> ApiKeyCredentials | None:
        """Return what it holds; None when it has no credentials yet.

        Raises:
            ScopeError: it cannot be read.
        """
        try:
            # A new provider each time: one that has been asked remembers its answer for a while.
            async with asyncio.timeout(_READ_TIMEOUT):
                return await self._open_url(self.url)()
        except MissingApiKeyError:
            return None
        except builtins.TimeoutError as error:
            if isinstance(error, ScopeError):
                raise
        raise TimeoutError(
            f"{self.url} gave nothing within {_READ_TIMEOUT:g} s: is it a pipe, or does it hang?"
        )

    async def write(self, credentials: ApiKeyCredentials) -> None:
        """Put the credentials there; returns also when another writer has put the same ones there.

        Raises:
            ConfigurationError, ConflictError: it holds something else.
            UnknownOutcomeError: no certain answer; it may hold them now or a little later.
        """
        try:
            await cast("WritableCredentials", self._open_url(self.url)).store(credentials)
        except ScopeError as error:
            failure = error
        else:
            return
        refused = isinstance(failure, ConfigurationError | ConflictError)
        try:
            if await self.read() == credentials:
                return
        except ScopeError:
            if not refused:
                raise UnknownOutcomeError(f"{failure}; it may have been written all the same") from None
        raise failure


class UnknownOutcomeError(ScopeError):
    """It is not known whether a secret was written."""


async def make_and_store(
    admin: ApiKeyAdmin, make: Callable[[], Awaitable[NewApiKey]], storage: SecretStorage
) -> NewApiKey:
    """Make a key and put its credentials into `storage`; where that fails, revoke the key again.

    Raises:
        ScopeError: the key could not be made or stored; says whether it was revoked.
    """
    with suppress(ConfigurationError):  # what is wrong there, writing says more exactly
        await storage.read()
    new = await make()
    try:
        await storage.write(new.credentials())
    except UnknownOutcomeError as error:
        raise UnknownOutcomeError(
            f"{error}; look there for API key {new.api_key}, which was not revoked"
        ) from None
    except ScopeError as error:
        failure = error
    else:
        return new
    raise await revoke_again(admin, new, failure)


async def revoke_again(admin: ApiKeyAdmin, new: NewApiKey, failure: ScopeError) -> ScopeError:
    """Revoke a key whose secret is stored nowhere, and return the error to raise."""
    try:
        await admin.revoke(new.api_key, reason="its secret could not be stored")
    except ScopeError as error:
        said = f"the new API key {new.api_key} could not be revoked again ({error}): revoke it"
    else:
        said = f"the new API key {new.api_key} was revoked again"
    return type(failure)(f"{failure}; {said}")
