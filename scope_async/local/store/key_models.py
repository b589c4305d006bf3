"""API keys as Local Scope stores them, and checks of their fields."""

from __future__ import annotations

import math
import unicodedata
from typing import Any, Literal

from attrs import field, frozen

from scope_async.errors import ValidationError
from scope_async.local.store.prompt_models import is_text
from scope_async.local.timestamps import iso

ENVIRONMENTS = ("development", "staging", "production")

STATUSES = ("active", "revoked", "expired")

KeyStatus = Literal["active", "revoked", "expired"]


@frozen
class KeyUse:
    """The last use of a key, an exchange or a request, in seconds since the epoch; and the process."""

    at: float
    user_agent: str | None = None
    address: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the process that used it, as `last_used_by` of contract 1.5."""
        return {"user_agent": self.user_agent, "address": self.address}


@frozen
class KeyRecord:
    """One API key; instants are seconds since the epoch. `AuditLog` has its last use.

    `replaced_by` is the newest key that a rotation made of this one.
    """

    api_key: str
    name: str
    environment: str
    secret_digest: bytes = field(repr=False)
    created_at: float
    created_by: str
    expires_at: float | None = None
    revoked_at: float | None = None
    revoked_reason: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    def status_at(self, now: float) -> KeyStatus:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "active"

    def document(self, *, now: float, last_use: KeyUse | None) -> dict[str, Any]:
        """Return the fields of contract 1.5; never a secret or a digest."""
        return {
            "name": self.name,
            "api_key": self.api_key,
            "environment": self.environment,
            "status": self.status_at(now),
            "created_at": iso(self.created_at),
            "created_by": self.created_by,
            "last_used_at": None if last_use is None else iso(last_use.at),
            "last_used_by": None if last_use is None else last_use.document(),
            "expires_at": iso(self.expires_at),
            "revoked_at": iso(self.revoked_at),
            "revoked_reason": self.revoked_reason,
            "replaces": self.replaces,
            "replaced_by": self.replaced_by,
        }


@frozen
class NewKey:
    """A key just created, with the only copy of its secret."""

    record: KeyRecord
    api_secret: str = field(repr=False)


DEFAULT_OVERLAP = 86_400
MAX_OVERLAP = 30 * 86_400
"""Seconds that a replaced key may stay valid at most."""
_NAME_LIMIT = 100
_REASON_LIMIT = 500
_MAX_LIFETIME = 100 * 366 * 86_400


_JOINERS = str.maketrans("", "", "\u200c\u200d")
"""ZWNJ and ZWJ: no characters of their own, but part of Persian and Indic words and of emoji."""


def check_name(name: object) -> str:
    """Return the name of a key, stripped and in NFC, so that what looks equal is equal.

    Raises:
        ValidationError: the name is outside 1 to 100 printable characters.
    """
    text = unicodedata.normalize("NFC", name).strip() if isinstance(name, str) else ""
    visible = text.translate(_JOINERS)
    if not visible.strip() or len(text) > _NAME_LIMIT or not visible.isprintable():
        raise ValidationError(f"name: 1 to {_NAME_LIMIT} printable characters")
    return text


def check_environment(environment: object) -> str:
    if not isinstance(environment, str) or environment not in ENVIRONMENTS:
        raise ValidationError(f"environment: one of {', '.join(ENVIRONMENTS)}")
    return environment


def check_lifetime(expires_in: object) -> float | None:
    """Return the lifetime of a key in seconds; None means that it never expires."""
    if expires_in is None:
        return None
    seconds = _number(expires_in)
    if seconds is None or not 0 < seconds <= _MAX_LIFETIME:
        raise ValidationError("expires_in: seconds, more than 0 and at most 100 years, or null")
    return seconds


def check_overlap(overlap: object) -> float:
    seconds = _number(overlap)
    if seconds is None or not 0 <= seconds <= MAX_OVERLAP:
        raise ValidationError("overlap: seconds from 0 to 30 days")
    return seconds


def check_again(again: object) -> bool:
    if not isinstance(again, bool):
        raise ValidationError("again: true or false")
    return again


def check_reason(reason: object) -> str | None:
    if reason is None:
        return None
    # JSON can spell a lone surrogate, which SQLite cannot store.
    if not isinstance(reason, str) or len(reason) > _REASON_LIMIT or not is_text(reason):
        raise ValidationError(f"reason: at most {_REASON_LIMIT} characters, or null")
    return reason


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
