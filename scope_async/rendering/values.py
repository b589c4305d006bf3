"""The text of a variable's value inside a prompt."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from enum import Enum
from numbers import Integral, Rational, Real
from typing import Any
from uuid import UUID

from scope_async._core.frozen_json import check_depth, is_array, is_object
from scope_async.errors import ValidationError

# What JSON has no type for: its text, alone and inside JSON.
_TEXTUAL = (Decimal, complex, dt.date, dt.time, UUID)
_NUMPY_SCALARS = "biuf"


def format_value(name: str, value: object) -> str:
    """Return the text of `value` for the variable `name`.

    A mapping, list or tuple is written as JSON (RFC 8259), anything else as `str` has it, and what
    is acceptable is the same at every depth: text, booleans, numbers (numpy's too), `Decimal`,
    `Fraction`, dates, times and `UUID`; an enum counts as its value. Inside JSON numbers are
    numbers, `None` is null, and `Decimal`, dates and the like are strings.

    Raises:
        ValidationError: NaN, an infinity, bytes, any other type, or too deep; its `repr` must not
            get into a prompt.
    """
    if isinstance(value, str):
        return str.__str__(value)
    try:
        if is_object(value) or is_array(value):
            return json.dumps(_json_value(value, 0), ensure_ascii=False, allow_nan=False)
        return str(_plain(value))
    except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
        reason = str(error) or type(error).__name__
    raise ValidationError(f"variable {name[:100]!r} cannot be put into a prompt: {reason[:300]}")


def _plain(value: object) -> str | bool | int | float:
    """Return a scalar as one of Python's own that JSON can write."""
    while isinstance(value, Enum):
        value = value.value
    kind = type(value)
    if kind is int or kind is bool:
        return value  # type: ignore[return-value]  # `isinstance` with the abstract classes below is slow
    if isinstance(value, str):
        return str.__str__(value)
    if kind.__module__ == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") in _NUMPY_SCALARS:
        value = _of_numpy(value)
    if isinstance(value, _TEXTUAL):
        return _text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, Rational):  # an integer or a `Fraction`, whose module takes time to import
        return int(value) if isinstance(value, Integral) else _text(value)
    if isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{number} is no number in JSON")
        return number
    raise TypeError(f"a value of type {kind.__name__} has no plain text")


def _of_numpy(value: Any) -> Any:
    if value.ndim:
        raise TypeError(f"a value of type {type(value).__name__} has no plain text; give its tolist()")
    # By way of its text, so that a float32 of 0.1 is 0.1 and not 0.10000000149011612.
    return float(str(value)) if value.dtype.kind == "f" else value.item()


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        finite = value.is_finite()
    else:
        finite = not isinstance(value, complex) or (math.isfinite(value.real) and math.isfinite(value.imag))
    if not finite:
        raise ValueError(f"{value} is no number in JSON")
    return str(value)


def _json_value(value: object, depth: int) -> Any:
    if value is None:
        return None
    if is_object(value):
        check_depth(depth)
        return {_json_key(key): _json_value(item, depth + 1) for key, item in value.items()}
    if is_array(value):
        check_depth(depth)
        return [_json_value(item, depth + 1) for item in value]
    return _plain(value)


def _json_key(key: object) -> str:
    # Keys of two types with the same text would silently become one member of the object.
    if isinstance(key, str):
        return str(_plain(key))
    raise TypeError(f"a JSON object's keys are strings, not {type(key).__name__}")
