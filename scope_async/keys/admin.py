"""`ApiKeyAdmin`: creates, lists, revokes and rotates API keys."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import uuid4

import aiohttp
from yarl import URL

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.config import AdminOptions, Config, check_option_names
from scope_async.environment import ADMIN_TOKEN_VARIABLE, OPTION_VARIABLES, Environment
from scope_async.errors import ConfigurationError
from scope_async.http.messages import TOKEN, Request, request_headers
from scope_async.http.transport import Transport
from scope_async.http.urls import api_root, segment
from scope_async.keys.decoding import Item, reading, reading_page
from scope_async.keys.models import ApiKey, KeyEvent, NewApiKey
from scope_async.telemetry.dispatcher import Dispatcher, hooks_for_client, log_hooks
from scope_async.telemetry.hooks import Hook

_MAX_CONNECTIONS = 10
_KEY_IN_PATH = re.compile(r"(?<=/api-keys/)[^/]+")


class ApiKeyAdmin:
    """Manages the API keys of an organization for its administrator.

    Works from the first call on; close it with `async with` or `aclose`. Every call may be
    retried without harm: what makes a key carries an `Idempotency-Key`, and revoking is
    idempotent. The admin token is in no `repr`, log line or error.

    Args:
        base_url: of the Scope API; plain `http://` only to a loopback address.
        admin_token: of an administrator; the token of an API key is refused.
        session: an `aiohttp.ClientSession`; used, and never closed.
        hooks: callables that take one event (`scope_async.telemetry.events`), for each call.
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
        if not isinstance(admin_token, str) or not re.fullmatch(TOKEN, admin_token.strip()):
            raise ConfigurationError(f"admin_token ({ADMIN_TOKEN_VARIABLE}) is missing or is not a token")
        check_option_names(options)
        # An administrator has no token exchange, so the other variables do not concern this.
        resolved: dict[str, Any] = {"auth_api_url": base_url}
        resolved.update(options, base_url=base_url)
        self.config = Config(**resolved)
        self._authorization = f"Bearer {admin_token.strip()}"
        self._root = f"{api_root(self.config.base_url, self.config.api_version)}/api-keys"
        self._background = Background()
        hooks = (*hooks, *log_hooks()) if self.config.telemetry_enabled else ()
        self._emit = Dispatcher(hooks_for_client(hooks, self.config), self._background)
        self._transport = Transport(
            self.config,
            clock=clock or SystemClock(),
            emit=self._emit if self._emit.has_hooks else None,
            session=session,
            max_connections=_MAX_CONNECTIONS,
        )

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
        environment = Environment()
        base_url = base_url or environment.required(OPTION_VARIABLES["base_url"])
        admin_token = environment.required(ADMIN_TOKEN_VARIABLE)
        insecure = environment.flag(OPTION_VARIABLES["allow_insecure"])
        environment.check()
        if insecure is not None:
            options.setdefault("allow_insecure", insecure)
        return cls(base_url, admin_token, session=session, hooks=hooks, clock=clock, **options)

    async def start(self) -> None:
        """Accept calls (again). Idempotent; does no I/O."""
        if self._emit.has_hooks:
            self._background.start()
        self._transport.open()

    async def aclose(self) -> None:
        """Refuse further calls and close our connections. Idempotent."""
        await self._background.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<ApiKeyAdmin {self.config.base_url}>"

    async def create(
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
        fields = {"name": name, "environment": environment, "expires_in": expires_in}
        return await self._make("keys.create", self._root, fields)

    async def list(
        self, *, status: str | None = None, environment: str | None = None
    ) -> AsyncIterator[ApiKey]:
        """Yield the API keys, newest first, page by page as they are asked for.

        Args:
            status: only `active`, `revoked` or `expired` ones.
            environment: only those of `development`, `staging` or `production`.

        Raises:
            AuthenticationError, AuthorizationError: this needs an administrator's token.
            ScopeError: as every call.
        """
        query = {"status": status, "environment": environment}
        async for key in self._pages("keys.list", self._root, query, ApiKey):
            yield key

    async def get(self, api_key: str) -> ApiKey:
        """Return one API key.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        request = self._request("keys.get", "GET", self._url_of(api_key))
        return await self._transport.call(request, reading(ApiKey))

    async def revoke(self, api_key: str, *, reason: str | None = None) -> ApiKey:
        """Revoke an API key, at once and for good.

        When this returns, the service refuses the key and every token it ever gave. Revoking
        again changes nothing and keeps the first time and reason.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        body = {} if reason is None else {"reason": reason}
        request = self._request("keys.revoke", "POST", f"{self._url_of(api_key)}/revoke", body)
        return await self._transport.call(request, reading(ApiKey))

    async def rotate(
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
        fields = {"overlap": overlap, "again": True} if again else {"overlap": overlap}
        return await self._make("keys.rotate", f"{self._url_of(api_key)}/rotate", fields, idempotency_key)

    async def events(self, api_key: str) -> AsyncIterator[KeyEvent]:
        """Yield the audit trail of an API key, oldest first, page by page as it is asked for.

        Raises:
            NotFoundError: there is no such key.
            ScopeError: as every call.
        """
        async for event in self._pages("keys.events", f"{self._url_of(api_key)}/events", {}, KeyEvent):
            yield event

    def _url_of(self, api_key: str) -> str:
        return f"{self._root}/{segment(api_key, 'api_key')}"

    def _request(
        self, operation: str, method: str, url: str, body: Mapping[str, Any] | None = None, **extra: str
    ) -> Request:
        headers = request_headers()
        headers["Authorization"] = self._authorization
        headers.update(extra)
        if body is not None:
            headers["Content-Type"] = "application/json"
        address = URL(url, encoded=True)
        return Request(
            operation=operation,
            method=method,
            url=address,
            template=_KEY_IN_PATH.sub("{api_key}", address.raw_path),
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            idempotent=True,
        )

    async def _make(
        self, operation: str, url: str, fields: Mapping[str, Any], idempotency_key: str | None = None
    ) -> NewApiKey:
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        request = self._request(operation, "POST", url, fields, **headers)
        return await self._transport.call(request, reading(NewApiKey))

    async def _pages(
        self, operation: str, url: str, query: Mapping[str, str | None], kind: type[Item]
    ) -> AsyncIterator[Item]:
        wanted = {name: value for name, value in query.items() if value is not None}
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            parameters = wanted if cursor is None else {**wanted, "cursor": cursor}
            request = self._request(operation, "GET", str(URL(url, encoded=True).with_query(parameters)))
            items, cursor = await self._transport.call(request, reading_page(kind, seen))
            for item in items:
                yield item
            if cursor is None:
                return
            seen.add(cursor)
