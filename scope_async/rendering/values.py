"""The text of a variable's value inside a prompt."""

from __future__ import annotations

import datetime as dt
import json
from enum import Enum
from numbers import Number
from typing import Any
from uuid import UUID

from scope_async._core.frozen_json import is_array, is_object
from scope_async.errors import ValidationError

# `Decimal`, `Fraction` and numpy's numbers are all registered as `Number`.
_PLAIN = (str, Number, dt.date, dt.time, UUID)


def format_value(name: str, value: object) -> str:
    """Return the text of `value` for the variable `name`.

    A string as it is; numbers, booleans, dates, times and `UUID` as `str` has them; an enum
    as its value; a mapping, list or tuple as JSON (RFC 8259), in which the same holds.

    Raises:
        ValidationError: a value of any other type; its `repr` must not get into a prompt.
    """
    if isinstance(value, str):
        return value
    try:
        if type(value) is int or type(value) is float:  # `isinstance` with the abstract classes below is slow
            return str(value)
        if is_object(value) or is_array(value):
            return json.dumps(_json_value(value), ensure_ascii=False, allow_nan=False)
        return str(_plain(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(
            f"variable {name!r} cannot be put into a prompt: {error or type(error).__name__}"
        ) from None


def _plain(value: object) -> object:
    while isinstance(value, Enum) and not isinstance(value, str):
        value = value.value
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"a {type(value).__name__} has no plain text")


def _json_value(value: object) -> Any:
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if is_object(value):
        return {_json_key(key): _json_value(item) for key, item in value.items()}
    if is_array(value):
        return [_json_value(item) for item in value]
    plain = _plain(value)
    return plain if isinstance(plain, int | float) else str(plain)


def _json_key(key: object) -> str:
    # Keys of two types with the same text would silently become one member of the object.
    if isinstance(key, str):
        return key
    raise TypeError(f"a JSON object's keys are strings, not {type(key).__name__}")
