"""Prompts and their versions as Local Scope stores them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from attrs import field, frozen

from scope_async.errors import ValidationError
from scope_async.local.timestamps import iso

# The template syntax of contract 1.3. It repeats the client's pattern on purpose: a mistake in
# a shared one would cancel itself out.
_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")
NAME_LIMIT = 255
NOTES_LIMIT = 2000

VersionStatus = Literal["draft", "published", "archived"]
VERSION_STATUSES = ("draft", "published", "archived")
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
    created_by: str | None = None
    promoted_at: float | None = None
    promoted_by: str | None = None

    @property
    def is_production(self) -> bool:
        """True if this is the production version: the published one, of which a prompt has at most one."""
        return self.status == "published"

    @property
    def variables(self) -> list[str]:
        """Names of the template's variables, by first appearance."""
        messages = [{"content": self.content}] if isinstance(self.content, str) else self.content
        found = (name for message in messages for name in _names_in(message))
        return list(dict.fromkeys(found))

    def document(self) -> dict[str, Any]:
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
            "is_production": self.is_production,
            "prompt_type": self.prompt_type,
            "metadata": self.metadata,
            "tags": list(self.tags),
            "created_at": iso(self.created_at),
            "created_by": self.created_by,
            "updated_at": iso(self.updated_at),
            "promoted_at": iso(self.promoted_at),
            "promoted_by": self.promoted_by,
        }


def _names_in(message: Mapping[str, Any]) -> list[str]:
    """Return the variables of a message: of its text, of the texts of its parts, or a placeholder's name."""
    content: Any = message.get("content")
    if message.get("type") == "placeholder" and isinstance(message.get("name"), str):
        return [message["name"]]
    texts: list[Any] = (
        [part.get("text") for part in content if isinstance(part, dict)]
        if isinstance(content, list)
        else [content]
    )
    return [name for text in texts if isinstance(text, str) for name in _VARIABLE.findall(text)]


@frozen
class Promotion:
    """An entry of a prompt's promotion history; `promoted_at` is in seconds since the epoch."""

    id: str
    prompt_id: str
    version_id: str
    version_number: int
    promoted_by: str
    promoted_at: float
    previous_version: int | None = None
    notes: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the entry with the names of the documentation."""
        return {
            "history_id": self.id,
            "prompt_id": self.prompt_id,
            "version_id": self.version_id,
            "version_number": self.version_number,
            "promoted_by": self.promoted_by,
            "promoted_at": iso(self.promoted_at),
            "previous_version": self.previous_version,
            "notes": self.notes,
        }


@frozen
class StoredPrompt:
    """A prompt, all its versions and its promotions, each oldest first."""

    id: str
    name: str
    created_at: float
    versions: tuple[StoredVersion, ...] = field(default=(), repr=False)
    promotions: tuple[Promotion, ...] = field(default=(), repr=False)

    def version(self, version_id: str) -> StoredVersion | None:
        return next((version for version in self.versions if version.id == version_id), None)

    @property
    def production(self) -> StoredVersion | None:
        """The published version."""
        return next((version for version in self.versions if version.is_production), None)

    @property
    def latest(self) -> StoredVersion | None:
        """The newest version, whatever its status."""
        return self.versions[-1] if self.versions else None


@frozen
class Draft:
    """The checked content of the next version of a prompt, and the status it will have."""

    name: str
    content: str | list[dict[str, Any]]
    metadata: dict[str, Any] | None = None
    prompt_type: str = "text"
    tags: tuple[str, ...] = ()
    status: VersionStatus = "published"

    @classmethod
    def checked(
        cls,
        name: str,
        content: Content,
        *,
        metadata: Mapping[str, Any] | None = None,
        prompt_type: str = "text",
        tags: Sequence[str] = (),
        status: str = "published",
    ) -> Draft:
        """Return a draft with copies of all mutable arguments.

        Raises:
            ValidationError: a field is outside the contract; the message names it.
        """
        _check_name(name)
        _check_labels(prompt_type, tags, status)
        try:
            plain = [name, _plain(content), None if metadata is None else _plain_object(metadata), list(tags)]
            written = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
            _, copied, copied_metadata, _ = json.loads(written)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValidationError(f"content and metadata of {name!r} have to be JSON: {error}") from error
        _check_content(copied, prompt_type)
        return cls(name, copied, copied_metadata, prompt_type, tuple(tags), cast("VersionStatus", status))

    def is_in(self, version: StoredVersion) -> bool:
        """Return True if `version` has the same content, metadata, type and tags."""
        return (version.content, version.metadata, version.prompt_type, version.tags) == (
            self.content,
            self.metadata,
            self.prompt_type,
            self.tags,
        )


def check_notes(notes: object) -> str | None:
    """Return the notes of a promotion.

    Raises:
        ValidationError: the notes are no text of at most 2,000 characters.
    """
    if notes is None:
        return None
    if not isinstance(notes, str) or len(notes) > NOTES_LIMIT or not is_text(notes):
        raise ValidationError(f"notes: at most {NOTES_LIMIT} characters, or null")
    return notes


def is_text(value: str) -> bool:
    """Return True if `value` has no lone surrogate: JSON can spell one, UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT or not is_text(name):
        raise ValidationError(f"name: 1 to {NAME_LIMIT} characters, got {name!r}")


def _check_labels(prompt_type: Any, tags: Any, status: Any) -> None:
    if prompt_type not in ("text", "chat"):
        raise ValidationError(f"prompt_type: 'text' or 'chat', got {prompt_type!r}")
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in cast("list[Any]", tags)):
        raise ValidationError(f"tags: a list of strings, got {tags!r}")
    if status not in VERSION_STATUSES:
        raise ValidationError(f"status: one of {', '.join(VERSION_STATUSES)}, got {status!r}")


def _plain(content: Any) -> Any:
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping | bytes):
        raise TypeError("content is a string or a list of messages")
    return [_plain_object(message) for message in content]


def _plain_object(value: Any) -> dict[str, Any]:
    # `dict` would accept a list of pairs as well.
    if not isinstance(value, Mapping):
        raise TypeError(f"an object was expected, got {value!r}")
    return dict(cast("Mapping[str, Any]", value))


def _check_content(content: Any, prompt_type: str) -> None:
    if isinstance(content, str):
        return
    if prompt_type != "chat":
        raise ValidationError("content: a string; a list of messages needs prompt_type='chat'")
    for message in content:
        has_content = "content" in message or "tool_calls" in message
        if (message.get("type") == "placeholder" and isinstance(message.get("name"), str)) or (
            isinstance(message.get("role"), str) and has_content
        ):
            continue
        raise ValidationError(f"content: every message has a role and a content, got {message!r:.200}")
