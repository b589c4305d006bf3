"""Checks and conversions for the fields of a prompt version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from reprlib import repr  # of bounded length and depth
from typing import Any, TypeVar

from scope_async._core.frozen_json import FrozenDict, freeze_mapping, is_object
from scope_async.errors import ValidationError
from scope_async.rendering.messages import read_messages

Value = TypeVar("Value")

_TEXT = frozenset({str})
_NOTHING = FrozenDict()


def of_type(name: str, value: Value, kind: type) -> Value:
    """Return `value` if it is of the type `kind`; a `bool` is no `int`.

    Raises:
        ValidationError: it is of another type.
    """
    if type(value) is kind or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise ValidationError(f"{name} must be of type {kind.__name__}, got {type(value).__name__}")


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
        raise ValidationError(f"{name} must be a list of strings, got {repr(value)}")
    return items


def read_only(name: str, value: Mapping[str, Any] | None) -> FrozenDict:
    """Return an immutable copy of a JSON object; None is an empty one.

    Raises:
        ValidationError: not a mapping, or nested too deeply.
    """
    if value is None:
        return _NOTHING
    if not is_object(value):
        raise ValidationError(f"{name} must be a mapping, got {type(value).__name__}")
    try:
        return freeze_mapping(value)
    except ValidationError as error:
        raise ValidationError(f"{name}: {error}") from None


def aware(name: str, value: datetime | None) -> datetime | None:
    """Return the instant with an offset; one without is in UTC.

    Raises:
        ValidationError: not a `datetime`.
    """
    if value is None or of_type(name, value, datetime).tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def content_text(value: str | Iterable[Mapping[str, Any]]) -> str:
    """Return the content as text; a list of chat messages becomes its JSON.

    Raises:
        ValidationError: neither, or nested too deeply.
    """
    if isinstance(value, str):
        return value
    messages = read_messages(value)
    if messages is None:
        raise ValidationError(
            "content must be a string, or a list of messages: objects with a role, a string, and a content "
            "that is a string, null or a list of parts"
        )
    try:
        return json.dumps(messages, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"content is not JSON: {error}") from None


def chat_messages(content: str) -> tuple[Mapping[str, Any], ...] | None:
    """Return the messages of a chat prompt; None if the text is not JSON of messages."""
    try:
        return read_messages(json.loads(content))
    except (ValueError, RecursionError, ValidationError):
        return None
