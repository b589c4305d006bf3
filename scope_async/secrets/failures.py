"""The errors of secret managers: named after the manager, one printable line, no secret."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from scope_async._core.redaction import scrub
from scope_async.errors import ApiError, ConfigurationError, ScopeError

_LONGEST = 300


def scrub_reply(text: str, *, secrets: Iterable[str] = ()) -> str:
    """Return a manager's own words as one printable line of at most 300 characters, without `secrets`."""
    return scrub(text, dict.fromkeys(secrets, "[secret]"), limit=_LONGEST).strip()


def with_manager(error: ScopeError, manager: str) -> ScopeError:
    """Return the same kind of error, which names `manager`, without a cause."""
    message = f"{manager}: {error.message}"
    return error.replace(message=message) if isinstance(error, ApiError) else type(error)(message)


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
