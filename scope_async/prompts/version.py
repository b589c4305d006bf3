"""`PromptVersion`: a prompt as the service has it, and how it is rendered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import attrs

from scope_async._core.frozen_json import freeze_mapping, thaw
from scope_async.config import UnknownVariables
from scope_async.prompts import validation
from scope_async.rendering.renderers import ChatRenderer, Messages, TextRenderer

PromptStatus = Literal["draft", "published", "archived"]
PromptType = Literal["text", "chat"]

_STATUSES = ("draft", "published", "archived")
_TYPES = ("text", "chat")


@attrs.frozen(kw_only=True, init=False, repr=False)
class PromptVersion:
    """One version of a prompt; immutable, all the way down.

    Made by the client; made by hand it needs a `name` and a `content`, for example as a
    `fallback`. `content` of a chat prompt is the JSON of its messages, or any other text,
    which is then one user message. `raw` is the service's answer in full. `is_stale` is True
    for a copy that stands in for an unavailable service, `is_fallback` for the caller's fallback.

    Raises:
        ValidationError: a field of the wrong type.
    """

    id: str
    prompt_id: str
    name: str
    version_number: int
    content: str
    variables: tuple[str, ...]
    status: PromptStatus
    is_production: bool
    type: PromptType
    metadata: Mapping[str, Any] = attrs.field(hash=False)
    tags: tuple[str, ...]
    created_at: datetime | None
    updated_at: datetime | None
    promoted_at: datetime | None
    promoted_by: str | None
    _raw: Mapping[str, Any] | bytes = attrs.field(eq=False)
    is_stale: bool
    is_fallback: bool
    unknown_variables: UnknownVariables = attrs.field(eq=False)

    def __init__(
        self,
        *,
        name: str,
        content: str | Sequence[Mapping[str, str]],
        id: str = "",
        prompt_id: str = "",
        version_number: int = 0,
        variables: Sequence[str] | None = None,
        status: PromptStatus = "published",
        is_production: bool = False,
        type: PromptType = "text",
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        promoted_at: datetime | None = None,
        promoted_by: str | None = None,
        raw: Mapping[str, Any] | bytes | None = None,
        is_stale: bool = False,
        is_fallback: bool = False,
        unknown_variables: UnknownVariables = "error",
    ) -> None:
        text = validation.content_text(content)
        declared = None if variables is None else validation.strings("variables", variables)
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            id=validation.of_type("id", id, str),
            prompt_id=validation.of_type("prompt_id", prompt_id, str),
            name=validation.of_type("name", name, str),
            version_number=validation.of_type("version_number", version_number, int),
            content=text,
            variables=declared if declared is not None else _renderer(text, type, ()).names,
            status=validation.one_of("status", status, _STATUSES),
            is_production=validation.of_type("is_production", is_production, bool),
            type=validation.one_of("type", type, _TYPES),
            metadata=validation.read_only("metadata", metadata),
            tags=validation.strings("tags", tags),
            created_at=validation.aware("created_at", created_at),
            updated_at=validation.aware("updated_at", updated_at),
            promoted_at=validation.aware("promoted_at", promoted_at),
            promoted_by=None if promoted_by is None else validation.of_type("promoted_by", promoted_by, str),
            raw=raw if isinstance(raw, bytes) else validation.read_only("raw", raw),
            is_stale=is_stale,
            is_fallback=is_fallback,
            unknown_variables=unknown_variables,
        )

    @cached_property
    def _renderer(self) -> TextRenderer | ChatRenderer:
        # Made at the first rendering: many versions are fetched only to find that nothing changed.
        return _renderer(self.content, self.type, self.variables, strict=self.unknown_variables == "error")

    @property
    def raw(self) -> Mapping[str, Any]:
        """The service's answer in full, unknown fields too; empty when made by hand."""
        # Few callers look at it, and bytes are the smallest immutable form.
        raw = self._raw
        return freeze_mapping(json.loads(raw)) if isinstance(raw, bytes) else raw

    @property
    def is_draft(self) -> bool:
        return self.status == "draft"

    @property
    def is_published(self) -> bool:
        return self.status == "published"

    @property
    def is_archived(self) -> bool:
        return self.status == "archived"

    def get_metadata(self, key: str, default: Any = None) -> Any:
        """Return one entry of `metadata`, or `default` when there is none."""
        return self.metadata.get(key, default)

    def render(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> str:
        """Return the content with its variables replaced; a keyword wins over `variables`.

        One pass: nothing in a value is replaced again. `None` counts as no value. A chat
        prompt gives the JSON of its rendered messages.

        Raises:
            MissingVariableError: variables without a value; it names all of them.
            ValidationError: unknown variables, unless they are ignored, or a value that is
                neither text, number, boolean, date, time, UUID, enum nor JSON.
        """
        renderer = self._renderer
        return (renderer.compiled or renderer.render)(variables, **kw)

    def render_messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return new `{"role", "content"}` dicts, as chat models' clients take them.

        Variables are replaced inside each message's content, after the structure was read,
        so that no value can break or add a message. A text prompt is one user message.

        Raises:
            MissingVariableError, ValidationError: as `render`.
        """
        return self._renderer.messages(variables, **kw)

    def otel_attributes(self) -> dict[str, str | bool]:
        """Return attributes for the span of the LLM call that uses this version, without its text.

        `gen_ai.prompt.name` and `gen_ai.prompt.version` are OpenTelemetry's names, the latter
        being the version number as text; `scope.prompt.id`, `scope.prompt.version_id`,
        `scope.prompt.is_stale` and `scope.prompt.is_fallback` are ours. A version made by hand
        has neither ids nor a number.
        """
        attributes: dict[str, str | bool] = {
            "gen_ai.prompt.name": self.name,
            "scope.prompt.is_stale": self.is_stale,
            "scope.prompt.is_fallback": self.is_fallback,
        }
        if self.version_number:
            attributes["gen_ai.prompt.version"] = str(self.version_number)
        if self.prompt_id:
            attributes["scope.prompt.id"] = self.prompt_id
        if self.id:
            attributes["scope.prompt.version_id"] = self.id
        return attributes

    def __repr__(self) -> str:
        flags = "".join(
            f" {flag}" for flag in ("is_production", "is_stale", "is_fallback") if getattr(self, flag)
        )
        return f"<PromptVersion {self.name!r} v{self.version_number} id={self.id!r} {self.status}{flags}>"

    def __copy__(self) -> PromptVersion:
        return self

    def __deepcopy__(self, memo: object) -> PromptVersion:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only mappings cannot be pickled, and the renderer is made anew.
        return _restored, ({field.alias: thaw(getattr(self, field.name)) for field in _FIELDS},)


# Functions, so that users do not see among the methods what only the client does with versions.


def with_flags(version: PromptVersion, *, is_stale: bool = False, is_fallback: bool = False) -> PromptVersion:
    """Return the version with other flags; what was compiled is shared."""
    copy = object.__new__(PromptVersion)
    object.__setattr__(copy, "_renderer", version._renderer)  # noqa: SLF001 - this module's own class
    for field in _FIELDS:
        object.__setattr__(copy, field.name, getattr(version, field.name))
    object.__setattr__(copy, "is_stale", is_stale)
    object.__setattr__(copy, "is_fallback", is_fallback)
    return copy


def raw_json(version: PromptVersion) -> bytes:
    """Return `raw` as JSON; the same bytes that the version was read from, if it was read."""
    raw = version._raw  # noqa: SLF001 - this module's own class
    return raw if isinstance(raw, bytes) else json.dumps(thaw(raw)).encode()


def _renderer(
    content: str, type: PromptType, declared: Sequence[str], *, strict: bool = True
) -> TextRenderer | ChatRenderer:
    messages = validation.chat_messages(content) if type == "chat" else None
    if messages is None:
        return TextRenderer(content, declared, strict=strict)
    return ChatRenderer(messages, declared, strict=strict)


_FIELDS = attrs.fields(PromptVersion)


def _restored(values: Mapping[str, Any]) -> PromptVersion:
    return PromptVersion(**values)
