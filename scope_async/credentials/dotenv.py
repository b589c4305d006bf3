"""Lines of `KEY=value`, read by the rules of python-dotenv 1.x; variables are not expanded; pure."""

from __future__ import annotations

import re

from scope_async.errors import ConfigurationError

# https://github.com/theskumar/python-dotenv/blob/main/src/dotenv/parser.py: names, quotes, escapes and
# comments as there. What that reader skips with a warning is an error here: it may be the secret's line.
_BLANK = re.compile(r"(?:\s|#[^\r\n]*(?:\r\n|\n|\r|$))*")
_NAME = re.compile(
    r"(?:export[^\S\r\n]+)?(?:'(?P<quoted>[^']+)'|(?P<plain>(?!')[^=\#\s]+))[^\S\r\n]*=[^\S\r\n]*"
)
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_UNQUOTED = re.compile(r"[^\r\n]*")
_COMMENT = re.compile(r"\s+#.*")
_REST = re.compile(r"[^\S\r\n]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|$)")
_SINGLE_ESCAPE = re.compile(r"\\([\\'])")
_DOUBLE_ESCAPE = re.compile(r"\\([\\'\"abfnrtv])")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_lines(text: str) -> dict[str, str] | ConfigurationError:
    """Return the values by their names, or the error to raise, which names the line."""
    pairs: dict[str, str] = {}
    position = _skip(_BLANK, text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        name = _NAME.match(text, position)
        if name is None:
            return ConfigurationError(f"line {line} is not KEY=value")
        value, position = _value(text, name.end(), blanks=not name[0].endswith("="))
        rest = _REST.match(text, position)
        if value is None or rest is None:
            return ConfigurationError(f"line {line} has quotes that do not end with its value")
        pairs[name["quoted"] or name["plain"]] = value
        position = _skip(_BLANK, text, rest.end())
    return pairs


def _value(text: str, position: int, *, blanks: bool) -> tuple[str | None, int]:
    """Return the value that begins here, None where its quotes do not end, and where it ends.

    `blanks` are those before it: after them `#` begins a comment, and the value is empty.
    """
    quote = text[position : position + 1]
    if blanks and quote == "#":
        return "", position
    if quote not in ("'", '"') or not quote:
        end = _skip(_UNQUOTED, text, position)
        return _COMMENT.sub("", text[position:end]).rstrip(), end
    found = (_SINGLE if quote == "'" else _DOUBLE).match(text, position)
    if found is None:
        return None, position
    escape = _SINGLE_ESCAPE if quote == "'" else _DOUBLE_ESCAPE
    return escape.sub(lambda character: _ESCAPES.get(character[1], character[1]), found[1]), found.end()


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found is not None else position
