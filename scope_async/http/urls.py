"""The URLs of the service's API (contract 1.3)."""

from __future__ import annotations

from urllib.parse import quote

from scope_async.errors import ValidationError


def api_root(base_url: str, api_version: str) -> str:
    """Return the root of all API paths; nothing is added when `base_url` has it already."""
    path = f"/api/{api_version}"
    return base_url if base_url.endswith(path) else base_url + path


def segment(value: str, name: str) -> str:
    """Return `value` quoted as one path segment (RFC 3986 section 3.3).

    Raises:
        ValidationError: not 1 to 255 characters, or `.` or `..`, which no quoting protects
            from being resolved on the way (RFC 3986 section 5.2.4).
    """
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be a string, got {type(value).__name__}")
    if not 1 <= len(value) <= 255:  # noqa: PLR2004 - contract 1.3
        raise ValidationError(f"{name} must have 1 to 255 characters, got {len(value)}")
    if value in (".", ".."):
        raise ValidationError(f"{name} {value!r} would be resolved as a path")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValidationError(f"{name} {value!r} is not text that can be sent") from None
