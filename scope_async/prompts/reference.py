"""Which version of which prompt is meant, checked before anything is sent."""

from __future__ import annotations

from typing import Literal

import attrs

from scope_async.errors import ValidationError
from scope_async.http.messages import segment

Label = Literal["production", "latest"]

Key = str | tuple[str, str, str]
"""What the cache finds a version by. The name alone is its production version, the most
frequent question; the others are `(name, "label", label)` and `(name, "version", id)`, so that
no name or id can be mistaken for another one."""


def key_of(name: str, label: str | None, version: str | None) -> Key:
    """Return the key for a caller's arguments; for ones that are not acceptable, a key of nothing."""
    if version is not None:
        return (name, "version", version) if label is None else ""
    return name if label is None or label == "production" else (name, "label", label)


@attrs.frozen
class PromptRef:
    """One prompt version to ask for, by its `key`.

    `path` is relative to the API's root, and `template` is what all paths of its kind have in common.
    """

    name: str
    key: Key
    path: str
    template: str

    @classmethod
    def of(cls, name: str, label: str | None = None, version: str | None = None) -> PromptRef:
        """Return the selection for a caller's arguments; no label and no version is production.

        Raises:
            ValidationError: the name or the version id cannot be one path segment, the label
                is not `production` or `latest`, or a label and a version are given together.
        """
        if version is not None and label is not None:
            raise ValidationError("give a label or a version, not both")
        if label not in (None, "production", "latest"):
            raise ValidationError(f"label must be 'production' or 'latest', got {label!r}")
        prompt = f"/prompts/{segment(name, 'name')}"
        key = key_of(name, label, version)
        if version is not None:
            path = f"{prompt}/versions/{segment(version, 'version')}"
            return cls(name, key, path, "/prompts/{name}/versions/{version_id}")
        last = f"/{label or 'production'}"
        return cls(name, key, prompt + last, "/prompts/{name}" + last)

    @property
    def is_production(self) -> bool:
        return self.key == self.name

    @property
    def is_by_id(self) -> bool:
        return isinstance(self.key, tuple) and self.key[1] == "version"

    @property
    def selector(self) -> str:
        """`production`, `latest`, or the version id."""
        return self.key[2] if isinstance(self.key, tuple) else "production"

    def __str__(self) -> str:
        return f"prompt:{self.name}:{self.selector}"
