"""The content of a prompt version, which its type says how to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scope_async.prompts.validation import chat_messages
from scope_async.rendering.renderers import ChatRenderer, TextRenderer
from scope_async.rendering.template import variable_names


def content_renderer(
    content: str,
    type: str,
    declared: Sequence[str],
    *,
    strict: bool = True,
    bound: Mapping[str, Any] | None = None,
) -> TextRenderer | ChatRenderer:
    """Return what renders the content: as messages if its type is not `text` and it is some, else as text."""
    messages = chat_messages(content) if type != "text" else None
    if messages is None:
        return TextRenderer(content, declared, strict=strict, bound=bound)
    return ChatRenderer(messages, declared, strict=strict, bound=bound)


def variables_in(content: str, type: str) -> tuple[str, ...]:
    """Return the names of the variables in the content, each once, in their order."""
    messages = chat_messages(content) if type != "text" else None
    return variable_names(content) if messages is None else ChatRenderer(messages).names


def comparable_content(content: str, type: str) -> str:
    """Return the content for a comparison by lines: messages as indented JSON."""
    messages = chat_messages(content) if type != "text" else None
    return content if messages is None else json.dumps(messages, indent=2, ensure_ascii=False)
