"""How `RedisStore` connects: a single server, Sentinel or a cluster, from one URL."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import attrs
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, ResponseError

from scope_async._core.redaction import hide
from scope_async.errors import ConfigurationError

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")

_SOCKET_TIMEOUT = 0.5
"""Seconds for one connection or one reply; callers bound the whole operation."""

_SENTINEL_PORT = 26379

_SHORTEST = 4
"""Characters of a password that is searched for: a shorter one is a part of many words."""


@attrs.frozen(eq=False)
class Connection:
    """An open client, what it found out about the server, and all there is to close."""

    client: Any
    is_cluster: bool
    has_sharded_channels: bool
    closing: tuple[Any, ...]

    async def aclose(self) -> None:
        for each in self.closing:
            with suppress(Exception):
                await each.aclose()


class Connector(Protocol):
    """Makes the client of one event loop; call it from there."""

    async def __call__(self) -> Connection: ...


class UrlConnector:
    """Connects to what a URL names; a cluster is recognised by what the server says of itself.

    `redis://` and `rediss://` as the `redis` package reads them; `redis+sentinel://host:port,
    host:port/service/db`, whose user and password are those of the servers, and
    `sentinel_username` and `sentinel_password` in its query those of the sentinels.

    Raises:
        ConfigurationError: no such URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.shown_url = _without_password(url)
        scheme = urlsplit(url).scheme
        self._sentinel = scheme.endswith("+sentinel")
        if scheme not in SCHEMES:
            raise ConfigurationError(
                f"the URL of a Redis begins with {', '.join(f'{s}://' for s in SCHEMES)}"
            )
        try:
            self._sentinel_arguments() if self._sentinel else self._plain()
        except (ValueError, TypeError):
            # Nothing of it is shown: what stands in a wrong place may be the password.
            raise ConfigurationError(f"the {scheme}:// URL of the store cannot be read") from None

    def without_password(self, error: Exception) -> Exception:
        """Return an error to show in place of `error`: a server may quote the AUTH that it does not know."""
        parts = urlsplit(self._url)
        given = (parts.netloc.rpartition("@")[0].partition(":")[2], *_passwords_of_query(parts.query))
        known = {unquote(password): "[password]" for password in given if len(password) >= _SHORTEST}
        text = str(error)
        hidden = hide(text, known)
        return error if hidden == text else RedisError(hidden)

    async def __call__(self) -> Connection:
        if self._sentinel:
            return self._connect_sentinel()
        client = self._plain()
        try:
            server = await _server_info(client)
        except BaseException:
            with suppress(Exception):
                await client.aclose()
            raise
        if server.get("redis_mode") != "cluster":
            return Connection(client, is_cluster=False, has_sharded_channels=False, closing=(client,))
        with suppress(Exception):
            await client.aclose()
        return await self._connect_cluster(server)

    async def _connect_cluster(self, server: dict[str, Any]) -> Connection:
        client = RedisCluster.from_url(self._url, **_options())
        try:
            # Not left to the first commands: while one of them does it, the others lose their connections.
            await client.initialize()
        except BaseException:
            with suppress(Exception):
                await client.aclose()
            raise
        major = str(server.get("redis_version", "0")).partition(".")[0]
        sharded = hasattr(client, "pubsub") and major.isdigit() and int(major) >= 7  # noqa: PLR2004
        return Connection(client, is_cluster=True, has_sharded_channels=sharded, closing=(client,))

    def _connect_sentinel(self) -> Connection:
        hosts, service, servers, sentinels = self._sentinel_arguments()
        sentinel: Any = Sentinel(hosts, sentinel_kwargs=sentinels, **servers)  # type: ignore[no-untyped-call]
        client = sentinel.master_for(service)
        return Connection(
            client, is_cluster=False, has_sharded_channels=False, closing=(client, *sentinel.sentinels)
        )

    def _plain(self) -> Any:
        return Redis.from_url(self._url, **_options())

    def _sentinel_arguments(self) -> tuple[list[tuple[str, int]], str, dict[str, Any], dict[str, Any]]:
        parts = urlsplit(self._url)
        login, _, addresses = parts.netloc.rpartition("@")
        hosts = [_address(address) for address in addresses.split(",")]
        service, _, db = parts.path.strip("/").partition("/")
        if not service:
            raise ValueError("the service's name is missing")
        user, _, password = login.partition(":")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        tls: dict[str, Any] = {"ssl": True} if parts.scheme.startswith("rediss") else {}
        tls |= {name: value for name, value in query.items() if name.startswith("ssl_")}
        servers = _options() | tls | _login(unquote(user), unquote(password)) | {"db": int(db or 0)}
        sentinels = _options() | tls
        sentinels |= _login(query.get("sentinel_username", ""), query.get("sentinel_password", ""))
        return hosts, service, servers, sentinels


def _passwords_of_query(query: str) -> list[str]:
    return [text for name, values in parse_qs(query).items() if name.endswith("password") for text in values]


def _options() -> dict[str, Any]:
    return {
        "socket_timeout": _SOCKET_TIMEOUT,
        "socket_connect_timeout": _SOCKET_TIMEOUT,
        # Once more at once: a server that was restarted has closed the idle connections.
        "retry": Retry(ExponentialBackoff(cap=0.05, base=0.01), 1),
        "protocol": 2,  # proxies between client and server know no other
    }


async def _server_info(client: Any) -> dict[str, Any]:
    try:
        return dict(await client.info("server"))
    except ResponseError:  # a user without the right to ask
        return {}


def _login(user: str, password: str) -> dict[str, str]:
    return {name: value for name, value in (("username", user), ("password", password)) if value}


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or _SENTINEL_PORT


def _without_password(url: str) -> str:
    """Return the URL without its user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
