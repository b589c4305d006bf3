"""What a credential provider may do besides returning credentials."""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

from scope_async.credentials.api_key import ApiKeyCredentials

_logger = logging.getLogger("scope_async.credentials")


@runtime_checkable
class WritableCredentials(Protocol):
    """A credential provider that new credentials can be put into."""

    async def __call__(self) -> ApiKeyCredentials: ...

    async def store(self, credentials: ApiKeyCredentials, /) -> None:
        """Replace the three values; every other value and the spelling in use stay.

        Raises:
            ConflictError: what is stored was changed by another writer meanwhile; nothing was written.
            ConfigurationError: it cannot be written, or a value cannot be; nothing was written.
            ConnectionError, ServerError, RateLimitError: no certain answer; read before trying again.
        """
        ...


@runtime_checkable
class CachingCredentials(Protocol):
    """A credential provider that remembers its last answer for a short while."""

    async def __call__(self) -> ApiKeyCredentials: ...

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        """Forget these very credentials, which the auth API refused; newer ones are left alone."""
        ...


@runtime_checkable
class LeasedCredentials(Protocol):
    """A credential provider whose own access ends unless it is renewed."""

    async def __call__(self) -> ApiKeyCredentials: ...

    async def keep_alive(self) -> None:
        """Renew the provider's own access until cancelled; a task of the client's background."""
        ...


async def keep_alive(provider: LeasedCredentials) -> None:
    """Renew a provider's own access until cancelled; a failure is logged, and ends it."""
    try:
        await provider.keep_alive()
    except Exception as error:  # noqa: BLE001 - a provider may raise anything
        _logger.warning(
            "%s.keep_alive failed with %s and is not run again", type(provider).__name__, type(error).__name__
        )
