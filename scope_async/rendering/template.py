"""The template syntax of contract 1.3: `{{variable}}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from operator import itemgetter
from sys import intern
from typing import Any

from scope_async._core.frozen_json import is_object
from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.values import format_value

_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")


class Template:
    """A text, compiled once: literals and variable names in turn.

    `names` are its variables, each once, in the order of their first appearance.
    """

    __slots__ = ("_occurrences", "_pick", "names", "parts")

    def __init__(self, text: str) -> None:
        # With one group in the pattern, `split` returns literal, name, literal, … literal.
        self.parts = _VARIABLE.split(text)
        # Keywords and literal keys are interned, and the same object is found faster than an equal one.
        self._occurrences = self.parts[1::2] = [intern(name) for name in self.parts[1::2]]
        self.names = tuple(dict.fromkeys(self._occurrences))
        # Called with one name it would return a value, not a tuple of values.
        self._pick = itemgetter(*self._occurrences) if len(self._occurrences) > 1 else None

    def fill(self, texts: Mapping[str, str]) -> str:
        """Return the text with every variable replaced, in one pass: `texts` are not searched.

        Raises:
            KeyError: a name has no text.
            TypeError: something in `texts` that is used is not a string.
        """
        parts = self.parts.copy()
        parts[1::2] = self._pick(texts) if self._pick is not None else [texts[n] for n in self._occurrences]
        return "".join(parts)


class Variables:
    """The variables that a prompt version takes, and the checks of a caller's values.

    `required` are those in the templates, each once, in their order; `declared` ones may be given too.
    """

    __slots__ = ("_known", "_required", "strict")

    def __init__(
        self, required: tuple[str, ...], declared: Iterable[str] = (), *, strict: bool = True
    ) -> None:
        self._required = required
        self._known = frozenset((*required, *declared))
        self.strict = strict

    def bind(self, variables: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, str]:
        """Return the text for every required variable; `keywords` win over `variables`.

        Raises:
            ValidationError: unknown variables if `strict`, or a value without a plain text.
            MissingVariableError: variables without a value, or with None; it names all of them.
        """
        given = keywords
        if variables is not None:
            if not is_object(variables):
                raise ValidationError(
                    f"variables must be a mapping of names to values, got a {type(variables).__name__}"
                )
            given = _merged(variables, keywords) if keywords else variables
        if self.strict and not self._known.issuperset(given):
            raise self._unknown(given)
        texts: dict[str, str] = {}
        missing: list[str] = []
        for name in self._required:
            value = given.get(name)
            if type(value) is str:
                texts[name] = value
            elif value is None:
                missing.append(name)
            else:
                texts[name] = format_value(name, value)
        if missing:
            raise MissingVariableError(f"no value for: {', '.join(missing)}", tuple(missing))
        return texts

    def _unknown(self, given: Mapping[str, Any]) -> ValidationError:
        known = sorted(self._known)
        described: list[str] = []
        for name in given:
            if name in self._known:
                continue
            # Keys of a caller's mapping may be anything.
            close = get_close_matches(str(name), known, n=1)
            described.append(f"{name!r} (did you mean {close[0]!r}?)" if close else f"{name!r}")
        takes = f"the prompt takes {', '.join(known)}" if known else "the prompt takes none"
        return ValidationError(f"unknown variables: {', '.join(described)}; {takes}")


def _merged(variables: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; a keyword wins unless it is None, which is no value."""
    merged = {**keywords, **variables}
    merged.update((name, value) for name, value in keywords.items() if value is not None)
    return merged


def render_template(
    template: Template,
    variables: Variables,
    mapping: Mapping[str, Any] | None,
    keywords: dict[str, Any],
) -> str:
    """Return the rendered template; fast if there is exactly one string for each variable.

    Raises:
        ValidationError, MissingVariableError: as `Variables.bind`.
    """
    given: Any = keywords if mapping is None else mapping
    # A mapping of another type may invent keys, and both together have to be merged.
    simple = type(given) is dict and (mapping is None or not keywords)
    if simple and (not variables.strict or len(given) == len(template.names)):
        try:
            return template.fill(given)
        except (KeyError, TypeError):
            pass  # `bind` converts values, and names what is wrong
    return template.fill(variables.bind(mapping, keywords))
