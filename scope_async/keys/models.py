"""An API key as an administrator sees it (contract 1.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import attrs

from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError

_WORD = re.compile(r"[\x21-\x7e]+")


@attrs.frozen(kw_only=True)
class KeyUser:
    """The process that used a key last: its `User-Agent` and its address, as far as they are known."""

    user_agent: str | None = None
    address: str | None = None

    def __str__(self) -> str:
        known = [text for text in (self.user_agent, self.address) if text]
        return " at ".join(known) or "an unknown process"


@attrs.frozen(kw_only=True)
class ApiKey:
    """A key without its secret.

    Attributes:
        api_key: the public identifier.
        environment: `development`, `staging` or `production`.
        status: `active`, `revoked` or `expired`, at the time of the answer.
        last_used_at: when it last authenticated; None when it never did.
        last_used_by: the process that did.
        expires_at: None for a key that does not expire.
        replaces: the key that a rotation replaced by this one.
        replaced_by: the newest key that a rotation made of this one.
    """

    api_key: str
    name: str
    environment: str
    status: str
    created_at: datetime
    created_by: str | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_reason: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    last_used_by: KeyUser | None = None

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> Self:
        """Return the key that a reply's `data` describes; unknown fields are left out.

        Raises:
            ValueError: a field is missing or is not what the contract says.
        """
        return cls(**_key_fields(data))


@attrs.frozen(kw_only=True)
class NewApiKey(ApiKey):
    """A key just created, with the only copy of its secret.

    Attributes:
        api_secret: store it now; neither `repr` nor `str` shows it.
        org_id: None when the service did not say whose key it is.
        replaced_key: after a rotation the key before it, as it is now.
    """

    api_secret: str = attrs.field(repr=False)
    org_id: str | None = None
    replaced_key: ApiKey | None = None

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> Self:
        """See `ApiKey.from_fields`."""
        replaced_key = _maybe_object(data, "replaced_key")
        return cls(
            **_key_fields(data),
            api_secret=_word(data, "api_secret"),
            org_id=None if data.get("org_id") is None else _word(data, "org_id"),
            replaced_key=None if replaced_key is None else ApiKey.from_fields(replaced_key),
        )

    def credentials(self, org_id: str | None = None) -> ApiKeyCredentials:
        """Return what a `ScopeClient` takes; `org_id` wins over what the service said.

        Raises:
            ConfigurationError: neither says which organization it is.
        """
        known = org_id or self.org_id
        if known is None:
            raise ConfigurationError(
                f"the service did not say whose API key {self.api_key} is: call credentials(org_id)"
            )
        return ApiKeyCredentials(known, self.api_key, self.api_secret)


@attrs.frozen(kw_only=True)
class KeyEvent:
    """One line of a key's audit trail.

    Attributes:
        event: `created`, `used`, `rotated`, `revoked`, `expired` or `refused`.
        actor: who did it.
        address: where the request came from; None where there was no request.
        user_agent: with which program; None if unknown, or where equal events came from several.
        reason: in the words of the actor, or why it was refused.
        count: how many equal events of that moment this line stands for.
    """

    event: str
    at: datetime
    actor: str | None = None
    address: str | None = None
    reason: str | None = None
    count: int = 1
    user_agent: str | None = None

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> Self:
        """See `ApiKey.from_fields`."""
        count = data.get("count", 1)
        if not isinstance(count, int):
            raise ValueError("count is not a number")  # noqa: TRY004 - what the reply holds
        at = _instant(data, "at")
        if at is None:
            raise ValueError("at is missing")
        return cls(
            event=_text(data, "event"),
            at=at,
            actor=_maybe_text(data, "actor"),
            address=_maybe_text(data, "address"),
            reason=_maybe_text(data, "reason"),
            count=count,
            user_agent=_maybe_text(data, "user_agent"),
        )


def _key_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    created_at = _instant(data, "created_at")
    if created_at is None:
        raise ValueError("created_at is missing")
    return {
        "api_key": _word(data, "api_key"),
        **{name: _text(data, name) for name in ("name", "environment", "status")},
        **{
            name: _maybe_text(data, name)
            for name in ("created_by", "revoked_reason", "replaces", "replaced_by")
        },
        "last_used_by": _user(data),
        **{name: _instant(data, name) for name in ("last_used_at", "expires_at", "revoked_at")},
        "created_at": created_at,
    }


def _user(data: Mapping[str, Any]) -> KeyUser | None:
    user = _maybe_object(data, "last_used_by")
    if user is None:
        return None
    return KeyUser(user_agent=_maybe_text(user, "user_agent"), address=_maybe_text(user, "address"))


def _maybe_object(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = data.get(name)
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _text(data: Mapping[str, Any], name: str) -> str:
    value = _maybe_text(data, name)
    if not value:
        raise ValueError(f"{name} is missing")
    return value


def _word(data: Mapping[str, Any], name: str) -> str:
    """Return an identifier or a secret: a blank or a line end in it would be a second word or line."""
    value = _text(data, name)
    if _WORD.fullmatch(value) is None:
        raise ValueError(f"{name} is not one word of printable ASCII characters")
    return value


def _maybe_text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


def _instant(data: Mapping[str, Any], name: str) -> datetime | None:
    text = _maybe_text(data, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # The parser's own words repeat the value, and a reply may have its fields mixed up.
        raise ValueError(f"{name} is not an ISO 8601 time") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
