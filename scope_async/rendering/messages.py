"""Chat messages as templates: everything in a message is kept, and its texts are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from scope_async._core.frozen_json import freeze, is_array, is_object, thaw
from scope_async.errors import ValidationError
from scope_async.rendering.template import Template, canonical_name

Messages = list[Any]
"""Message dicts. `Any`, because the clients of chat models each have types of their own for them."""


class Placeholder(msgspec.Struct, frozen=True):
    """Stands for the list of messages that is given as the variable `name`."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


class MessageTemplate(msgspec.Struct, frozen=True):
    """A message; `parts` are the templates of its content's parts, `content` that of a string."""

    message: Mapping[str, Any]
    content: Template | None = None
    parts: tuple[Template | None, ...] = ()

    @property
    def templates(self) -> Iterator[Template]:
        return (template for template in (self.content, *self.parts) if template is not None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for template in self.templates for name in template.names)

    def fill(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return a new message with its texts rendered, and all else as it is.

        Raises:
            KeyError, TypeError, RenderError: as `Template.fill`.
        """
        message: Any = thaw(self.message)
        if self.content is not None:
            message["content"] = self.content.fill(texts)
        for index, template in enumerate(self.parts):
            if template is not None:
                message["content"][index]["text"] = template.fill(texts)
        filled: dict[str, Any] = message
        return filled


def read_messages(value: object) -> tuple[Mapping[str, Any], ...] | None:
    """Return an immutable copy of a list of chat messages (contract 1.3); None if it is none.

    Raises:
        ValidationError: nested too deeply.
    """
    if not is_array(value) or not all(map(_is_message, value)):
        return None
    frozen: tuple[Mapping[str, Any], ...] = freeze(value)
    return frozen


def message_template(
    message: Mapping[str, Any], declared: frozenset[str] = frozenset()
) -> MessageTemplate | Placeholder:
    """Return the template of a message that `read_messages` returned."""
    if _is_placeholder(message):
        return Placeholder(canonical_name(message["name"]))
    content = message.get("content")
    if isinstance(content, str):
        return MessageTemplate(message, Template(content, declared))
    texts = [part.get("text") for part in content or ()]
    parts = tuple(Template(text, declared) if isinstance(text, str) else None for text in texts)
    return MessageTemplate(message, None, parts)


def message_list(name: str, value: object) -> list[Any] | tuple[Any, ...]:
    """Return the messages that a caller gave for a placeholder.

    Raises:
        ValidationError: no list.
    """
    if is_array(value):
        return value
    raise ValidationError(
        f"variable {name[:100]!r} stands for a list of messages, got a {type(value).__name__}"
    )


def _is_placeholder(message: Mapping[str, Any]) -> bool:
    return message.get("type") == "placeholder" and isinstance(message.get("name"), str)


def _is_message(message: object) -> bool:
    if not is_object(message):
        return False
    if _is_placeholder(message):
        return True
    if not isinstance(message.get("role"), str):
        return False
    if "content" not in message:
        return is_array(message.get("tool_calls"))
    content = message["content"]
    return content is None or isinstance(content, str) or (is_array(content) and all(map(is_object, content)))
