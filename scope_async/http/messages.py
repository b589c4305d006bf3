"""Requests and replies as data, and what all of them have in common (contract 1.3); no I/O."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs
from multidict import CIMultiDict, istr
from yarl import URL

from scope_async._core.redaction import Redacted
from scope_async._core.uuids import random_uuid
from scope_async._version import __version__

if TYPE_CHECKING:
    from scope_async.http.token_provider import Token

USER_AGENT = f"scope-async/{__version__}"

# The same members: looked up on the class, each would cost a call as much as three functions do.
OK, NOT_MODIFIED = HTTPStatus.OK, HTTPStatus.NOT_MODIFIED
UNAUTHORIZED, NOT_FOUND = HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND

# RFC 6750 section 2.1, and anything else that is safe in a header.
TOKEN = r"[\x21-\x7e]+"  # noqa: S105 - a pattern

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})

# Of aiohttp's own kind of string, as its names of headers: it knows its case-insensitive form.
_REQUEST_ID, _ENVIRONMENT = istr("X-Request-ID"), istr("X-Scope-Environment")


# Freezing these two would more than double what they cost, once per request.
class Request(Redacted, msgspec.Struct):
    """One call, ready to be sent as often as needed. Its `repr` shows no header and no body.

    `headers` are its own; those that all calls have in common are the transport's.

    For the hooks: `template` is the URL's path without what varies, `prompt` the name that is
    asked for, `attempts` how often it has been sent, the current time included.
    `secrets` are those in the body, which a reply may repeat; `idempotent` is True for a POST that may
    be sent twice without harm.
    """

    _hidden = frozenset({"headers", "body", "secrets"})

    operation: str
    method: str
    url: URL
    headers: MutableMapping[str, str]
    template: str = ""
    prompt: str | None = None
    body: bytes | None = None
    attempts: int = 1
    idempotent: bool = False
    secrets: Sequence[str] = ()

    def authorize(self, token: Token) -> None:
        """Send it with `token` from now on (RFC 6750 section 2.1)."""
        self.headers[hdrs.AUTHORIZATION] = token.authorization

    @property
    def request_id(self) -> str:
        return self.headers["X-Request-ID"]

    @property
    def is_idempotent(self) -> bool:
        """True if sending it twice does what sending it once does (RFC 9110 section 9.2.2)."""
        return self.idempotent or self.method in _IDEMPOTENT


class Reply(Redacted, msgspec.Struct):
    """What came back; header names are case-insensitive. Its `repr` shows no body.

    `sent` are the headers of its request and `rejected` the `Authorization` of those before it
    that got a 401: a page for developers may repeat any of these tokens, and the request's `secrets`.
    """

    _hidden = frozenset({"headers", "body", "sent", "secrets", "rejected"})

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: Mapping[str, str] = {}
    secrets: Sequence[str] = ()
    rejected: Sequence[str] = ()


def default_headers(environment: str) -> dict[str, str]:
    """Return the headers that are the same for all calls (contract 1.3)."""
    return {
        hdrs.ACCEPT: "application/json",
        hdrs.USER_AGENT: USER_AGENT,
        _ENVIRONMENT: environment,
    }


def request_headers(request_id: str | None = None) -> CIMultiDict[str]:
    """Return the headers of one call alone: its id, a new one unless it has one already."""
    # aiohttp's own kind of mapping, which it takes over as it is.
    headers: CIMultiDict[str] = CIMultiDict()
    headers[_REQUEST_ID] = request_id or random_uuid()
    return headers


def merge_headers(*headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return all of them, of which the later win; names are case-insensitive."""
    all_of_them: CIMultiDict[str] = CIMultiDict()
    for some in headers:
        all_of_them.update(some)
    return all_of_them
