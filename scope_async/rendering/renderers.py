"""Renderers: from variables to a text or to chat messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scope_async.errors import RenderError
from scope_async.rendering.compiler import Render, compile_template
from scope_async.rendering.messages import Messages, Placeholder, message_list, message_template
from scope_async.rendering.template import Template, declared_names
from scope_async.rendering.values import format_value
from scope_async.rendering.variables import Variables, render_template

# A version that is rendered once and dropped is not worth compiling.
_COMPILED_AFTER = 2


class TextRenderer:
    """Renders one text; `compiled` is a faster `render`, set by the second rendering."""

    __slots__ = ("_renders", "_template", "_variables", "compiled")

    def __init__(
        self,
        text: str,
        declared: Iterable[str] = (),
        *,
        strict: bool = True,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        template = Template(text, declared_names(declared))
        self._template = template
        self._variables = Variables(
            template.names, declared, strict=strict, bound=bound, literals=lambda: template.parts[::2]
        )
        self._renders = 0
        self.compiled: Render | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The text's variables, each once."""
        return self._template.names

    def render(self, mapping: Mapping[str, Any] | None, keywords: dict[str, Any], /) -> str:
        """Return the text with its variables replaced; a keyword wins over the mapping.

        Raises:
            MissingVariableError, ValidationError: as `Variables.bind`.
        """
        text = render_template(self._template, self._variables, mapping, keywords)
        self._renders += 1
        if self._renders == _COMPILED_AFTER:
            self.compiled = compile_template(self._template, self._variables)
        return text

    def messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return the rendered text as one user message."""
        return [{"role": "user", "content": self.render(variables, kw)}]

    def bound(self, variables: Mapping[str, Any] | None, kw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values to bind, by name, as their texts.

        Raises:
            ValidationError: as `Variables.bind`.
        """
        given = self._variables.given(variables, kw)
        return {name: format_value(name, given[name]) for name in self.names if given.get(name) is not None}


class ChatRenderer:
    """Renders each message's texts; everything else in a message stays as it is.

    `messages` are those that `read_messages` returned.
    """

    __slots__ = ("_lists", "_messages", "_variables", "names")

    compiled: Render | None = None

    def __init__(
        self,
        messages: Iterable[Mapping[str, Any]],
        declared: Iterable[str] = (),
        *,
        strict: bool = True,
        bound: Mapping[str, Any] | None = None,
    ) -> None:
        names = declared_names(declared)
        self._messages = templates = [message_template(message, names) for message in messages]
        self.names = tuple(dict.fromkeys(name for template in templates for name in template.names))
        lists = {template.name for template in templates if isinstance(template, Placeholder)}
        texts = [
            text
            for template in templates
            if not isinstance(template, Placeholder)
            for text in template.templates
        ]
        self._lists = lists.difference(*(text.names for text in texts))
        self._variables = Variables(
            self.names,
            declared,
            strict=strict,
            lists=self._lists,
            bound=bound,
            literals=lambda: (literal for text in texts for literal in text.parts[::2]),
        )

    def render(self, mapping: Mapping[str, Any] | None, keywords: dict[str, Any], /) -> str:
        """Return the rendered messages as JSON, valid whatever the values are.

        Raises:
            RenderError: the prompt has a placeholder for messages.
            MissingVariableError, ValidationError: as `Variables.bind`.
        """
        for template in self._messages:
            if isinstance(template, Placeholder):
                raise RenderError(
                    f"the prompt has a placeholder for the messages {template.name[:100]!r}, which no text "
                    "can stand for; use render_messages"
                )
        return json.dumps(self.messages(mapping, **keywords), ensure_ascii=False)

    def messages(self, variables: Mapping[str, Any] | None = None, /, **kw: Any) -> Messages:
        """Return new messages with their texts rendered; those given for a placeholder as they are.

        Raises:
            MissingVariableError, ValidationError: as `Variables.bind`.
        """
        given = self._variables.given(variables, kw)
        texts = self._variables.texts(given)
        rendered: Messages = []
        for template in self._messages:
            if isinstance(template, Placeholder):
                rendered += message_list(template.name, given[template.name])
            else:
                rendered.append(template.fill(texts))
        return rendered

    def bound(self, variables: Mapping[str, Any] | None, kw: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values to bind, by name: texts, and messages for a placeholder.

        Raises:
            ValidationError: as `Variables.bind`.
        """
        given = self._variables.given(variables, kw)
        lists = {template.name for template in self._messages if isinstance(template, Placeholder)}
        return {
            name: tuple(message_list(name, given[name])) if name in lists else format_value(name, given[name])
            for name in self.names
            if given.get(name) is not None
        }
