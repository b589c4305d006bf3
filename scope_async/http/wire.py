"""The service's wire format: builds requests, reads replies, does no I/O.

Every spelling that is in the field is read here (contract 1.2 to 1.4), so that the rest
of the package knows one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from os import urandom
from typing import Any
from urllib.parse import quote

import attrs
from multidict import CIMultiDict, istr
from yarl import URL

from scope_async._version import __version__
from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ScopeError,
    ServerError,
    ValidationError,
)

USER_AGENT = f"scope-async/{__version__}"
# RFC 6750 section 2.1, and anything else that is safe in a header.
TOKEN = re.compile(r"[\x21-\x7e]+")

_REQUEST_ID = istr("X-Request-ID")
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))

_ERRORS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthorizationError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}


# Freezing these two would more than double what they cost, once per request.
@attrs.define(kw_only=True)
class Request:
    """One call, ready to be sent as often as needed. Its `repr` shows no header and no body.

    `headers` are its own; those that all calls have in common are the transport's.

    For the hooks: `template` is the URL's path without what varies, `prompt` the name that is
    asked for, `attempts` how often it has been sent, the current time included.
    `on_retry` is called with what an attempt failed with when another one follows; a replay
    with another token is none.
    """

    operation: str
    method: str
    url: URL
    headers: MutableMapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    template: str = ""
    prompt: str | None = None
    attempts: int = 1
    on_retry: Callable[[ScopeError], None] | None = attrs.field(default=None, repr=False)

    @property
    def request_id(self) -> str:
        return self.headers["X-Request-ID"]


@attrs.define(kw_only=True)
class Reply:
    """What came back; header names are case-insensitive. Its `repr` shows no body.

    `sent` are the headers of its request and `refused` the `Authorization` of those before it
    that were answered by 401: a page for developers may repeat any of these tokens.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    sent: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    refused: Sequence[str] = attrs.field(default=(), repr=False)

    @property
    def request_id(self) -> str | None:
        return self.headers.get("X-Request-ID")


def common_headers(environment: str) -> dict[str, str]:
    """Return the headers that are the same for all calls (contract 1.3)."""
    return {
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "X-Scope-Environment": environment,
    }


def own_headers(request_id: str | None = None) -> CIMultiDict[str]:
    """Return the headers of one call alone: its id, a new one unless it has one already."""
    # aiohttp's own kind of mapping, which it takes over as it is.
    headers: CIMultiDict[str] = CIMultiDict()
    headers[_REQUEST_ID] = request_id or new_request_id()
    return headers


def merged(*headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return all of them, of which the later win; names are case-insensitive."""
    all_of_them: CIMultiDict[str] = CIMultiDict()
    for some in headers:
        all_of_them.update(some)
    return all_of_them


def new_request_id() -> str:
    """Return a random UUID (RFC 9562 section 5.4); the standard library's costs every call more."""
    digits = urandom(16).hex()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def api_root(base_url: str, api_version: str) -> str:
    """Return the root of all API paths; nothing is added when `base_url` has it already."""
    path = f"/api/{api_version}"
    return base_url if base_url.endswith(path) else base_url + path


def segment(value: str, name: str) -> str:
    """Return `value` quoted as one path segment (RFC 3986 section 3.3).

    Raises:
        ValidationError: not 1 to 255 characters, or `.` or `..`, which no quoting protects
            from being resolved on the way (RFC 3986 section 5.2.4).
    """
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be a string, got {type(value).__name__}")
    if not 1 <= len(value) <= 255:  # noqa: PLR2004 - contract 1.3
        raise ValidationError(f"{name} must have 1 to 255 characters, got {len(value)}")
    if value in (".", ".."):
        raise ValidationError(f"{name} {value!r} would be resolved as a path")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValidationError(f"{name} {value!r} is not text that can be sent") from None


def read_json(reply: Reply) -> Any:
    """Return the JSON value in a successful reply's body.

    Raises:
        ApiError: of the kind that fits, when the reply reports an error.
        ServerError: the reply is not JSON.
    """
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        raise read_error(reply)
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        what = "an empty body" if not reply.body.strip() else "something that is not JSON"
    # Out here, because the decoder's error carries the whole body, which may hold a secret.
    raise broken(reply, f"the service answered with {what}")


def read_object(reply: Reply, *required: str) -> dict[str, Any]:
    """Return the JSON object in a successful reply's body, which has the `required` keys.

    Raises:
        ApiError, ServerError: as `read_json`; also when it is no such object.
    """
    data = read_json(reply)
    if not isinstance(data, dict):
        raise broken(reply, f"the service answered with a JSON {type(data).__name__}, not an object")
    missing = [key for key in required if key not in data]
    if missing:
        code, message = _told(data)
        told = f": {message}" if message else ""
        raise broken(reply, f"the service's answer has no {', '.join(missing)}{told}", code)
    return data


def broken(reply: Reply, message: str, code: str | None = None) -> ServerError:
    """Return the error for a reply that is not what the contract says."""
    return ServerError(
        _shown(reply, message.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass"),
        http_status=reply.status,
        error_code=code,
        request_id=reply.request_id,
        http_body=_text(reply),
    )


def read_error(reply: Reply) -> ApiError:
    """Return the error that a reply without success reports, in any spelling."""
    status = reply.status
    try:
        data = json.loads(_shown(reply, reply.body))
    except (ValueError, RecursionError):
        data = None
    code, message = _told(data)
    if message is None:
        message = (
            "the service answered with a redirect, which is not followed"
            if 300 <= status < 400  # noqa: PLR2004 - RFC 9110 section 15.4
            else f"the service answered with status {status}"
        )
    kind = _ERRORS.get(status)
    if kind is None:
        kind = ApiError if 400 <= status < 500 else ServerError  # noqa: PLR2004 - RFC 9110 section 15.5
    return kind(
        message,
        http_status=status,
        error_code=code,
        request_id=reply.request_id,
        http_body=_text(reply),
        retry_after=read_retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date")),
    )


def read_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110 section 10.2.3).

    Its date form is measured from the reply's own `Date`, so that a local clock that is
    wrong does not matter; None when absent or unreadable.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until, now = _http_date(value), _http_date(date or "") or datetime.now(UTC)
        return None if until is None else max(0.0, (until - now).total_seconds())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _told(data: object) -> tuple[str | None, str | None]:
    """Return code and message of an error body in its documented form or the ones also seen."""
    if isinstance(data, dict):
        inner = data.get("error")
        if isinstance(inner, dict):
            data = inner
        elif isinstance(inner, str) and inner:
            return _string(data.get("code")), inner
        return _string(data.get("code")), _string(data.get("message"))
    return None, None


def _string(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    # One printable line: it goes into logs and onto terminals.
    return "".join(sign if sign.isprintable() else " " for sign in value[:500])


def _text(reply: Reply) -> str:
    return _shown(reply, reply.body)[:8000].decode("utf-8", "replace")


def _shown(reply: Reply, text: bytes) -> bytes:
    """Return `text` without the tokens that the request was sent with."""
    for authorization in (reply.sent.get("Authorization", ""), *reply.refused):
        if token := authorization.rpartition(" ")[2].encode():
            text = text.replace(token, b"[token]")
    return text
