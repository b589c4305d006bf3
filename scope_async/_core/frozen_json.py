"""Immutable JSON values, which `json` and every client of an HTTP API take as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Never, TypeGuard

from scope_async.errors import ValidationError

MAX_DEPTH = 128
"""How deep objects and arrays may be nested, wherever the package reads, keeps or renders them."""

_SCALARS = frozenset({str, int, float, bool, type(None)})


def _refuse(*_: object, **__: object) -> Never:
    raise TypeError("a prompt version cannot be changed; copy.deepcopy returns a dict that can")


_CHANGE: Any = _refuse


class FrozenDict(dict[str, Any]):
    """A `dict` that cannot be changed; `copy` and `copy.deepcopy` return plain ones that can."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _CHANGE
    clear = pop = popitem = setdefault = update = _CHANGE

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        return {key: thaw(item) for key, item in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze_mapping, (thaw(self),)


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return True if `value` is a JSON object."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - an ABC's check is slow


def is_array(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return True if `value` is a JSON array."""
    return isinstance(value, list | tuple)


def freeze(value: Any, depth: int = 0) -> Any:
    """Return an immutable copy of a JSON value: `FrozenDict` and tuples; `depth` is where it is nested.

    Raises:
        ValidationError: nested deeper than `MAX_DEPTH`, or without an end.
    """
    if type(value) in _SCALARS:
        return value
    if is_array(value):
        check_depth(depth)
        depth += 1
        return tuple([item if type(item) in _SCALARS else freeze(item, depth) for item in value])
    if is_object(value):
        return freeze_mapping(value, depth)
    return value


def freeze_mapping(value: Mapping[str, Any], depth: int = 0) -> FrozenDict:
    """Return `freeze(value)` for a mapping.

    Raises:
        ValidationError: as `freeze`.
    """
    if depth < MAX_DEPTH and _SCALARS.issuperset(map(type, value.values())):
        return FrozenDict(value)
    check_depth(depth)
    depth += 1
    return FrozenDict(
        {key: item if type(item) in _SCALARS else freeze(item, depth) for key, item in value.items()}
    )


def check_depth(depth: int) -> None:
    """Raise if an object or array that lies `depth` levels deep is one too many.

    Raises:
        ValidationError: it is.
    """
    if depth >= MAX_DEPTH:
        raise ValidationError(f"objects and lists are nested deeper than {MAX_DEPTH} levels")


def thaw(value: Any) -> Any:
    """Return a frozen JSON value as new plain dicts and lists."""
    if type(value) in _SCALARS:
        return value
    if is_object(value):
        return {key: item if type(item) in _SCALARS else thaw(item) for key, item in value.items()}
    if is_array(value):
        return [item if type(item) in _SCALARS else thaw(item) for item in value]
    return value


def to_plain_json(value: Any) -> Any:
    """Return a value as new dicts and lists that any JSON parser reads back (RFC 8259).

    NaN and infinities become null, and what has no place in JSON becomes its text.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if type(value) in _SCALARS:
        return value
    if is_object(value):
        return {str(key): to_plain_json(item) for key, item in value.items()}
    if is_array(value):
        return [to_plain_json(item) for item in value]
    return value if isinstance(value, str | int) else str(value)
