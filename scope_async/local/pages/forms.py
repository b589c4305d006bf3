"""The forms of the settings page: their choices and their validation."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Self

from attrs import field, frozen

from scope_async.errors import ValidationError
from scope_async.local.pages.relative_time import Instant, instant
from scope_async.local.pages.resume import TYPED
from scope_async.local.store.key_models import (
    DEFAULT_OVERLAP,
    ENVIRONMENTS,
    KeyRecord,
    check_name,
    check_reason,
)

_DAY = 86_400
_LIFETIMES = {
    "": "Never",
    str(7 * _DAY): "In 7 days",
    str(30 * _DAY): "In 30 days",
    str(90 * _DAY): "In 90 days",
    str(365 * _DAY): "In 1 year",
}
_DEFAULT_LIFETIME = str(90 * _DAY)
_OVERLAPS = {
    "0": "Not at all",
    "3600": "1 hour",
    str(_DAY): "1 day",
    str(7 * _DAY): "7 days",
    str(30 * _DAY): "30 days",
}
_FORM_ID = re.compile(r"[\w-]{22}", re.ASCII)


def _new_form_id() -> str:
    return secrets.token_urlsafe(16)


@frozen
class KeyForm:
    """A form with its values (text) and an error message for each invalid field.

    Every rendered form has a new `form_id`, so that a form sent twice acts once.
    """

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(factory=dict)
    form_id: str = field(factory=_new_form_id)

    @classmethod
    def from_fields(cls, form: Mapping[str, str], names: tuple[str, ...], errors: Mapping[str, str]) -> Self:
        values = {name: form.get(name, "") for name in names}
        form_id = form.get("form_id", "")
        if _FORM_ID.fullmatch(form_id) is None:
            return cls(values, {"form": "This form is out of date: send it once more.", **errors})
        return cls(values, errors, form_id)

    def failed(self, message: str, name: str = "form") -> KeyForm:
        """Return a new form with the same values and this message."""
        return KeyForm(self.values, {name: message})


@frozen
class Choice:
    """One value of a choice, and when the key ends by it (None: never); out of reach if `disabled`."""

    value: str
    text: str
    ends: Instant | None
    disabled: bool = False


def lifetimes(now: float) -> Sequence[Choice]:
    """Return when a key made now may expire."""
    return [
        Choice(value, text, instant(now + float(value) if value else None, now))
        for value, text in _LIFETIMES.items()
    ]


def overlaps(record: KeyRecord, now: float) -> Sequence[Choice]:
    """Return how long the key may stay valid beside its successor: at most until it expires."""
    most = float("inf") if record.expires_at is None else record.expires_at - now
    return [
        Choice(value, text, instant(now + float(value), now), disabled=float(value) > max(0.0, most))
        for value, text in _OVERLAPS.items()
    ]


def creation(query: Mapping[str, str]) -> KeyForm:
    """Return the form for a new key, with what `query` has as typed."""
    defaults = {"name": "", "environment": "", "expires_in": _DEFAULT_LIFETIME}
    return KeyForm({name: query.get(TYPED + name, default) for name, default in defaults.items()})


def read_creation(form: Mapping[str, str]) -> KeyForm:
    errors = {}
    try:
        check_name(form.get("name"))
    except ValidationError:
        errors["name"] = "Enter a name of 1 to 100 printable characters."
    if form.get("environment") not in ENVIRONMENTS:
        errors["environment"] = "Choose an environment."
    if form.get("expires_in") not in _LIFETIMES:
        errors["expires_in"] = "Choose when the key expires."
    return KeyForm.from_fields(form, ("name", "environment", "expires_in"), errors)


def rotation(query: Mapping[str, str], choices: Sequence[Choice]) -> KeyForm:
    """Return the form for a rotation: the overlap in `query`, a day, or the longest that is left."""
    possible = [choice.value for choice in choices if not choice.disabled]
    wanted = query.get(f"{TYPED}overlap", str(DEFAULT_OVERLAP))
    return KeyForm({"overlap": wanted if wanted in possible else possible[-1], "again": ""})


def read_rotation(form: Mapping[str, str]) -> KeyForm:
    errors = {}
    if form.get("overlap") not in _OVERLAPS:
        errors["overlap"] = "Choose how long the old key stays valid."
    return KeyForm.from_fields(form, ("overlap", "again"), errors)


def revocation(query: Mapping[str, str]) -> KeyForm:
    return KeyForm({"name": "", "reason": query.get(f"{TYPED}reason", "")})


def read_revocation(form: Mapping[str, str], record: KeyRecord) -> KeyForm:
    errors = {}
    # HTML collapses blanks, so their number cannot be read from the page.
    if unicodedata.normalize("NFC", form.get("name", "")).split() != record.name.split():
        errors["name"] = "This is not the name of the key."
    try:
        check_reason(form.get("reason"))
    except ValidationError:
        errors["reason"] = "Use at most 500 characters."
    return KeyForm.from_fields(form, ("name", "reason"), errors)
