"""The errors of secret managers: named after the manager, one printable line, no secret."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from scope_async.errors import ApiError, ConfigurationError, ScopeError

_LONGEST = 300


def printable(text: str, *, hide: Iterable[str] = ()) -> str:
    """Return `text` as one printable line of at most 300 characters, without what is to be hidden."""
    for secret in hide:
        if secret:
            text = text.replace(secret, "[secret]")
    return "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST]).strip()


def named(error: ScopeError, manager: str) -> ScopeError:
    """Return the same kind of error, which says whose it is, with no other error behind it."""
    if isinstance(error, ApiError):
        return type(error)(
            f"{manager}: {error.message}",
            http_status=error.http_status,
            error_code=error.error_code,
            retry_after=error.retry_after,
        )
    return type(error)(f"{manager}: {error}")


def require_extra(module: str, extra: str) -> None:
    """Return if the extra's module is installed; imports nothing.

    Raises:
        ConfigurationError: it is not; says what to install.
    """
    if find_spec(module) is None:
        raise _missing(module, extra)


def import_extra(module: str, extra: str) -> Any:
    """Return a module of an extra. Blocks: reads files.

    Raises:
        ConfigurationError: it is not installed; says what to install.
    """
    try:
        return import_module(module)
    except ImportError:
        pass
    raise _missing(module, extra)


def _missing(module: str, extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"{module.partition('.')[0]} is not installed: pip install 'scope-async[{extra}]'"
    )
