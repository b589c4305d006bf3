"""Which proxy the environment names for a host: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

aiohttp's own `trust_env` also looks into `~/.netrc` and refuses to send our Authorization
header when it finds the host there. It does both in the loop's default executor for every
request, which takes more CPU than the request itself, and a full executor would delay a token.
"""

from __future__ import annotations

from urllib.request import getproxies_environment, proxy_bypass

import attrs
from yarl import URL

from scope_async.config import is_loopback
from scope_async.errors import ConfigurationError


@attrs.frozen
class Proxies:
    """The proxies of one reading of the environment. Its `repr` shows no URL, which may hold a password."""

    _by_scheme: dict[str, str] = attrs.field(factory=getproxies_environment, repr=False)
    _bypassed: dict[str, bool] = attrs.field(factory=dict, init=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def choose(self, url: URL) -> URL | None:
        """Return the proxy for `url`, None to connect directly.

        Never a proxy for a loopback address: plain HTTP is allowed there because nothing
        leaves the machine.

        Raises:
            ConfigurationError: the variable holds no URL.
        """
        proxy = self._by_scheme.get(url.scheme)
        if proxy is None:
            return None
        host = url.host or ""
        if is_loopback(host) or self._bypass(host):
            return None
        try:
            # As curl has it: a proxy without a scheme is an HTTP proxy.
            chosen = URL(proxy if "://" in proxy else f"http://{proxy}")
        except ValueError:
            chosen = URL()
        if not chosen.host:
            # No value is shown: it may hold the proxy's password.
            raise ConfigurationError(f"{url.scheme.upper()}_PROXY is not a URL")
        return chosen

    def _bypass(self, host: str) -> bool:
        if host not in self._bypassed:
            self._bypassed[host] = bool(proxy_bypass(host))  # reads the whole environment
        return self._bypassed[host]
