"""Makes text from outside fit to be shown: without secrets, on one printable line; pure.

A reply may echo a secret as JSON, a URL or a page spells it, in base64, or only a part of it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

_RUN = 8
"""Characters of a secret in a row that are hidden wherever they stand; four at the end of a text."""

_DEPTH = 4
"""How often an echo may have been escaped on its way: a URL in JSON in a page, and one more."""

_LONGEST = 16_000
"""Characters that are looked at."""

# Text, which `re` compiles when an error is first shown: most processes show none.
_SPELLED = (
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<utf16>(?:\\u[0-9A-Fa-f]{4})+)"
    r"|\\x(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<character>[^A-Za-z0-9\s])"
)

# What is a secret by its form alone: in a URL, a header, a token (RFC 7519), a field.
_SECRET_FORMS = (
    (r"(?<=://)[^/?#\s@\"'<>]+(?:@[^/?#\s@\"'<>]+)*(?=@)", "[credentials]"),
    (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", r"\1 [token]"),
    (r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}", "[token]"),
    (r"\bsecret_(?=\w*\d)\w{4,}", "[secret]"),
    (
        (
            r"(?i)(?<![\w-])([\w-]{0,40}(?:secret|token|password|passwd|pwd)[\w-]{0,40}[\"']?\s{0,4}[=:]\s{0,4})"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&\[]+)"
        ),
        r"\1[secret]",
    ),
)


class Redacted:
    """Before `msgspec.Struct` among the bases: neither `repr` nor rich shows the fields in `_hidden`.

    A structure has a `__rich_repr__` of its own, which shows all fields, for instance in rich's tracebacks.
    """

    __slots__ = ()
    __struct_fields__: ClassVar[tuple[str, ...]]
    _hidden: ClassVar[frozenset[str]]

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self._hidden]

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({facts})"


def printable(text: str, *, limit: int = 500) -> str:
    """Return `text` as one line that is safe in a log and on a terminal.

    Control characters, line ends and those that turn the direction of writing become blanks.
    """
    return "".join(character if character.isprintable() else " " for character in text[:limit])


def scrub(text: str, secrets: Mapping[str, str] | None = None, *, limit: int = 500) -> str:
    """Return `text` as one printable line of at most `limit` characters, without secrets.

    `secrets` are those that it may repeat, each with what is shown in its place; besides, what looks
    like one is hidden.
    """
    text = hide(text[:_LONGEST], secrets or {})
    for form, label in _SECRET_FORMS:
        text = re.sub(form, label, text)
    return printable(text, limit=limit)


def hide(text: str, secrets: Mapping[str, str]) -> str:
    """Return `text` with each secret's label in its place, however it is spelled, and if cut off.

    Where a secret is found in what a spelling stands for, that is returned.
    """
    needles = {
        needle: label
        for secret, label in secrets.items()
        if secret
        for needle in (secret, _decoded(secret), *_in_base64(secret))
    }
    if not needles:
        return text
    runs = {
        needle[start : start + _RUN]: label
        for needle, label in needles.items()
        for start in range(len(needle) - _RUN + 1)
    }
    shown = candidate = _without(text, needles, runs)
    for _ in range(_DEPTH):
        decoded = _decoded(candidate)
        if decoded == candidate:
            break
        candidate = _without(decoded, needles, runs)
        if candidate != decoded:
            shown = candidate
    return shown


def _without(text: str, needles: Mapping[str, str], runs: Mapping[str, str]) -> str:
    for needle, label in needles.items():
        text = text.replace(needle, label)
    parts, start, position = [], 0, 0
    while position <= len(text) - _RUN:
        found = runs.get(text[position : position + _RUN])
        if found is None:
            position += 1
            continue
        parts += [text[start:position], found]
        position += 1
        while text[position : position + _RUN] in runs:
            position += 1
        start = position = position + _RUN - 1
    text = "".join([*parts, text[start:]])
    for needle, label in needles.items():
        begun = next((n for n in range(min(_RUN, len(needle)) - 1, 3, -1) if text.endswith(needle[:n])), 0)
        text = text[: len(text) - begun] + (label if begun else "")
    return text


def _decoded(text: str) -> str:
    """Return `text` with one layer of percent-encoding, JSON escapes and HTML entities undone."""
    from html import unescape  # noqa: PLC0415 - costs time to import

    return unescape(re.sub(_SPELLED, _decode, text))


def _decode(found: re.Match[str]) -> str:
    if found["percent"]:
        return bytes.fromhex(found["percent"].replace("%", "")).decode("utf-8", "replace")
    if found["utf16"]:
        return bytes.fromhex(found["utf16"].replace("\\u", "")).decode("utf-16-be", "replace")
    return chr(int(found["hex"], 16)) if found["hex"] else found["character"]


def _in_base64(secret: str) -> set[str]:
    """Return how base64 (RFC 4648) has `secret` within a longer text, for each place that it can begin at."""
    data = secret.encode("utf-8", "surrogatepass")
    found = set()
    for before in range(3):
        encoded = b64encode(b"\0" * before + data).decode()
        # The first and the last character may depend on what stands beside the secret.
        inner = encoded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        if len(inner) >= _RUN:
            found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found
