"""Prompts and their versions as Local Scope stores them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from attrs import field, frozen

from scope_async.errors import ValidationError
from scope_async.local.timestamps import iso

# The template syntax of contract 1.3. It repeats the client's pattern on purpose: a mistake in
# a shared one would cancel itself out.
_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")
NAME_LIMIT = 255

VersionStatus = Literal["draft", "published", "archived"]
Content = str | Sequence[Mapping[str, Any]]


@frozen
class StoredVersion:
    """One version of a prompt; instants are seconds since the epoch."""

    id: str
    prompt_id: str
    name: str
    version_number: int
    content: str | list[dict[str, Any]]
    status: VersionStatus
    created_at: float
    updated_at: float
    prompt_type: str = "text"
    metadata: dict[str, Any] | None = None
    tags: tuple[str, ...] = ()
    promoted_at: float | None = None
    promoted_by: str | None = None

    @property
    def variables(self) -> list[str]:
        """Names of the template's variables, by first appearance."""
        return list(dict.fromkeys(_variables(self.content)))

    def document(self, *, is_production: bool) -> dict[str, Any]:
        """Return the body of contract 1.3, in both spellings and without a bare `type`."""
        return {
            "version_id": self.id,
            "id": self.id,
            "version": self.version_number,
            "version_number": self.version_number,
            "prompt_id": self.prompt_id,
            "name": self.name,
            "content": self.content,
            "variables": self.variables,
            "status": self.status,
            "is_production": is_production,
            "prompt_type": self.prompt_type,
            "metadata": self.metadata,
            "tags": list(self.tags),
            "created_at": iso(self.created_at),
            "updated_at": iso(self.updated_at),
            "promoted_at": iso(self.promoted_at),
            "promoted_by": self.promoted_by,
        }


@frozen
class StoredPrompt:
    """A prompt and all its versions, oldest first."""

    id: str
    name: str
    created_at: float
    production_id: str | None = None
    versions: tuple[StoredVersion, ...] = field(default=(), repr=False)

    def version(self, version_id: str) -> StoredVersion | None:
        return next((version for version in self.versions if version.id == version_id), None)

    @property
    def latest(self) -> StoredVersion | None:
        """The newest published version."""
        return next((version for version in reversed(self.versions) if version.status == "published"), None)


@frozen
class Draft:
    """The checked content of the next version of a prompt."""

    name: str
    content: str | list[dict[str, Any]]
    metadata: dict[str, Any] | None = None
    prompt_type: str = "text"
    tags: tuple[str, ...] = ()
    publish: bool = True
    promote: bool = True

    @classmethod
    def checked(
        cls,
        name: str,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        prompt_type: str = "text",
        tags: Sequence[str] = (),
        publish: bool = True,
        promote: bool = True,
    ) -> Draft:
        """Return a draft with copies of all mutable arguments.

        Raises:
            ValidationError: a field is outside the contract; the message names it.
        """
        _check_labels(name, prompt_type, tags, publish, promote)
        try:
            plain = [name, _plain(content), None if metadata is None else dict(metadata), list(tags)]
            written = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
            _, copied, copied_metadata, _ = json.loads(written)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValidationError(f"content and metadata of {name!r} have to be JSON: {error}") from error
        _check_content(copied, prompt_type)
        return cls(name, copied, copied_metadata, prompt_type, tuple(tags), publish, publish and promote)

    def is_in(self, version: StoredVersion) -> bool:
        """Return True if `version` has the same content, metadata, type and tags."""
        return (version.content, version.metadata, version.prompt_type, version.tags) == (
            self.content,
            self.metadata,
            self.prompt_type,
            self.tags,
        )


def _check_labels(name: Any, prompt_type: Any, tags: Any, *flags: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT:
        raise ValidationError(f"name: 1 to {NAME_LIMIT} characters, got {name!r}")
    if prompt_type not in ("text", "chat"):
        raise ValidationError(f"prompt_type: 'text' or 'chat', got {prompt_type!r}")
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in cast("list[Any]", tags)):
        raise ValidationError(f"tags: a list of strings, got {tags!r}")
    if not all(isinstance(flag, bool) for flag in flags):
        raise ValidationError(f"publish and promote: true or false, got {flags!r}")


def _plain(content: Content) -> Any:
    return content if isinstance(content, str) else [dict(message) for message in content]


def _check_content(content: Any, prompt_type: str) -> None:
    if isinstance(content, str):
        return
    if prompt_type != "chat":
        raise ValidationError("content: a string; a list of messages needs prompt_type='chat'")
    for message in content:
        has_content = "content" in message or "tool_calls" in message
        if _is_placeholder(message) or (isinstance(message.get("role"), str) and has_content):
            continue
        raise ValidationError(f"content: every message has a role and a content, got {message!r:.200}")


def _variables(content: str | list[dict[str, Any]]) -> Iterator[str]:
    """Yield the names in the texts of a prompt, and those of its placeholders."""
    if isinstance(content, str):
        yield from _VARIABLE.findall(content)
        return
    for message in content:
        if _is_placeholder(message):
            yield message["name"]
            continue
        inside = message.get("content")
        parts = inside if isinstance(inside, list) else [{"text": inside}]
        for part in parts:
            text = part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                yield from _VARIABLE.findall(text)


def _is_placeholder(message: Mapping[str, Any]) -> bool:
    return message.get("type") == "placeholder" and isinstance(message.get("name"), str)
