"""Refuses what a foreign web page sends: another host name, another site, another media type."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from scope_async.config import is_loopback
from scope_async.local.web.request import ApiProblem

_JSON = "application/json"
_OWN_SITES = {"same-origin", "none"}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


class RequestGuard:
    """Checks requests of the APIs before anything counts them.

    A page in the developer's browser can send requests to this machine. It must neither use up a
    fault, nor lock out an address, nor change anything.
    """

    def __init__(self, *own_hosts: str) -> None:
        self._own_hosts = frozenset(host.lower() for host in own_hosts if host)

    def check(self, request: web.Request) -> None:
        """Return if a program, or a page of this server, sent the request.

        Raises:
            ApiProblem: 403 for another site, 415 for another media type, 421 for another host.
        """
        headers = request.headers
        header = headers.get("Host")
        # Every browser sends the header; HTTP/1.0 has none.
        if header is not None and not self.is_own_host(request):
            # RFC 9110, 15.5.20.
            raise ApiProblem(
                421,
                "misdirected_request",
                "this server does not answer to that host name: give it as --host or --public-url",
            )
        site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
        if (site is not None and site not in _OWN_SITES) or not self._is_own_origin(origin, header or ""):
            raise ApiProblem(403, "cross_site_request", "a page of another site cannot use this API")
        if request.body_exists and request.content_type != _JSON:
            # What an HTML form can send without asking first (CORS) is none of these.
            raise ApiProblem(415, "unsupported_media_type", f"a body comes as {_JSON}")

    def is_own_host(self, request: web.Request) -> bool:
        """Return True if the `Host` header of the request names this server.

        A defence against DNS rebinding: a foreign page can make its own name resolve to this machine,
        while the browser still sends that name. Accepted are loopback names and addresses, the
        configured hosts and the address that the connection arrived at. The port is ignored: tunnels
        change it, and rebinding works with any port.
        """
        return _names(request.headers.get("Host", ""), self._own_hosts, _address_of(request))

    def _is_own_origin(self, origin: str | None, host: str) -> bool:
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
            return parts.netloc.lower() == host.lower() or (parts.hostname or "") in self._own_hosts
        except ValueError:
            return False


@lru_cache(maxsize=256)  # every request asks, and nearly all ask the same
def _names(header: str, own_hosts: frozenset[str], arrived_at: str) -> bool:
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    return is_loopback(name) or name in own_hosts or name == arrived_at.lower()


def _address_of(request: web.Request) -> str:
    """Return the local address of the connection; empty if it is closed."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return str(name[0]) if isinstance(name, tuple) else ""
