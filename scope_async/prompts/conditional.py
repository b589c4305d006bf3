"""Conditional requests: an answer's `ETag`, and when it may be sent back (RFC 9110 section 13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp.hdrs import AUTHORIZATION, IF_NONE_MATCH

from scope_async.errors import ScopeError
from scope_async.http.messages import Reply, Request
from scope_async.http.token_provider import TokenProvider
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


def is_entity_tag(value: object) -> bool:
    """Return True if `value` can be sent back in `If-None-Match`."""
    return isinstance(value, str) and _ENTITY_TAG.fullmatch(value) is not None


def validator_of(reply: Reply, etag: str, token: Any) -> Validator | None:
    """Return what makes the next request conditional; None if the reply's `ETag` cannot.

    `token` is the current one: if the request was sent with an earlier one, nothing says whether
    that was for the same API key.
    """
    if token is None or token.authorization != reply.sent.get(AUTHORIZATION):
        return None
    return Validator(etag, token.api_key) if is_entity_tag(etag) else None


class KnownVersion(Protocol):
    """A copy in hand, of the memory or of the snapshot."""

    @property
    def version(self) -> PromptVersion: ...

    @property
    def validator(self) -> Validator | None: ...


class FetchedVersion(msgspec.Struct, frozen=True):
    """What the service answered; `not_modified` when it said that the copy in hand is current.

    `age` is how many seconds ago another process was told it; 0 for an answer of our own.
    """

    version: PromptVersion
    validator: Validator | None = None
    not_modified: bool = False
    age: float = 0.0


class ConditionalTokens:
    """A token provider that makes its request conditional, for tokens of the validator's API key alone.

    Only the transport knows which token an attempt is sent with, and the credentials may change
    between two of them: a validator that came with one API key is never sent with another.
    """

    def __init__(self, tokens: TokenProvider[Any], request: Request, validator: Validator) -> None:
        self._tokens = tokens
        self._request = request
        self._validator: Validator | None = validator

    def peek(self) -> Any:
        """Return the valid token, or None; never waits."""
        return self._with(self._tokens.peek())

    async def get_within(
        self, seconds: float, /, on_attempt_failed: Callable[[ScopeError], None] | None = None
    ) -> Any:
        """Return a valid token, waiting at most `seconds` for it."""
        return self._with(await self._tokens.get_within(seconds, on_attempt_failed))

    async def replacement(self, rejected: Sequence[Any], seconds: float, /) -> Any:
        """Return a token to retry with, or None to give up."""
        return self._with(await self._tokens.replacement(rejected, seconds))

    def withdraw(self) -> None:
        """Send the request without a condition from now on."""
        self._validator = None
        self._request.headers.pop(IF_NONE_MATCH, None)

    def _with(self, token: Any) -> Any:
        if token is not None and self._validator is not None:
            if token.api_key == self._validator.api_key:
                self._request.headers[IF_NONE_MATCH] = self._validator.etag
            else:
                self._request.headers.pop(IF_NONE_MATCH, None)
        return token
