"""The fields of a prompt version: set while it is being made, and frozen afterwards."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any, NoReturn, Self

from scope_async._core.frozen_json import thaw
from scope_async.rendering.renderers import ChatRenderer, TextRenderer


class VersionFields:
    """The fields of a version that is being made, before `freeze_fields`."""

    # A frozen class sets a field in four times the time that this one takes, which is most of what
    # there is to do for an answer whose fields were checked while it was decoded.
    __slots__ = (  # noqa: RUF023 - in the order of the version's fields
        "id", "prompt_id", "name", "version_number", "content", "variables", "status", "is_production",
        "type", "metadata", "tags", "created_at", "updated_at", "promoted_at", "promoted_by", "created_by",
        "_raw", "_bound", "is_stale", "is_fallback", "unknown_variables", "_renderer", "__weakref__",
    )  # fmt: skip

    _renderer: TextRenderer | ChatRenderer | None


FIELDS = VersionFields.__slots__[:-2]
PUBLIC_FIELDS = [name for name in FIELDS if not name.startswith("_") and name != "unknown_variables"]

_compared = attrgetter(*PUBLIC_FIELDS, "_bound")
_hashed = attrgetter(*(name for name in PUBLIC_FIELDS if name != "metadata"))


class FrozenVersionFields(VersionFields):
    """The same fields as a value: equal to one of its class with the same, and immutable."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable, {name} included")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable, {name} included")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        equal: bool = _compared(self) == _compared(other)
        return equal

    def __hash__(self) -> int:
        return hash(_hashed(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only mappings cannot be pickled, and the renderer is made anew.
        values = {name: thaw(value) for name, value in _arguments(self).items()}
        return partial(type(self), **values), ()

    def __replace__(self, **changes: Any) -> Self:
        return type(self)(**(_arguments(self) | changes))


def _arguments(version: FrozenVersionFields) -> dict[str, Any]:
    return {name.lstrip("_"): getattr(version, name) for name in FIELDS}


def set_fields(version: FrozenVersionFields, /, **values: object) -> None:
    """Set the fields of a version that is being made."""
    for name, value in values.items():
        object.__setattr__(version, name, value)
