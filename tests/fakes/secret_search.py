"""Finds secrets and tokens that Local Scope has made, by their shape and in whatever spelling."""

from __future__ import annotations

import base64
import binascii
import re
import traceback
from collections.abc import Iterator
from html import unescape
from pathlib import PurePath
from urllib.parse import unquote

from scope_async.errors import ScopeError
from scope_async.local.identifiers import checksum

# From the beginning of a word: else a long one is looked at once for each of its letters.
_SECRET = re.compile(r"((?<![a-z])[a-z]+_[0-9A-Za-z]{43})([0-9A-Za-z]{6})")
_TOKEN = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{20,}\.[\w-]{43,}", re.ASCII)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|/)")
_BASE64 = re.compile(r"[\w+/-]{40,}", re.ASCII)
_FROM_URL = str.maketrans("-_", "+/")


def secrets_in(text: str) -> set[str]:
    """Return the API secrets, tokens of roles and access tokens in `text`.

    It is read as it is, percent-encoded (RFC 3986), as JSON with escapes, as HTML, and as base64 in
    both alphabets (RFC 4648), one inside the other. A checksum tells a secret from a likeness.
    """
    found: set[str] = set()
    seen = {text}
    waiting = [text]
    while waiting:
        reading = waiting.pop()
        found.update(secret[0] for secret in _SECRET.finditer(reading) if checksum(secret[1]) == secret[2])
        found.update(_TOKEN.findall(reading))
        fresh = set(_decoded(reading)) - seen
        seen |= fresh
        waiting += fresh
    return found


def _decoded(text: str) -> Iterator[str]:
    yield unquote(text)
    yield unescape(text)
    yield _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else "/", text)
    for chunk in _BASE64.findall(text):
        try:
            yield base64.b64decode(chunk.translate(_FROM_URL) + "=" * (-len(chunk) % 4)).decode("latin-1")
        except binascii.Error:
            continue


def secrets_behind(error: ScopeError) -> set[str]:
    """Return those that a collector of tracebacks with local variables would send away with an error."""
    # The same object is found in many frames.
    return secrets_in("\n".join(dict.fromkeys(_shown(error))))


def _shown(error: BaseException | None) -> Iterator[str]:
    if error is None:
        return
    yield from traceback.format_exception_only(error)
    yield _repr(vars(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        parts = PurePath(frame.f_code.co_filename).parts
        # The frames of a test know what they have made.
        if "scope_async" in parts and "tests" not in parts:
            yield from map(_repr, frame.f_locals.values())
    yield from _shown(error.__cause__)
    yield from _shown(error.__context__)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an object whose constructor has failed need not have any attribute
        return ""
