"""Renderers: from variables to a text or to chat messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scope_async.rendering.compiler import Render, compiled
from scope_async.rendering.template import Template, Variables, render_template

Messages = list[dict[str, str]]

# A version that is rendered once and dropped is not worth compiling.
_COMPILED_AFTER = 2


class TextRenderer:
    """Renders one text; `compiled` is a faster `render`, set by the second rendering."""

    __slots__ = ("_renders", "_template", "_variables", "compiled")

    def __init__(self, text: str, declared: Iterable[str] = (), *, strict: bool = True) -> None:
        self._template = Template(text)
        self._variables = Variables(self._template.names, declared, strict=strict)
        self._renders = 0
        self.compiled: Render | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The text's variables, each once."""
        return self._template.names

    def render(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> str:
        """Return the text with its variables replaced.

        Raises:
            MissingVariableError, ValidationError: as `Variables.bind`.
        """
        text = render_template(self._template, self._variables, variables, kw)
        self._renders += 1
        if self._renders == _COMPILED_AFTER:
            self.compiled = compiled(self._template, self._variables)
        return text

    def messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return the rendered text as one user message."""
        return [{"role": "user", "content": self.render(variables, **kw)}]


class ChatRenderer:
    """Renders each message's content; roles and the number of messages stay as they are."""

    __slots__ = ("_messages", "_variables", "names")

    compiled: Render | None = None

    def __init__(
        self, messages: Iterable[tuple[str, str]], declared: Iterable[str] = (), *, strict: bool = True
    ) -> None:
        self._messages = [(role, Template(content)) for role, content in messages]
        self.names = tuple(dict.fromkeys(name for _, template in self._messages for name in template.names))
        self._variables = Variables(self.names, declared, strict=strict)

    def render(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> str:
        """Return the rendered messages as JSON, valid whatever the values are."""
        return json.dumps(self.messages(variables, **kw), ensure_ascii=False)

    def messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return new messages with their contents rendered.

        Raises:
            MissingVariableError, ValidationError: as `Variables.bind`.
        """
        texts = self._variables.bind(variables, kw)
        return [{"role": role, "content": template.fill(texts)} for role, template in self._messages]
