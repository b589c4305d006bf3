"""Which version of which prompt is meant, checked before anything is sent."""

from __future__ import annotations

from typing import Literal

import msgspec

from scope_async.errors import ValidationError
from scope_async.http.urls import segment

Label = Literal["production", "latest"]

Key = str | tuple[str, str, str]
"""The cache's key of a version. The name alone is its production version, which is asked for most;
the others are `(name, "label", label)` and `(name, "version", id)`, so that no name or id can be
mistaken for another one."""


def key_of(name: str, label: str | None, version: str | None) -> Key:
    """Return the key for a caller's arguments; the empty string if they are given together."""
    if version is not None:
        return (name, "version", version) if label is None else ""
    return name if label is None or label == "production" else (name, "label", label)


def name_of(key: Key) -> str:
    """Return the name or id of the prompt that a key is for."""
    return key if isinstance(key, str) else key[0]


class PromptRef(msgspec.Struct, frozen=True):
    """A reference to one prompt version.

    `selector` is `production`, `latest`, or the version's id. `path` is relative to the API's root,
    and `template` is what all paths of its kind have in common.
    """

    name: str
    key: Key
    selector: str
    is_by_id: bool
    path: str
    template: str

    @classmethod
    def of(cls, name: str, label: str | None = None, version: str | None = None) -> PromptRef:
        """Return the reference for a caller's arguments; without label and version to production.

        Raises:
            ValidationError: the name or the version id cannot be one path segment, the label
                is not `production` or `latest`, or a label and a version are given together.
        """
        if version is not None and label is not None:
            raise ValidationError("give a label or a version, not both")
        if label not in (None, "production", "latest"):
            raise ValidationError(f"label must be 'production' or 'latest', got {label!r}")
        # Of a subclass, such as an enum's, `format` may be another text than the string itself.
        if isinstance(name, str):
            name = str.__str__(name)
        if isinstance(version, str):
            version = str.__str__(version)
        selector = "latest" if label == "latest" else "production"
        key = key_of(name, selector if version is None else None, version)
        prompt = f"/prompts/{segment(name, 'name')}"
        if version is not None:
            path = f"{prompt}/versions/{segment(version, 'version')}"
            return cls(name, key, version, True, path, "/prompts/{name}/versions/{version_id}")
        return cls(name, key, selector, False, f"{prompt}/{selector}", f"/prompts/{{name}}/{selector}")

    @property
    def is_production(self) -> bool:
        """True for the production version."""
        return self.key == self.name

    def __str__(self) -> str:
        return f"prompt:{self.name}:{self.selector}"
