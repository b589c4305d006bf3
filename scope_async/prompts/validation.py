"""Checks and conversions for the fields of a prompt version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from scope_async._core.frozen_json import freeze_mapping, is_array, is_object, thaw
from scope_async.errors import ValidationError

Value = TypeVar("Value")

_TEXT = frozenset({str})
_NOTHING: Mapping[str, Any] = freeze_mapping({})


def of_type(name: str, value: Value, kind: type) -> Value:
    """Return `value` if it is of the type `kind`; a `bool` is no `int`.

    Raises:
        ValidationError: it is of another type.
    """
    if type(value) is kind or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise ValidationError(f"{name} must be of type {kind.__name__}, got {type(value).__name__}")


def one_of(name: str, value: Value, choices: tuple[str, ...]) -> Value:
    """Return `value` if it is one of `choices`.

    Raises:
        ValidationError: it is none of them.
    """
    if value in choices:
        return value
    raise ValidationError(f"{name} must be one of {', '.join(choices)}, got {value!r:.100}")


def strings(name: str, value: Iterable[str]) -> tuple[str, ...]:
    """Return the strings as a tuple.

    Raises:
        ValidationError: one string, or something that is not several strings.
    """
    items: tuple[Any, ...] | None
    try:
        items = None if isinstance(value, str) else tuple(value)
    except TypeError:
        items = None
    if items is None or not _TEXT.issuperset(map(type, items)):
        raise ValidationError(f"{name} must be a list of strings, got {value!r:.100}")
    return items


def read_only(name: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return an immutable copy of a JSON object; None is an empty one.

    Raises:
        ValidationError: not a mapping.
    """
    if value is None:
        return _NOTHING
    if not is_object(value):
        raise ValidationError(f"{name} must be a mapping, got {type(value).__name__}")
    return freeze_mapping(value)


def aware(name: str, value: datetime | None) -> datetime | None:
    """Return the instant with an offset; one without is in UTC.

    Raises:
        ValidationError: not a `datetime`.
    """
    if value is None or of_type(name, value, datetime).tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def content_text(value: str | Iterable[Mapping[str, str]]) -> str:
    """Return the content as text; a list of chat messages becomes its JSON.

    Raises:
        ValidationError: neither.
    """
    if isinstance(value, str):
        return value
    if _messages(value) is None:
        raise ValidationError("content must be a string, or a list of {role, content} objects of strings")
    return json.dumps(thaw(value), ensure_ascii=False)


def chat_messages(content: str) -> list[tuple[str, str]] | None:
    """Return the roles and contents of a chat prompt; None if the text is not JSON of messages."""
    try:
        return _messages(json.loads(content))
    except (ValueError, RecursionError):
        return None


def _messages(value: object) -> list[tuple[str, str]] | None:
    if not is_array(value):
        return None
    found: list[tuple[str, str]] = []
    for message in value:
        if not is_object(message):
            return None
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        found.append((role, content))
    return found
