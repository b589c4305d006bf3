"""Checks of the options of a Local Scope that has an address and an administrator of its own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from scope_async.errors import ConfigurationError

_ADMIN_TOKEN = re.compile(r"[\x21-\x7e]{16,}")


def check_admin_token(token: str) -> str:
    """Return `token`.

    Raises:
        ConfigurationError: it is short or does not fit into a header; the message does not show it.
    """
    if _ADMIN_TOKEN.fullmatch(token) is None:
        raise ConfigurationError("admin_token: 16 or more ASCII characters without blanks")
    return token


def check_public_url(url: str) -> str:
    """Return `url` without a slash at its end.

    Raises:
        ConfigurationError: it is no `http://` or `https://` URL, or has a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or any(character in url for character in "@?# "):
        raise ConfigurationError(f"public_url: such as http://scope:8400, got {url!r}")
    return url.rstrip("/")
