"""`ApiKeyAdmin` without `async`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self, Unpack

import aiohttp

from scope_async._core.clock import Clock
from scope_async.config import AdminOptions
from scope_async.keys.admin import ApiKeyAdmin as AsyncApiKeyAdmin
from scope_async.keys.models import ApiKey, KeyEvent, NewApiKey
from scope_async.sync.calls import ClientCalls, refuse_session
from scope_async.telemetry.hooks import Hook


class ApiKeyAdmin:
    """Manages the API keys of an organization for its administrator.

    Works from the first call on; close it with `with` or `close`. Every call may be
    retried without harm: what makes a key carries an `Idempotency-Key`, and revoking is
    idempotent. The admin token is in no `repr`, log line or error.

    Args:
        base_url: of the Scope API; plain `http://` only to a loopback address.
        admin_token: of an administrator; the token of an API key is refused.
        session: not possible here, since a session belongs to an event loop.
        hooks: callables that take one event, in the background thread.
        clock: for tests.
        options: the fields of `Config` that have to do with requests (`timeout`, `max_retries`, …).

    Raises:
        TypeError: an option that does not exist.
        ConfigurationError: the URL, the token or an option is not acceptable.
    """

    def __init__(
        self,
        base_url: str,
        admin_token: str,
        *,
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
        **options: Unpack[AdminOptions],
    ) -> None:
        refuse_session(session)
        self._adopt(AsyncApiKeyAdmin(base_url, admin_token, hooks=hooks, clock=clock, **options))

    @classmethod
    def from_env(
        cls,
        *,
        base_url: str | None = None,
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
        **options: Unpack[AdminOptions],
    ) -> Self:
        """Return an admin client for `SCOPE_API_URL` with `SCOPE_ADMIN_TOKEN`.

        Raises:
            TypeError: an option that does not exist.
            ConfigurationError: a variable is missing (all that is missing is named) or wrong.
        """
        refuse_session(session)
        admin = cls.__new__(cls)
        inner = AsyncApiKeyAdmin.from_env(base_url=base_url, hooks=hooks, clock=clock, **options)
        admin._adopt(inner)  # noqa: SLF001 - of its own class
        return admin

    def _adopt(self, admin: AsyncApiKeyAdmin) -> None:
        self._admin = admin
        self._calls = ClientCalls(admin, admin.config.timeout)
        self.config = admin.config

    def start(self) -> None:
        """Accept calls (again). Idempotent; does no I/O."""
        self._calls.submit(self._admin.start)

    def close(self) -> None:
        """Refuse further calls and close our connections. Idempotent."""
        self._calls.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._admin)

    def create(
        self, name: str, *, environment: str = "production", expires_in: float | None = None
    ) -> NewApiKey:
        """Make an API key; its secret is in the result, and can be read only there.

        A retry after a cut connection never makes a second key. Cancelled, or failed with a
        `ConnectionError` after all retries, it may have made one: look for it with `list`.

        Args:
            name: 1 to 100 characters, such as `billing-service-prod`.
            environment: `development`, `staging` or `production`.
            expires_in: seconds until it expires; None for never.

        Raises:
            AuthenticationError, AuthorizationError: this needs an administrator's token.
            ApiError: the service does not accept an argument, and says which.
            ScopeError: as every call.
        """
        return self._calls.run(
            partial(self._admin.create, name, environment=environment, expires_in=expires_in)
        )

    def list(self, *, status: str | None = None, environment: str | None = None) -> Iterator[ApiKey]:
        """Yield the API keys, newest first, page by page as they are asked for.

        Args:
            status: only `active`, `revoked` or `expired` ones.
            environment: only those of `development`, `staging` or `production`.

        Raises:
            AuthenticationError, AuthorizationError: this needs an administrator's token.
            ScopeError: as every call.
        """
        return self._calls.iterate(self._admin.list(status=status, environment=environment))

    def get(self, api_key: str) -> ApiKey:
        """Return one API key.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        return self._calls.run(partial(self._admin.get, api_key))

    def revoke(self, api_key: str, *, reason: str | None = None) -> ApiKey:
        """Revoke an API key, at once and for good.

        When this returns, the service refuses the key and every token it ever gave. Revoking
        again changes nothing and keeps the first time and reason.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        return self._calls.run(partial(self._admin.revoke, api_key, reason=reason))

    def rotate(
        self,
        api_key: str,
        *,
        overlap: float = 86_400,
        again: bool = False,
        idempotency_key: str | None = None,
    ) -> NewApiKey:
        """Make a key with the old one's name and environment; the old one stays valid for `overlap` seconds.

        Bring the new credentials to the service that uses them within that time, then revoke
        the old key, or let it expire. It is in the result as `replaced_key`.

        Args:
            api_key: the key to replace.
            overlap: seconds that it stays valid, 30 days at most.
            again: rotate a key that was replaced already.
            idempotency_key: names this rotation. Sent again within ten minutes, by another process
                too, the service answers with the same new key and its secret.

        Raises:
            NotFoundError: there is no such key.
            ConflictError: it is revoked, expired, or replaced already.
            ScopeError: as every call.
        """
        return self._calls.run(
            partial(
                self._admin.rotate, api_key, overlap=overlap, again=again, idempotency_key=idempotency_key
            )
        )

    def events(self, api_key: str) -> Iterator[KeyEvent]:
        """Yield the audit trail of an API key, oldest first, page by page as it is asked for.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        return self._calls.iterate(self._admin.events(api_key))
