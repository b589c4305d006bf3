"""Which proxy the environment names for a host: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.

As curl (https://everything.curl.dev/usingcurl/proxies/env) and Go (`golang.org/x/net/http/httpproxy`)
read them. aiohttp's own `trust_env` also looks into `~/.netrc` and refuses to send our Authorization
header when it finds the host there. It does both in the loop's default executor for every
request, which takes more CPU than the request itself, and a full executor would delay a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec
from yarl import URL

from scope_async.config import is_loopback
from scope_async.environment import Environment
from scope_async.errors import ConfigurationError


class NoProxyEntry(msgspec.Struct, frozen=True):
    """One host, domain or network that is connected to directly, on `port` only if that is given."""

    name: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> NoProxyEntry | None:
        """Return the entry that `text` stands for, None when it is none.

        `example.com` and `.example.com` are that name and all under it, as curl has them; `*.example.com`
        is those under it.
        """
        host, port = text, None
        if found := re.fullmatch(r"(\[.+\](?:/\d+)?|[^:]+):(\d{1,5})", text):
            host, port = found[1], int(found[2])
        try:
            return cls(network=ip_network(re.sub(r"[\[\]]", "", host), strict=False), port=port)
        except ValueError:
            name = host.lower().rstrip(".")
        return cls(name, port=port) if name.strip("*.") or name == "*" else None

    def covers(self, host: str, address: IPv4Address | IPv6Address | None, port: int | None) -> bool:
        """Return True if the entry names `host`, in small letters, or the network of its address."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if self.name == "*":
            return True
        if address is not None:
            return False
        domain = self.name.removeprefix("*").lstrip(".")
        return host.endswith(f".{domain}") or (host == domain and not self.name.startswith("*"))


def _entries(text: str) -> tuple[NoProxyEntry, ...]:
    entries = map(NoProxyEntry.parse, re.split(r"[\s,]+", text))
    return tuple(entry for entry in entries if entry is not None)


class Proxies:
    """The proxies of one reading of the environment. Its `repr` shows no URL, which may hold a password."""

    def __init__(self) -> None:
        environment = Environment()
        self._by_scheme: Mapping[str, tuple[str, str]] = environment.proxies()
        self._direct = _entries(environment.no_proxy())

    def __repr__(self) -> str:
        return f"Proxies(direct={self._direct!r})"

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def choose(self, url: URL) -> URL | None:
        """Return the proxy for `url`, None to connect directly.

        Never a proxy for a loopback address: plain HTTP is allowed there because nothing
        leaves the machine.

        Raises:
            ConfigurationError: the variable holds no URL, or that of a SOCKS proxy.
        """
        variable, value = self._by_scheme.get(url.scheme, ("", ""))
        if not value or is_loopback(url.host or "") or self._is_direct(url):
            return None
        try:
            # As curl has it: a proxy without a scheme is an HTTP proxy.
            chosen = URL(value if "://" in value else f"http://{value}")
            usable = bool(chosen.host) and chosen.port is not None
        except ValueError:
            chosen, usable = URL(), False
        # No value is shown: it may hold the proxy's password.
        scheme = value.partition("://")[0].lower() if "://" in value else "http"
        if re.fullmatch(r"socks\w*", scheme):
            raise ConfigurationError(
                f"{variable} names a SOCKS proxy ({scheme}://), which is not supported; "
                "name an HTTP proxy, or put the host into NO_PROXY"
            )
        if not usable or scheme not in ("http", "https"):
            raise ConfigurationError(f"{variable} is not a URL of an http:// or https:// proxy")
        return chosen

    def _is_direct(self, url: URL) -> bool:
        host = (url.host or "").lower().rstrip(".")
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            address = None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(entry.covers(host, address, url.port) for entry in self._direct)
