"""`PromptVersion`: a prompt as the service has it, and how it is rendered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scope_async._core.frozen_json import freeze_mapping, to_plain_json
from scope_async.config import UnknownVariables
from scope_async.errors import ValidationError
from scope_async.prompts import validation
from scope_async.prompts.content import comparable_content, content_renderer, variables_in
from scope_async.prompts.version_fields import (
    FIELDS,
    PUBLIC_FIELDS,
    FrozenVersionFields,
    VersionFields,
    set_fields,
)
from scope_async.rendering.messages import Messages
from scope_async.rendering.renderers import ChatRenderer, TextRenderer
from scope_async.rendering.template import canonical_name

if TYPE_CHECKING:
    from scope_async.rendering.anthropic import AnthropicPrompt


class PromptVersion(FrozenVersionFields):
    """One version of a prompt; immutable, all the way down.

    Made by the client; made by hand it needs a `name` and a `content`, for example as a
    `fallback`. `content` of a chat prompt is the JSON of its messages, or any other text,
    which is then one user message. `status` is `draft`, `published`, `archived`, and `type` `text` or
    `chat`, or what else a newer service says. `raw` is the service's answer in full. `is_stale` is True
    for a copy that stands in for an unavailable service, `is_fallback` for the caller's fallback.

    Raises:
        ValidationError: a field of the wrong type.
    """

    __slots__ = ()

    id: str
    prompt_id: str
    name: str
    version_number: int
    content: str
    variables: tuple[str, ...]
    status: str
    is_production: bool
    type: str
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    created_at: datetime | None
    updated_at: datetime | None
    promoted_at: datetime | None
    promoted_by: str | None
    created_by: str | None
    _raw: Mapping[str, Any] | bytes
    _bound: Mapping[str, Any]
    is_stale: bool
    is_fallback: bool
    unknown_variables: UnknownVariables

    def __init__(
        self,
        *,
        name: str,
        content: str | Sequence[Mapping[str, Any]],
        id: str = "",
        prompt_id: str = "",
        version_number: int = 0,
        variables: Sequence[str] | None = None,
        status: str = "published",
        is_production: bool = False,
        type: str = "text",
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        promoted_at: datetime | None = None,
        promoted_by: str | None = None,
        created_by: str | None = None,
        raw: Mapping[str, Any] | bytes | None = None,
        bound: Mapping[str, Any] | None = None,
        is_stale: bool = False,
        is_fallback: bool = False,
        unknown_variables: UnknownVariables = "error",
    ) -> None:
        text = validation.content_text(content)
        declared = None if variables is None else validation.strings("variables", variables)
        set_fields(
            self,
            id=validation.of_type("id", id, str),
            prompt_id=validation.of_type("prompt_id", prompt_id, str),
            name=validation.of_type("name", name, str),
            version_number=validation.of_type("version_number", version_number, int),
            content=text,
            variables=declared if declared is not None else variables_in(text, type),
            status=validation.of_type("status", status, str),
            is_production=validation.of_type("is_production", is_production, bool),
            type=validation.of_type("type", type, str) or "text",
            metadata=validation.read_only("metadata", metadata),
            tags=validation.strings("tags", tags),
            created_at=validation.aware("created_at", created_at),
            updated_at=validation.aware("updated_at", updated_at),
            promoted_at=validation.aware("promoted_at", promoted_at),
            promoted_by=None if promoted_by is None else validation.of_type("promoted_by", promoted_by, str),
            created_by=None if created_by is None else validation.of_type("created_by", created_by, str),
            _raw=raw if isinstance(raw, bytes) else validation.read_only("raw", raw),
            _bound=validation.read_only("bound", bound),
            is_stale=is_stale,
            is_fallback=is_fallback,
            unknown_variables=unknown_variables,
            _renderer=None,
        )

    def _made_renderer(self) -> TextRenderer | ChatRenderer:
        # At the first rendering: many versions are fetched only to find that nothing changed.
        renderer = self._renderer
        if renderer is None:
            strict, bound = self.unknown_variables == "error", self._bound
            declared = (*self.variables, *bound)
            renderer = content_renderer(self.content, self.type, declared, strict=strict, bound=bound)
            object.__setattr__(self, "_renderer", renderer)
        return renderer

    @property
    def raw(self) -> Mapping[str, Any]:
        """The service's answer in full, unknown fields too; empty when made by hand.

        Raises:
            ValidationError: a field that nothing else reads is nested too deeply, or has a number
                of thousands of digits.
        """
        # Few callers look at it, and bytes are the smallest immutable form.
        raw = self._raw
        if not isinstance(raw, bytes):
            return raw
        try:
            return freeze_mapping(json.loads(raw))
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"raw is not readable: {error}") from None

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
            RenderError: the prompt has a placeholder for messages, or the text is larger than the memory.
            ValidationError: unknown variables, unless they are ignored, or a value that is
                neither text, number, boolean, date, time, UUID, enum nor JSON.
        """
        renderer = self._renderer or self._made_renderer()
        return (renderer.compiled or renderer.render)(variables, kw)

    def render_messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return new message dicts, as chat models' clients take them.

        Variables are replaced in each string `content` and in the `text` of each part, after the
        structure was read, so that no value can break or add a message; all else in a message is
        handed on. The messages given for a placeholder are handed on as they are. A text prompt is
        one user message.

        Raises:
            MissingVariableError, ValidationError: as `render`.
        """
        return self._made_renderer().messages(variables, **kw)

    def render_anthropic(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> AnthropicPrompt:
        """Return `system` and `messages` as keyword arguments for Anthropic's `messages.create`.

        System and developer messages make up `system`, which is absent without any; tool calls, their
        results and images become Anthropic's blocks.

        Raises:
            RenderError: a message that Anthropic's API has no place for.
            MissingVariableError, ValidationError: as `render`.
        """
        from scope_async.rendering.anthropic import anthropic_prompt  # noqa: PLC0415 - few need it

        return anthropic_prompt(self._made_renderer().messages(variables, **kw))

    def bind(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> PromptVersion:
        """Return a version to which these values need not be given again; `content` stays as it is.

        Rendering it is one pass, too. A value that is given later wins, as with `functools.partial`.

        Raises:
            ValidationError: as `render`.
        """
        bound = {**self._bound, **self._made_renderer().bound(variables, kw)}
        left = tuple(name for name in self.variables if canonical_name(name) not in bound)
        return self.__replace__(variables=left, bound=bound)

    def diff(self, other: PromptVersion) -> str:
        """Return the unified diff from this version's content to that of `other`; empty if equal.

        Chat prompts are compared as indented JSON.
        """
        from scope_async.prompts.diff import unified_text_diff  # noqa: PLC0415 - few need it

        return unified_text_diff(
            comparable_content(self.content, self.type),
            comparable_content(other.content, other.type),
            before_name=f"{self.name} v{self.version_number}",
            after_name=f"{other.name} v{other.version_number}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but `raw` as new plain JSON values; instants in ISO 8601."""
        values = {name: getattr(self, name) for name in PUBLIC_FIELDS}
        return {
            name: value.isoformat() if isinstance(value, datetime) else to_plain_json(value)
            for name, value in values.items()
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON (RFC 8259), in ASCII."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def otel_attributes(self) -> dict[str, str | bool]:
        """Return attributes for the span of the LLM call that uses this version, without its text.

        `gen_ai.prompt.name` and `gen_ai.prompt.version`, the version number as text, are OpenTelemetry's
        names; `scope.prompt.name`, `.version`, `.id`, `.version_id`, `.is_stale` and `.is_fallback` are
        Scope's. A version made by hand has neither ids nor a number.
        """
        number = str(self.version_number or "")
        attributes: dict[str, str | bool] = {
            "gen_ai.prompt.name": self.name,
            "gen_ai.prompt.version": number,
            "scope.prompt.name": self.name,
            "scope.prompt.version": number,
            "scope.prompt.id": self.prompt_id,
            "scope.prompt.version_id": self.id,
            "scope.prompt.is_stale": self.is_stale,
            "scope.prompt.is_fallback": self.is_fallback,
        }
        return {key: value for key, value in attributes.items() if value != ""}

    def __repr__(self) -> str:
        flags = "".join(
            f" {flag}" for flag in ("is_production", "is_stale", "is_fallback") if getattr(self, flag)
        )
        return f"<PromptVersion {self.name!r} v{self.version_number} id={self.id!r} {self.status}{flags}>"


# Functions, so that users do not see among the methods what only the client does with versions.


def with_flags(version: PromptVersion, *, is_stale: bool = False, is_fallback: bool = False) -> PromptVersion:
    """Return the version with other flags; what was compiled before is shared."""
    copy: Any = VersionFields()
    copy._renderer = version._renderer  # noqa: SLF001 - this module's own class
    for name in FIELDS:
        setattr(copy, name, getattr(version, name))
    copy.is_stale = is_stale
    copy.is_fallback = is_fallback
    return freeze_fields(copy)


def raw_json(version: PromptVersion) -> bytes:
    """Return `raw` as JSON; the same bytes that the version was read from, if it was read."""
    raw = version._raw  # noqa: SLF001 - this module's own class
    return raw if isinstance(raw, bytes) else json.dumps(raw).encode()


def freeze_fields(fields: Any) -> PromptVersion:
    """Return an instance of `VersionFields`, all of whose fields are set and checked, as a version."""
    fields.__class__ = PromptVersion
    version: PromptVersion = fields
    return version
