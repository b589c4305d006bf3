"""JSON values that nobody can change: read-only mappings and tuples, all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

_SCALARS = frozenset({str, int, float, bool, type(None)})


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether `value` is a JSON object."""
    return type(value) is dict or isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Tell whether `value` is a JSON array."""
    return isinstance(value, list | tuple)


def frozen(value: Any) -> Any:
    """Return a copy of a JSON value in which no caller can change anything."""
    if type(value) in _SCALARS:
        return value
    if is_array(value):
        return tuple([frozen(item) for item in value])
    if is_object(value):
        return frozen_mapping(value)
    return value


def frozen_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `frozen(value)` for a mapping."""
    return MappingProxyType(
        {key: item if type(item) in _SCALARS else frozen(item) for key, item in value.items()}
    )


def thaw(value: Any) -> Any:
    """Return a frozen JSON value as the plain dicts and lists that `json` writes."""
    if is_object(value):
        return {key: thaw(item) for key, item in value.items()}
    if is_array(value):
        return [thaw(item) for item in value]
    return value
