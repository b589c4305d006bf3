"""Every option of the client: its default and its check."""

# Without `from __future__ import annotations`: `TypedDict` would compile each of its fields' types.
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Literal, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import msgspec
from yarl import URL

from scope_async._core.redaction import Redacted
from scope_async.environment import OPTION_VARIABLES, Environment
from scope_async.errors import ConfigurationError

AuthDialect = Literal["auto", "login", "sdk-token"]
UnknownVariables = Literal["error", "ignore"]

_Check = Callable[[str, Any], None]
"""Raises for the option of this name if the value is not acceptable."""

_NOT_IN_URLS = r"[\s\\\x00-\x20\x7f]"


def is_loopback(host: str) -> bool:
    """Return True if `host` can only be this machine (RFC 6761 section 6.3, RFC 1122)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _named(name: str) -> str:
    variable = OPTION_VARIABLES.get(name)
    return f"{name} ({variable})" if variable else name


def _without_slash(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.strip().rstrip("/")
    if not value.isascii():
        # An international name is sent in its ASCII form (RFC 5890), a path in percent-encoding.
        with suppress(ValueError):
            value = str(URL(value))
    return value


def _root_of_a_service(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{_named(name)} must be a string, got {value!r}")
    try:
        parts = urlsplit(value)
        # Looked at first, so that no other message shows the password.
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(f"{_named(name)} must not carry a user name or a password")
        # Reading the port checks it.
        acceptable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        # The reader that counts: aiohttp connects to what this one takes for the host.
        acceptable = acceptable and _host_of(value) == _host_of(f"{value}/path")
    except ValueError:
        raise ConfigurationError(f"{_named(name)} is not a URL") from None
    # urlsplit drops some of these, and a URL's other readers do not: two ideas of the host.
    if not acceptable or re.search(_NOT_IN_URLS, value):
        # What stands before an @ may be a password all the same.
        shown = value.rpartition("@")[2]
        raise ConfigurationError(f"{_named(name)} must be an http(s) URL, got {shown!r}")
    if parts.query or parts.fragment:
        # Not shown: a link that signs its reader in carries a token there.
        shown = value.partition("#")[0].partition("?")[0]
        raise ConfigurationError(f"{_named(name)} must not have a query or a fragment; without: {shown!r}")


def _host_of(url: str) -> str:
    """Return the host that aiohttp connects to.

    Raises:
        ValueError: it has no host that can be connected to.
    """
    for encoded in (False, True):
        parts = URL(url, encoded=encoded)
        if not parts.host or parts.port is None:
            raise ValueError("no host")
    return parts.raw_host or ""


def _is_number(value: object) -> bool:
    # An integer that no float holds fails where it is first computed with.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _check(wanted: str, accept: Callable[[Any], bool]) -> _Check:
    def check(name: str, value: object) -> None:
        if not accept(value):
            raise ConfigurationError(f"{_named(name)} must be {wanted}, got {value!r}")

    return check


_positive = _check(
    "a number of seconds above 0", lambda value: _is_number(value) and 0 < value < float("inf")
)
_not_negative = _check(
    "a number of seconds, 0 or more", lambda value: _is_number(value) and 0 <= value < float("inf")
)
_count = _check("a whole number, 0 or more", lambda value: type(value) is int and value >= 0)
_at_least_one = _check("a whole number, 1 or more", lambda value: type(value) is int and value >= 1)


def _ssl_context(_: str, given: object) -> None:
    if given is not None and not isinstance(given, SSLContext):
        # Its class alone: it may be a dictionary with the password of a private key.
        raise ConfigurationError(f"ssl must be an ssl.SSLContext or None, got {type(given).__name__}")


def _store_url(name: str, given: object) -> None:
    if given is not None and not (isinstance(given, str) and "://" in given):
        raise ConfigurationError(
            f"{_named(name)} must be a URL such as file:///run/scope or redis://…, or None"
        )


_flag = _check("True or False", lambda value: isinstance(value, bool))


def _one_of(*choices: str) -> _Check:
    return _check(" or ".join(repr(choice) for choice in choices), lambda value: value in choices)


def _matching(pattern: str, wanted: str) -> _Check:
    return _check(
        wanted, lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
    )


class AdminOptions(TypedDict, total=False):
    """The options of `ApiKeyAdmin`: all of `Config` but `base_url`, which is an argument of its own."""

    auth_api_url: str
    allow_insecure: bool
    api_version: str
    auth_dialect: AuthDialect
    timeout: float
    open_timeout: float
    max_retries: int
    retry_base_delay: float
    retry_max_delay: float
    cache_enabled: bool
    cache_ttl: float
    cache_max_entries: int
    stale_while_revalidate: float
    stale_if_error: float
    stale_timeout: float
    cache_max_bytes: int
    snapshot_path: str | os.PathLike[str] | None
    unknown_variables: UnknownVariables
    environment: str
    token_refresh_buffer: float
    max_connections: int
    telemetry_enabled: bool
    ssl: SSLContext | None
    store_url: str | None


class Options(AdminOptions, total=False):
    """The keyword arguments that every constructor takes for the fields of `Config`, all of them optional."""

    base_url: str


_CHECKS: Mapping[str, _Check] = {
    **dict.fromkeys(("base_url", "auth_api_url"), _root_of_a_service),
    **dict.fromkeys(("allow_insecure", "cache_enabled", "telemetry_enabled"), _flag),
    **dict.fromkeys(("timeout", "open_timeout"), _positive),
    **dict.fromkeys(("retry_base_delay", "retry_max_delay", "cache_ttl"), _not_negative),
    **dict.fromkeys(("stale_while_revalidate", "stale_if_error", "stale_timeout"), _not_negative),
    **dict.fromkeys(("cache_max_entries", "cache_max_bytes", "max_connections"), _at_least_one),
    "api_version": _matching("[A-Za-z0-9._-]{1,32}", "a version such as 'v1'"),
    "auth_dialect": _one_of("auto", "login", "sdk-token"),
    "max_retries": _count,
    "snapshot_path": _check(
        "a path or None", lambda value: value is None or isinstance(value, str | os.PathLike)
    ),
    "unknown_variables": _one_of("error", "ignore"),
    "environment": _matching("[A-Za-z0-9._-]{1,64}", "a name such as 'production' or 'staging'"),
    "token_refresh_buffer": _not_negative,
    "ssl": _ssl_context,
    "store_url": _store_url,
}


class Config(Redacted, msgspec.Struct, frozen=True, kw_only=True):
    """The resolved options of one client; times are in seconds.

    Built directly, it takes what it is given and reads no environment. Values are
    checked on construction.

    Raises:
        ConfigurationError: an option is missing or not acceptable.
    """

    _hidden = frozenset({"store_url"})  # it may have a password

    base_url: str
    auth_api_url: str
    allow_insecure: bool = False
    api_version: str = "v1"
    auth_dialect: AuthDialect = "auto"
    timeout: float = 30.0
    open_timeout: float = 10.0
    max_retries: int = 3
    retry_base_delay: float = 0.5
    retry_max_delay: float = 30.0
    cache_enabled: bool = True
    cache_ttl: float = 300.0
    cache_max_entries: int = 1000
    stale_while_revalidate: float = 60.0
    stale_if_error: float = 86400.0
    stale_timeout: float = 2.0
    cache_max_bytes: int = 64 * 1024 * 1024
    snapshot_path: str | os.PathLike[str] | None = None
    unknown_variables: UnknownVariables = "error"
    environment: str = "production"
    token_refresh_buffer: float = 60.0
    max_connections: int = 100
    telemetry_enabled: bool = True
    ssl: SSLContext | None = None
    store_url: str | None = None

    def __post_init__(self) -> None:
        urls = ("base_url", "auth_api_url")
        for name in urls:
            msgspec.structs.force_setattr(self, name, _without_slash(getattr(self, name)))
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))
        for name in urls:
            require_secure(name, getattr(self, name), allow_insecure=self.allow_insecure)

    @classmethod
    def from_env(cls, *, environ: Mapping[str, str] | None = None, **options: Unpack[Options]) -> Self:
        """Return the options given here, and those of the environment for the others.

        Raises:
            TypeError: an option that does not exist.
            ConfigurationError: what is missing or wrong, all of it at once.
        """
        check_option_names(options)
        environment = Environment(environ)
        found = environment.options(explicit=options)
        environment.check()
        found.update(options)
        return cls(**found)

    @classmethod
    def resolve(cls, config: Self | None, options: Options) -> Self:
        """Return `config` with `options` replaced; without one, `options` and the environment.

        Raises:
            TypeError: an option that does not exist.
            ConfigurationError: what is missing or wrong, all of it at once.
        """
        if config is None:
            return cls.from_env(**options)
        check_option_names(options)
        return msgspec.structs.replace(config, **options)


def require_secure(name: str, url: str, *, allow_insecure: bool) -> None:
    """Refuse plain HTTP to another machine, before any secret can travel over it.

    Raises:
        ConfigurationError: `url` is plain HTTP to another machine, and that is not allowed.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and not allow_insecure and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{_named(name)} is plain http:// to {parts.hostname!r}, which would send secrets in the clear; "
            "use https://, or allow_insecure=True (SCOPE_ALLOW_INSECURE=1) on a network that you trust"
        )


def check_option_names(options: Mapping[str, object]) -> None:
    """Raise `TypeError` for an option that `Config` does not have."""
    known = Config.__struct_fields__
    unknown = []
    for name in sorted(set(options) - set(known)):
        from difflib import get_close_matches  # noqa: PLC0415 - costs time to import

        close = get_close_matches(name, known, n=1)
        unknown.append(f"{name} (did you mean {close[0]}?)" if close else name)
    if unknown:
        raise TypeError(f"unknown options: {', '.join(unknown)}")
