"""Which version of which prompt is meant, checked before anything is sent."""

from __future__ import annotations

from typing import Literal

import attrs

from scope_async.errors import ValidationError
from scope_async.http.wire import segment

Label = Literal["production", "latest"]

Key = str | tuple[str, str, str]
"""What the cache finds a version by. The name alone is its production version, the most
frequent question; the others are `(name, "label", label)` and `(name, "version", id)`, so that
no name or id can be mistaken for another one."""


@attrs.frozen
class Selection:
    """One prompt version to ask for, by its `key`; `path` is relative to the API's root."""

    name: str
    key: Key
    path: str

    @classmethod
    def of(cls, name: str, label: str | None = None, version: str | None = None) -> Selection:
        """Return the selection for a caller's arguments; no label and no version is production.

        Raises:
            ValidationError: the name or the version id cannot be one path segment, the label
                is not `production` or `latest`, or a label and a version are given together.
        """
        prompt = f"/prompts/{segment(name, 'name')}"
        if version is not None:
            if label is not None:
                raise ValidationError("give a label or a version, not both")
            version_path = f"{prompt}/versions/{segment(version, 'version')}"
            return cls(name, (name, "version", version), version_path)
        if label is None or label == "production":
            return cls(name, name, f"{prompt}/production")
        if label == "latest":
            return cls(name, (name, "label", label), f"{prompt}/latest")
        raise ValidationError(f"label must be 'production' or 'latest', got {label!r}")

    @property
    def is_production(self) -> bool:
        return self.key == self.name

    @property
    def is_by_id(self) -> bool:
        return isinstance(self.key, tuple) and self.key[1] == "version"

    @property
    def wanted(self) -> str:
        """`production`, `latest`, or the version id."""
        return self.key[2] if isinstance(self.key, tuple) else "production"

    def __str__(self) -> str:
        return f"prompt:{self.name}:{self.wanted}"
