"""Reads the service's replies: JSON values and errors, in every spelling of contract 1.2 to 1.4; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ConflictError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from scope_async.http.messages import Reply

_ERRORS: Mapping[int, type[ApiError]] = {
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: AuthorizationError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimitError,
}


def read_json(reply: Reply) -> Any:
    """Return the JSON value in a successful reply's body.

    Raises:
        ApiError: of the kind that fits, when the reply reports an error.
        ServerError: the reply is not JSON.
    """
    if not reply.is_success:
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
        code, message = _error_code_and_message(data)
        reason = f": {message}" if message else ""
        raise broken(reply, f"the service's answer has no {', '.join(missing)}{reason}", code)
    return data


def broken(reply: Reply, message: str, code: str | None = None) -> ServerError:
    """Return the error for a reply that is not what the contract says."""
    return ServerError(
        _redact(reply, message.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass"),
        http_status=reply.status,
        error_code=code,
        request_id=reply.request_id,
        http_body=_text(reply),
    )


def read_error(reply: Reply) -> ApiError:
    """Return the error that a reply without success reports, in any spelling."""
    status = reply.status
    try:
        data = json.loads(_redact(reply, reply.body))
    except (ValueError, RecursionError):
        data = None
    code, message = _error_code_and_message(data)
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


def _error_code_and_message(data: object) -> tuple[str | None, str | None]:
    """Return code and message of an error body in its documented form or the ones also seen."""
    if isinstance(data, dict):
        inner = data.get("error")
        if isinstance(inner, dict):
            data = inner
        elif isinstance(inner, str) and inner:
            return _printable(data.get("code")), inner
        return _printable(data.get("code")), _printable(data.get("message"))
    return None, None


def _printable(value: object) -> str | None:
    """Return a non-empty string as one line that is safe in a log and on a terminal; else None."""
    if not isinstance(value, str) or not value:
        return None
    return "".join(sign if sign.isprintable() else " " for sign in value[:500])


def _text(reply: Reply) -> str:
    return _redact(reply, reply.body)[:8000].decode("utf-8", "replace")


def _redact(reply: Reply, text: bytes) -> bytes:
    """Return `text` without the tokens that the request was sent with."""
    for authorization in (reply.sent.get("Authorization", ""), *reply.rejected):
        if token := authorization.rpartition(" ")[2].encode():
            text = text.replace(token, b"[token]")
    return text
