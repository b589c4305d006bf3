"""The template syntax of contract 1.3: `{{variable}}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import itemgetter
from sys import intern
from typing import NoReturn
from unicodedata import normalize

from scope_async.errors import RenderError

_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")
_CANDIDATE = r"\{\{([^{}]+)\}\}"

# What interning takes adds up, on the event loop, while a text with that many places gains little by it.
_MOST_INTERNED = 1000

# A pattern with every declared name would take seconds to compile; names with braces are rare.
_MOST_NAMES_WITH_BRACES = 100


def canonical_name(name: str) -> str:
    """Return a variable's name in NFC (UAX #15), so that both spellings of `é` are one name.

    Python has normalized a keyword's name already.
    """
    return name if name.isascii() else normalize("NFC", name)


def declared_names(declared: Iterable[str]) -> frozenset[str]:
    """Return those of the declared names that the plain syntax does not have: `user-name`, `名前`."""
    names = tuple(declared)
    if not names or _NAME.fullmatch("".join(names)):
        return frozenset()
    return frozenset(canonical_name(name) for name in names if name and not _NAME.fullmatch(name))


def variable_names(text: str) -> tuple[str, ...]:
    """Return the names of the text's variables in the plain syntax, each once, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


class Template:
    """A text, split once: literals and variable names in turn.

    `names` are its variables, each once, in the order of their first appearance. `declared` are
    names of any characters that are variables as well.
    """

    __slots__ = ("_occurrences", "_pick", "names", "parts")

    def __init__(self, text: str, declared: frozenset[str] = frozenset()) -> None:
        # With one group in the pattern, `split` returns literal, name, literal, … literal.
        self.parts = _split(text, declared) if declared else _VARIABLE.split(text)
        self._occurrences = self.parts[1::2]
        if len(self._occurrences) <= _MOST_INTERNED:
            # Keywords and literal keys are interned, and the same object is found faster than an equal one.
            self._occurrences = self.parts[1::2] = [intern(name) for name in self._occurrences]
        self.names = tuple(dict.fromkeys(self._occurrences))
        # Called with one name it would return a value, not a tuple of values.
        self._pick = itemgetter(*self._occurrences) if len(self._occurrences) > 1 else None

    def fill(self, texts: Mapping[str, str]) -> str:
        """Return the text with every variable replaced, in one pass: `texts` are not searched.

        Raises:
            KeyError: a name has no text.
            TypeError: something in `texts` that is used is not a string.
            RenderError: the text is larger than the memory.
        """
        parts = self.parts.copy()
        parts[1::2] = self._pick(texts) if self._pick is not None else [texts[n] for n in self._occurrences]
        try:
            return "".join(parts)
        except (MemoryError, OverflowError):
            _too_large()


def _split(text: str, declared: frozenset[str]) -> list[str]:
    parts: list[str] = []
    end = 0
    for match in _pattern(declared).finditer(text):
        name = canonical_name(match[1])
        if name in declared or _NAME.fullmatch(name):
            parts += (text[end : match.start()], name)
            end = match.end()
    return [*parts, text[end:]]


def _pattern(declared: frozenset[str]) -> re.Pattern[str]:
    with_braces = sorted((name for name in declared if "{" in name or "}" in name), key=len, reverse=True)
    if not with_braces:
        return re.compile(_CANDIDATE)
    names = "|".join(re.escape(name) for name in with_braces[:_MOST_NAMES_WITH_BRACES])
    return re.compile(rf"\{{\{{({names}|[^{{}}]+)\}}\}}")


def _too_large() -> NoReturn:
    raise RenderError("the rendered prompt does not fit into memory")
