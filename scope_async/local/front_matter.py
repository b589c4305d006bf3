"""YAML front matter of a Markdown file, as JSON values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

_LINE_END = r"[ \t]*(?:\r\n|\n|\r|\Z)"
_FRONT_MATTER = re.compile(rf"---{_LINE_END}(?P<yaml>(?:.*?(?:\r\n|\n|\r))??)---{_LINE_END}", re.DOTALL)
_FIELD = re.compile(r"^[A-Za-z_][\w-]*[ \t]*:(?=[ \t\r\n]|\Z)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\r\n|\n|\r")
MOST_VALUES = 10_000
"""Values in one front matter; YAML's aliases can spell millions in a few lines."""


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the fields of the front matter, and the content after it; both as they are in the file.

    Front matter is a YAML mapping between a first line `---` and the next one. A text that begins with a
    rule, and has no mapping between two of them, is content alone. One empty line after the front
    matter is left out.

    Raises:
        ValueError: the front matter cannot be read as YAML, or not be written as JSON.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        if text.startswith("---") and _FIELD.match(_after_rule(text)):
            raise ValueError("the front matter has no closing ---")
        return {}, text
    source = match["yaml"]
    try:
        fields: Any = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # PyYAML lets errors of dates, of keys and of depth pass as they are.
        if _FIELD.search(source):
            raise ValueError(f"the front matter is not YAML: {_one_line(error)}") from error
        return {}, text
    if fields is not None and not isinstance(fields, dict):
        return {}, text
    content = text[match.end() :]
    blank = _BLANK_LINE.match(content)
    return as_json(fields or {}), content if blank is None else content[blank.end() :]


def _after_rule(text: str) -> str:
    match = re.match(rf"---{_LINE_END}", text)
    return "" if match is None else text[match.end() :]


def as_json(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the mapping with JSON values only: dates as ISO 8601, keys as strings.

    Raises:
        ValueError: a value has no form in JSON, or there are more than 10,000.
    """
    converter = _Converter()
    return {_key(key): converter.value(value) for key, value in fields.items()}


class _Converter:
    def __init__(self) -> None:
        self._left = MOST_VALUES

    def value(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")
        if isinstance(value, str | int | float | None):  # bool is an int
            return value
        if isinstance(value, date):  # and datetime
            return value.isoformat()
        if isinstance(value, dict):
            return {_key(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        raise ValueError(f"{type(value).__name__} has no form in JSON")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, date):
        return key.isoformat()
    if isinstance(key, str | int | float):
        return str(key)
    if key is None:
        return "null"
    raise ValueError(f"a key is text, got {type(key).__name__}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
