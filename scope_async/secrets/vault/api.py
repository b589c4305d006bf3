"""Vault's HTTP API: one request, one reply, over a session that lives as long as one load.

So it belongs to no event loop, and nothing is left to close. https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import aiohttp
import attrs
from yarl import URL

from scope_async._core.clock import Clock
from scope_async.config import Config, require_secure
from scope_async.errors import ConfigurationError, RateLimitError, ServerError
from scope_async.http.decoding import read_retry_after
from scope_async.http.messages import USER_AGENT, Reply, Request, request_headers
from scope_async.http.proxies import Proxies
from scope_async.http.transport import Transport
from scope_async.secrets.failures import scrub_reply

_HEADERS = {"Accept": "application/json", "User-Agent": USER_AGENT}


@attrs.frozen
class VaultAddress:
    """Where Vault is, and how to speak to it. Its `repr` is what errors call it.

    Raises:
        ConfigurationError: the address is no http(s) URL, carries a password, or is plain `http://`
            to another machine.
    """

    url: str
    namespace: str | None = None
    timeout: float = 10.0
    allow_insecure: bool = False

    def __attrs_post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            parts, fine = urlsplit(""), False
        if not fine or parts.query or parts.fragment or not self.url.isprintable():
            raise ConfigurationError("address (VAULT_ADDR) must be a URL such as https://vault.example:8200")
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError("address (VAULT_ADDR) must not carry a user name or a password")
        if not (self.namespace or "").isprintable():
            raise ConfigurationError("namespace (VAULT_NAMESPACE) must be one printable line")
        require_secure("address (VAULT_ADDR)", self.url, allow_insecure=self.allow_insecure)

    def __str__(self) -> str:
        return f"Vault at {self.url}"


@attrs.frozen
class VaultReply:
    """What Vault answered: the status, its own errors, and the JSON object."""

    status: int
    body: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3

    @property
    def data(self) -> Mapping[str, Any]:
        return as_object(self.body.get("data"))

    def said(self, *, secrets: Iterable[str] = ()) -> str:
        """Return Vault's own words, without `secrets`, and the status."""
        errors = self.body.get("errors")
        words = (
            "; ".join(error for error in errors if isinstance(error, str)) if isinstance(errors, list) else ""
        )
        return f"{scrub_reply(words, secrets=secrets)} (HTTP {self.status})".strip()


def as_object(value: object) -> Mapping[str, Any]:
    """Return a JSON object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


class VaultApi:
    """Sends requests to Vault until the `async with` block ends; retries, and follows no redirect."""

    def __init__(self, address: VaultAddress, context: ssl.SSLContext | None, clock: Clock) -> None:
        self._address = address
        self._context = context
        self._clock = clock

    async def __aenter__(self) -> Self:
        address = self._address
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=Proxies().choose(URL(address.url)),
        )
        config = Config(
            base_url=address.url,
            auth_api_url=address.url,
            allow_insecure=address.allow_insecure,
            timeout=address.timeout,
            open_timeout=address.timeout / 2,
        )
        self._transport = Transport(
            config, clock=self._clock, session=self._session, max_connections=2, headers=_HEADERS
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, *, token: str | None = None, body: Mapping[str, Any] | None = None
    ) -> VaultReply:
        """Return Vault's reply, a refusal included.

        Raises:
            ConfigurationError: Vault redirects, which would carry the token to another address.
            ConnectionError, TimeoutError, ServerError, RateLimitError: no answer, also after retries.
        """
        headers = request_headers()
        headers["X-Vault-Request"] = "true"
        if self._address.namespace:
            headers["X-Vault-Namespace"] = self._address.namespace
        if token is not None:
            headers["X-Vault-Token"] = token
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(
            operation="vault",
            method=method,
            url=URL(f"{self._address.url}/v1/{quote(path, safe='/')}", encoded=True),
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
        )
        reply = await self._transport.call(request, read_reply)
        if 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
            raise ConfigurationError(
                f"it redirects (HTTP {reply.status}), not followed; set VAULT_ADDR to the active node"
            )
        return reply


def read_reply(reply: Reply) -> VaultReply:
    """Return what Vault answered.

    Raises:
        ServerError, RateLimitError: a transient failure, or a reply that is not Vault's.
    """
    try:
        body = json.loads(reply.body) if reply.body.strip() else {}
    except (ValueError, RecursionError):
        body = None
    found = VaultReply(reply.status, as_object(body))
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        retry_after = read_retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"))
        raise RateLimitError(
            f"too many requests: {found.said()}", http_status=reply.status, retry_after=retry_after
        )
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerError(f"it cannot answer: {found.said()}", http_status=reply.status)
    if found.ok and not isinstance(body, dict):
        raise ServerError("it answered with something that is not JSON; is this address Vault's?")
    return found
