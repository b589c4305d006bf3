"""`Variables`: the variables of a prompt version, and the checks of a caller's values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

from scope_async._core.frozen_json import is_object
from scope_async.errors import MissingVariableError, ValidationError
from scope_async.rendering.template import Template, canonical_name
from scope_async.rendering.values import format_value

# A message is read by a person, and made on the event loop.
_MOST_LISTED = 10
_LONGEST_NAME = 60
_LONGEST_MESSAGE = 2800
_MOST_COMPARED = 200

_BETWEEN_BRACES = r"\{\{([^{}]+)\}\}"


class Variables:
    """The variables that a prompt version takes, and the checks of a caller's values.

    `required` are those with a place in the prompt, each once, in their order; `lists` are those
    of them that stand for a list of messages alone. `bound` are values that were given beforehand.
    `declared` names without a place, and `literals`, the texts around the places, explain errors.
    """

    __slots__ = ("_bound", "_declared", "_is_ascii", "_known", "_lists", "_literals", "_required", "strict")

    def __init__(
        self,
        required: tuple[str, ...],
        declared: Iterable[str] = (),
        *,
        strict: bool = True,
        lists: Collection[str] = (),
        bound: Mapping[str, Any] | None = None,
        literals: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._required = required
        self._known = frozenset(required)
        self._declared = declared
        self._lists = lists
        self._bound = bound or {}
        self._literals = literals
        self._is_ascii = all(map(str.isascii, required))
        self.strict = strict

    def bind(self, variables: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, str]:
        """Return the text for every required variable; `keywords` win over `variables`.

        Raises:
            ValidationError: unknown variables if `strict`, or a value without a plain text.
            MissingVariableError: variables without a value, or with None; it names all of them.
        """
        return self.texts(self.given(variables, keywords))

    def given(self, variables: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return all values that were given, by name, those bound beforehand among them.

        Raises:
            ValidationError: `variables` is no mapping, or has unknown names and this is `strict`.
        """
        given = keywords
        if variables is not None:
            if not is_object(variables):
                raise ValidationError(
                    f"variables must be a mapping of names to values, got a {type(variables).__name__}"
                )
            given = _merged(variables, keywords) if keywords else variables
        if not self._is_ascii:
            given = {canonical_name(n) if isinstance(n, str) else n: value for n, value in given.items()}
        if self.strict and not self._known.issuperset(given):
            raise self._unknown(given)
        return _merged(self._bound, given) if self._bound else given

    def texts(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Return the text for every required variable that is not in `lists`.

        Raises:
            ValidationError, MissingVariableError: as `bind`.
        """
        texts: dict[str, str] = {}
        missing: list[str] = []
        for name in self._required:
            value = given.get(name)
            if type(value) is str:
                texts[name] = value
            elif value is None:
                missing.append(name)
            elif name not in self._lists:
                texts[name] = format_value(name, value)
        if missing:
            raise MissingVariableError(f"no value for: {_listed(missing)}", tuple(missing))
        return texts

    def _unknown(self, given: Mapping[str, Any]) -> ValidationError:
        unknown = [name for name in given if name not in self._known]
        shown = unknown[:_MOST_LISTED]
        with_blanks = self._written_with_blanks()
        declared = set(map(canonical_name, self._declared))
        described = [self._describe(name, with_blanks, declared) for name in shown]
        more = _more(len(unknown) - len(shown))
        taken = ", ".join(map(_cut, nsmallest(_MOST_LISTED, self._known))) or "none"
        takes = f"the prompt takes {taken}{_more(len(self._known) - _MOST_LISTED)}"
        return ValidationError(f"unknown variables: {', '.join(described)}{more}; {takes}"[:_LONGEST_MESSAGE])

    def _describe(self, name: object, with_blanks: Collection[str], declared: Collection[str]) -> str:
        if not isinstance(name, str):
            return f"a key of type {type(name).__name__}"
        text = _cut(name)
        shown = _cut(repr(text))
        if name in with_blanks:
            return (
                f"{shown} (written with blanks, {{{{ {text} }}}}, which is plain text: write {{{{{text}}}}})"
            )
        if name in declared:
            return f"{shown} (declared, but without a place in the prompt)"
        if len(self._known) <= _MOST_COMPARED and len(text) <= _LONGEST_NAME:
            from difflib import get_close_matches  # noqa: PLC0415 - costs time to import

            short = [known for known in sorted(self._known) if len(known) <= _LONGEST_NAME]
            if close := get_close_matches(text, short, n=1):
                return f"{shown} (did you mean {close[0]!r}?)"
        return shown

    def _written_with_blanks(self) -> set[str]:
        """Return the names that the text has between braces, with blanks around them."""
        return {
            canonical_name(inside.strip())
            for literal in self._literals()
            for inside in re.findall(_BETWEEN_BRACES, literal)
            if inside != inside.strip()
        }


def _merged(variables: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; a keyword wins unless it is None, which is no value."""
    merged = {**keywords, **variables}
    merged.update((name, value) for name, value in keywords.items() if value is not None)
    return merged


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_cut, names[:_MOST_LISTED])) + _more(len(names) - _MOST_LISTED)


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


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
