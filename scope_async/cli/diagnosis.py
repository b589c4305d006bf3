"""What the error of a check means: who has to act, and what to do; no I/O."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

import attrs
from yarl import URL

from scope_async.config import Config
from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    ConnectionError,
    InvalidCredentialsError,
    RateLimitError,
    ScopeError,
    TimeoutError,
)
from scope_async.http.failures import GATEWAY
from scope_async.http.proxies import Proxies

Responsible = Literal["configuration", "credentials", "network", "service"]

_NO_ROUTE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


@attrs.frozen
class Diagnosis:
    """Who has to act, and what to do."""

    responsible: Responsible
    advice: str


def of_variables(_: ScopeError) -> Diagnosis:
    """Return what is wrong when the options cannot be read."""
    return Diagnosis(
        "configuration",
        "export what is missing, correct what is wrong; for a Scope on this machine, "
        "`scope-async serve` prints them all",
    )


def of_credentials(error: ScopeError, place: str | None) -> Diagnosis:
    """Return what is wrong when the provider at `place` (None: the variables) gives no credentials."""
    where = "the variables" if place is None else f"SCOPE_CREDENTIALS = {place}"
    if isinstance(error, ConfigurationError):
        advice = f"is {where} the right place, may this user read it, and does it hold all three values?"
        return Diagnosis("configuration", advice)
    if isinstance(error, TimeoutError) and (place is None or place.startswith("file:")):
        advice = f"does {where} name a pipe that no one writes to, or a disk that hangs?"
        return Diagnosis("configuration", advice)
    if isinstance(error, ConnectionError):
        return Diagnosis(
            "network", f"{where} cannot be reached from here: does it run, and is its address right?"
        )
    return Diagnosis("service", f"{where} answered with an error: its own log or its administrator says why")


def place_of(credentials_url: str) -> str:
    """Return where credentials are, without what a URL must not carry but may: a password, a token."""
    scheme, separator, rest = credentials_url.partition("://")
    if not separator:
        return "(not a URL)"
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def of_connection(error: ScopeError, url: str, variable: str) -> Diagnosis:
    """Return what is wrong when nothing that speaks HTTP answers at `url`, the value of `variable`."""
    if isinstance(error, ConfigurationError):
        return Diagnosis("configuration", "correct the proxy's variable, or put the host into NO_PROXY")
    text, proxy = str(error).lower(), _proxy_for(url)
    if "certificate" in text:
        advice = "the certificate is not trusted: install the authority's certificate or set SSL_CERT_FILE"
        return Diagnosis("configuration", advice)
    if "[ssl:" in text:
        return Diagnosis(
            "configuration", "TLS cannot be agreed on: does this port speak https, and not plain http?"
        )
    if proxy is not None:
        advice = (
            f"requests go through the proxy {proxy}: does it run, may it connect there, is HTTPS_PROXY right?"
        )
        return Diagnosis("network", f"{advice} NO_PROXY names hosts that need none")
    if isinstance(error, TimeoutError):
        advice = "nothing answers in time: a firewall, a service that hangs, or a proxy that is not set"
        return Diagnosis("network", advice)
    if isinstance(error, ConnectionError):
        advice = f"is {variable} = {url} right, does its name resolve, and does the service run?"
        return Diagnosis("network", advice)
    return Diagnosis("configuration", f"something answers that is not the service: is {variable} right?")


def of_exchange(error: ScopeError, config: Config) -> Diagnosis:
    """Return what is wrong when the auth API gives no token."""
    if isinstance(error, InvalidCredentialsError):
        advice = "the key is revoked or expired, or the secret or organization is not its own: make a new key"
        return Diagnosis("credentials", advice)
    if isinstance(error, RateLimitError):
        wait = "" if error.retry_after is None else f" {error.retry_after:g} s"
        advice = (
            f"too many exchanges: wait{wait}; processes that share a store (SCOPE_STORE_URL) share one token"
        )
        return Diagnosis("service", advice)
    overall = _of_service(error, "the auth API")
    if overall is not None:
        return overall
    advice = (
        f"does SCOPE_AUTH_API_URL = {config.auth_api_url} name the auth API, without the /v1/auth/… after it?"
    )
    return Diagnosis("configuration", advice)


def of_token(error: ScopeError, config: Config) -> Diagnosis:
    """Return what is wrong when the Scope API answers a request with a token by an error."""
    if isinstance(error, RateLimitError):
        return Diagnosis(
            "service", "the Scope API has had too many requests: wait, and look at who sends them"
        )
    overall = _of_service(error, "the Scope API")
    if overall is not None:
        return overall
    if error.error_code == GATEWAY or error.http_status in _NO_ROUTE:
        return of_path(config)
    if isinstance(error, AuthorizationError):
        return Diagnosis("credentials", "the key may not read prompts: ask an administrator")
    if isinstance(error, AuthenticationError):
        advice = "do SCOPE_API_URL and SCOPE_AUTH_API_URL belong to the same Scope?"
        return Diagnosis("configuration", advice)
    return Diagnosis("configuration", f"is SCOPE_API_URL = {config.base_url} the Scope API?")


def of_path(config: Config) -> Diagnosis:
    """Return what is wrong when the Scope API has no prompts at that path."""
    return Diagnosis(
        "configuration",
        f"is the path in SCOPE_API_URL = {config.base_url} right? "
        f"/api/{config.api_version}/prompts/… is added to it",
    )


def is_no_route(status: int) -> bool:
    """Return True if a request without a token was answered as one for a path that does not exist."""
    return status in _NO_ROUTE or 300 <= status < 400  # noqa: PLR2004 - RFC 9110 section 15.4


def _of_service(error: ScopeError, name: str) -> Diagnosis | None:
    """Return the diagnosis if the service called `name` is out of order."""
    if isinstance(error, TimeoutError):
        advice = (
            f"{name} accepts connections and does not answer: it hangs or is overloaded; ask its operator"
        )
        return Diagnosis("service", advice)
    if isinstance(error, ConnectionError):
        return Diagnosis("network", "the connection broke: try again; a proxy or a load balancer may cut it")
    status = error.http_status if isinstance(error, ApiError) else None
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Diagnosis("service", f"{name} is out of order ({status}): nothing is wrong here; try later")
    return None


def _proxy_for(url: str) -> str | None:
    """Return host and port of the proxy for `url`; its user name and password are not shown."""
    proxy = Proxies().choose(URL(url))
    return None if proxy is None else f"{proxy.host}:{proxy.port}"
