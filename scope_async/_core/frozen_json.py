"""Immutable JSON values: read-only mappings and tuples, all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

_SCALARS = frozenset({str, int, float, bool, type(None)})


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return True if `value` is a JSON object."""
    return type(value) is dict or isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return True if `value` is a JSON array."""
    return isinstance(value, list | tuple)


def freeze(value: Any) -> Any:
    """Return an immutable copy of a JSON value."""
    if type(value) in _SCALARS:
        return value
    if is_array(value):
        return tuple([freeze(item) for item in value])
    if is_object(value):
        return freeze_mapping(value)
    return value


def freeze_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `freeze(value)` for a mapping."""
    return MappingProxyType(
        {key: item if type(item) in _SCALARS else freeze(item) for key, item in value.items()}
    )


def thaw(value: Any) -> Any:
    """Return a frozen JSON value as the plain dicts and lists that `json` writes."""
    if is_object(value):
        return {key: thaw(item) for key, item in value.items()}
    if is_array(value):
        return [thaw(item) for item in value]
    return value
