"""Conditional requests: an answer's `ETag`, and when it may be sent back (RFC 9110 section 13)."""

from __future__ import annotations

import re
from typing import Any, Protocol, TypeGuard

import msgspec
from aiohttp.hdrs import AUTHORIZATION, IF_NONE_MATCH

from scope_async.http.messages import Request
from scope_async.prompts.version import PromptVersion

# RFC 9110 section 8.8.3, in ASCII and of a length that every server takes in a header.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,1000}"')


class Validator(msgspec.Struct, frozen=True):
    """An entity tag as the service sent it, and the API key that the answer was meant for."""

    etag: str
    api_key: str

    def matches(self, etag: str) -> bool:
        """Return True if `etag` is the same one, weak or strong (RFC 9110 section 8.8.3.2)."""
        return etag.removeprefix("W/") == self.etag.removeprefix("W/")


def is_entity_tag(value: object) -> TypeGuard[str]:
    """Return True if `value` can be sent back in `If-None-Match`."""
    return isinstance(value, str) and _ENTITY_TAG.fullmatch(value) is not None


class KnownVersion(Protocol):
    """A copy in hand, of the memory or of the snapshot."""

    @property
    def version(self) -> PromptVersion: ...

    @property
    def validator(self) -> Validator | None: ...


class FetchedVersion(msgspec.Struct, frozen=True):
    """What the service answered; `not_modified` when it said that the copy in hand is current.

    `age` is the seconds since another process fetched it; 0 for an answer of our own.
    """

    version: PromptVersion
    validator: Validator | None = None
    not_modified: bool = False
    age: float = 0.0


class PromptRequest(Request):
    """A request for a version, which is conditional when it is sent for the API key of its `validator`.

    Only the transport knows which token an attempt is sent with, and the credentials may change
    between two of them: a validator that came with one API key is never sent with another.
    `api_key` is that of the last attempt.
    """

    validator: Validator | None = None
    api_key: str = ""

    def authorize(self, token: Any) -> None:
        """Send it with `token` from now on, with the condition if that is for the same API key."""
        self.headers[AUTHORIZATION] = token.authorization
        self.api_key = token.api_key
        if self.validator is None:
            return
        if self.validator.api_key == self.api_key:
            self.headers[IF_NONE_MATCH] = self.validator.etag
        else:
            self.headers.pop(IF_NONE_MATCH, None)

    def withdraw_condition(self) -> None:
        """Send it without a condition from now on."""
        self.validator = None
        self.headers.pop(IF_NONE_MATCH, None)

    def validator_of(self, etag: str | None) -> Validator | None:
        """Return what makes the next request conditional; None if the reply's `ETag` cannot."""
        return Validator(etag, self.api_key) if is_entity_tag(etag) else None
