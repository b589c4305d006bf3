"""Reads the service's replies: JSON values and errors, in every spelling of contract 1.2 to 1.4; no I/O."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from scope_async._core.redaction import scrub
from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from scope_async.http.failures import FOREIGN, GATEWAY, GATEWAY_STATUSES
from scope_async.http.messages import Reply

AnyError = TypeVar("AnyError", bound=ApiError)

_BODY = 16_000
"""Bytes of a body that an error looks at."""

_PAGE_TEXT = 200

# Text, which `re` compiles when an error is first read.
_GIVEN = r'(?i)"(?!token_type")[\w-]{0,40}(?:secret|token|password)[\w-]{0,40}"\s*:\s*"((?:[^"\\]|\\.)+)"'
_MARKUP = r"(?si)<(script|style|head)\b.*?</\1\s*>|<[^>]*>"

_ERRORS: Mapping[int, type[ApiError]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: AuthorizationError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimitError,
}
_ERROR_FIELDS = frozenset({"code", "message", "error"})


def is_success(reply: Reply) -> bool:
    """Return True for a 2xx status (RFC 9110 section 15.3)."""
    return 200 <= reply.status < 300  # noqa: PLR2004 - the class of statuses


def read_json(reply: Reply) -> Any:
    """Return the JSON value in a successful reply's body.

    Raises:
        ApiError: of the kind that fits, when the reply reports an error.
        ServerError: the reply is not JSON.
    """
    if not is_success(reply):
        raise read_error(reply)
    try:
        return json.loads(reply.body)
    except UnicodeDecodeError:
        what = "something that is not JSON: its text is not UTF-8"
    except json.JSONDecodeError:
        what = "an empty body" if not reply.body.strip() else "something that is not JSON"
    except (ValueError, RecursionError):
        what = "JSON that is nested too deeply, or has a number of thousands of digits"
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
        code, message = _error_code_and_message(data)
        raise broken(reply, f"the service's answer has no {', '.join(missing)}{_and_says(message)}", code)
    return data


def says(data: object) -> str:
    """Return what an object that is no answer says of itself, as the end of a sentence; empty for nothing.

    Some services report an error in a success.
    """
    return _and_says(_error_code_and_message(data)[1])


def _and_says(message: str | None) -> str:
    # A colon behind `access_token` would make the first word of the message look like one.
    return f", and says: {message}" if message else ""


def broken(reply: Reply, message: str, code: str | None = None) -> ServerError:
    """Return the error for a reply that is not what the contract says."""
    return _redacted_error(ServerError, reply, message, code)


def read_error(reply: Reply) -> ApiError:
    """Return the error that a reply without success reports, in any spelling.

    A 403 or 404 that is no JSON object has the code `GATEWAY`: it says nothing about what was asked for.
    A 404 whose object has no field of Scope's errors has the code `FOREIGN`.
    """
    status = reply.status
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        data = None
    code, message = _error_code_and_message(data)
    if status in GATEWAY_STATUSES and not isinstance(data, dict):
        code, message = GATEWAY, _gateway_message(reply)
    elif status == HTTPStatus.NOT_FOUND and data is not None and not data.keys() & _ERROR_FIELDS:
        code, message = FOREIGN, _gateway_message(reply)
    elif message is None:
        message = (
            "the service answered with a redirect, which is not followed"
            if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED  # noqa: PLR2004 - RFC 9110 section 15.4
            else f"the service answered with status {status}"
        )
    kind = _ERRORS.get(status)
    if kind is None:
        kind = ApiError if 400 <= status < 500 else ServerError  # noqa: PLR2004 - RFC 9110 section 15.5
    error = _redacted_error(kind, reply, message, code)
    error.retry_after = read_retry_after(reply.headers.get("Retry-After"), reply.headers.get("Date"))
    return error


def _gateway_message(reply: Reply) -> str:
    said = page_text(reply.body[:4000].decode("utf-8", "replace"))
    what = f"a gateway, proxy or other server, and not the service, answered with status {reply.status}"
    return f"{what}: {said}" if said else what


def page_text(page: str) -> str:
    """Return the beginning of a page's text, without its markup, as one line of at most 200 characters."""
    from html import unescape  # noqa: PLC0415 - costs time to import

    return " ".join(unescape(re.sub(_MARKUP, " ", page)).split())[:_PAGE_TEXT]


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


def _error_code_and_message(data: object) -> tuple[str | None, str | None]:
    """Return code and message of an error body in its documented form or the ones also seen."""
    if isinstance(data, dict):
        inner = data.get("error")
        if isinstance(inner, dict):
            data = inner
        elif isinstance(inner, str) and inner:
            return _text(data.get("code")), inner
        return _text(data.get("code")), _text(data.get("message"))
    return None, None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _redacted_error(kind: type[AnyError], reply: Reply, message: str, code: str | None) -> AnyError:
    """Return an error whose texts are printable lines without the secrets that its reply may repeat.

    Every text of an error comes through here, decoded: an escaped echo is no other text.
    """
    secrets, request_id = _secrets(reply), reply.headers.get("X-Request-ID")
    return kind(
        scrub(message, secrets),
        http_status=reply.status,
        error_code=None if code is None else scrub(code, secrets),
        request_id=None if request_id is None else scrub(request_id, secrets, limit=200),
        http_body=scrub(reply.body[:_BODY].decode("utf-8", "replace"), secrets, limit=2000),
    )


def _secrets(reply: Reply) -> dict[str, str]:
    """Return what the request was sent with, and what a successful reply gives, each with its label."""
    secrets = dict.fromkeys(reply.secrets, "[api secret]")
    for authorization in (reply.sent.get("Authorization", ""), *reply.rejected):
        secrets[authorization.rpartition(" ")[2]] = "[token]"
    if is_success(reply):
        for value in re.findall(_GIVEN, reply.body[:_BODY].decode("utf-8", "replace")):
            secrets[value] = "[secret]"
    return secrets
