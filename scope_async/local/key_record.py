"""An API key as Local Scope stores it."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from scope_async.local.moment import iso

ENVIRONMENTS = ("development", "staging", "production")

STATUSES = ("active", "revoked", "expired")

KeyStatus = Literal["active", "revoked", "expired"]


@frozen
class KeyRecord:
    """One API key; instants are seconds since the epoch. When it was last used is `Activity`'s to know."""

    api_key: str
    name: str
    environment: str
    secret_digest: bytes = field(repr=False)
    created_at: float
    created_by: str
    expires_at: float | None = None
    revoked_at: float | None = None
    revoked_reason: str | None = None

    def status_at(self, now: float) -> KeyStatus:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "expired"
        return "active"

    def document(self, *, now: float, last_used_at: float | None) -> dict[str, Any]:
        """Return the fields of contract 1.5; never a secret or a digest."""
        return {
            "name": self.name,
            "api_key": self.api_key,
            "environment": self.environment,
            "status": self.status_at(now),
            "created_at": iso(self.created_at),
            "created_by": self.created_by,
            "last_used_at": iso(last_used_at),
            "expires_at": iso(self.expires_at),
            "revoked_at": iso(self.revoked_at),
            "revoked_reason": self.revoked_reason,
        }


@frozen
class NewKey:
    """A key just created, with the only copy of its secret there will ever be."""

    record: KeyRecord
    api_secret: str = field(repr=False)
