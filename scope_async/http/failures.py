"""Maps what aiohttp and the network raise to the package's errors, and classifies errors for retries."""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from scope_async._core.backoff import full_jitter
from scope_async._core.redaction import scrub
from scope_async.config import Config
from scope_async.errors import (
    ApiError,
    ConnectionError,
    RateLimitError,
    ScopeError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
)

GATEWAY_STATUSES = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})

_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN})

OPEN_TIMEOUT = "open_timeout"
"""Code of a `TimeoutError` of our own: no connection stood in time, and another attempt may have one."""

CONNECTION_CUT = "connection_cut"
"""Code of an error of our own: the connection ended, or was spoilt, before any of the reply."""

GATEWAY = "gateway"
"""Code of an error of our own: a 403 or 404 that is no JSON object comes from a gateway (contract 1.4)."""

FOREIGN = "foreign_reply"
"""Code of an error of our own: a 404 whose JSON object has no field of Scope's errors; still definitive."""

TOO_LARGE = "reply_too_large"
"""Code of an error of our own: the next reply would be as large, so it is not asked for."""

MISDIRECTED = "misdirected_reply"
"""Code of an error of our own: the reply answers another request, so its connection is not trusted."""

UNREADABLE = "unreadable_reply"
"""Code of an error of our own: a field cannot be read, and the next reply would have the same."""


def map_exception(error: Exception, config: Config, *, reused: bool = False) -> ScopeError:
    """Return the package's error for anything that aiohttp or the network raised.

    It says what happened and holds nothing of `error`, which has the request's headers, and the
    proxy's password, within reach. `reused` says that the connection had served a request before.
    """
    # A subclass of both TimeoutError and ClientError, so it is looked at first.
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimeoutError(
            f"no connection within open_timeout = {config.open_timeout:g} s", error_code=OPEN_TIMEOUT
        )
    if isinstance(error, asyncio.TimeoutError):
        return TimeoutError(f"no answer within {config.timeout:g} s")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionError(f"the proxy refused to connect to the service (HTTP {error.status})")
    if isinstance(error, aiohttp.ClientPayloadError):
        # Its text quotes the reply, which may echo the token; so does that of the next one.
        return ConnectionError("the connection broke in the middle of the reply, or it cannot be decoded")
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return ConnectionError("the connection ended in the middle of the reply's headers")
    if isinstance(error, aiohttp.ClientConnectionError | OSError | ssl.SSLError):
        code = CONNECTION_CUT if _is_cut(error) else None
        return ConnectionError(f"cannot reach the service: {_reason(error)}", error_code=code)
    if isinstance(error, aiohttp.InvalidURL):
        return ServerError("the request's URL is not acceptable to aiohttp")
    # On a connection that was used before, this may be the rest of what belongs to no request.
    code = CONNECTION_CUT if reused and isinstance(error, aiohttp.ClientResponseError) else None
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientError | HttpProcessingError | ValueError | zlib.error):
        return ServerError(f"the reply is not HTTP as the contract says: {name}", error_code=code)
    return ServerError(
        f"the request failed in aiohttp, or in a part of the session that was passed in: {name}"
    )


def _is_cut(error: Exception) -> bool:
    """Return True if an open connection ended before any byte of the reply."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is the part of the reply that came
    return isinstance(error, ConnectionResetError | BrokenPipeError) or (
        isinstance(error, aiohttp.ClientOSError) and error.errno in _RESET
    )


def _reason(error: Exception) -> str:
    # aiohttp names its `ssl` argument between the address and the reason, for plain HTTP as well.
    text = str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        text = re.sub(r" ssl:.*? \[", " [", text, count=1)
    return scrub(text).strip() or type(error).__name__


_Failure = Literal["definitive", "unavailable", "transient"]
"""What a failed call says about the next one, and about the thing that was asked for.

`definitive` is the service's answer, or a mistake of the caller: final. With `unavailable` there is no
answer, and none is to be expected within the seconds of a retry; with `transient` there is none, but the
same call may succeed a little later.
"""

# What the class of a status alone does not decide. An unknown one counts as the x00 of its class
# (RFC 9110 section 15), so that 529 and whatever else a proxy invents is the transient 500.
_BY_STATUS: Mapping[int, _Failure] = {
    # The server, or a gateway on the way, lacks a feature or is set up wrongly: asking the same
    # again gives the same. It says nothing about the prompt, so a copy may be served meanwhile.
    501: "unavailable",
    505: "unavailable",
    506: "unavailable",
    508: "unavailable",
    510: "unavailable",
    511: "unavailable",
    # Temporary, but RFC 4918 section 11.5 forbids to repeat the request automatically.
    507: "unavailable",
}


def is_transient(error: ScopeError) -> bool:
    """Return True if the failure is transient, so that the call may be retried.

    Connection errors, `open_timeout`, 408, 429, 5xx that the same request can outlive, a 403 or 404 of a
    gateway, and replies that are broken although they claim success. `timeout` is that of all
    attempts together, so it is final whatever the clocks say is left of it. A token that could not be
    had is the token source's to retry: until it has one, every call would get the same answer.
    """
    return _classify(error) == "transient"


def is_unavailable(error: ScopeError) -> bool:
    """Return True if the service could not answer, so that a stale copy may be served (RFC 5861).

    All that is transient, and besides: a timeout, no token for such a reason, a redirect, a reply
    that is too large, and the 5xx that a retry does not help. A 4xx of the service is its answer.
    """
    return _classify(error) != "definitive"


def _classify(error: ScopeError) -> _Failure:
    if isinstance(error, TimeoutError):
        return "transient" if error.error_code == OPEN_TIMEOUT else "unavailable"
    if isinstance(error, ConnectionError | RateLimitError):
        return "transient"
    if isinstance(error, TokenRefreshError):
        return "unavailable"
    if error.http_status == HTTPStatus.REQUEST_TIMEOUT:
        # Of a proxy that was about to close an idle connection (RFC 9110 section 15.5.9).
        return "transient"
    if error.error_code == GATEWAY and error.http_status in GATEWAY_STATUSES:
        return "transient"
    if not isinstance(error, ServerError):
        return "definitive"
    if error.error_code == MISDIRECTED:
        return "transient"
    status = error.http_status
    if error.error_code in (TOO_LARGE, UNREADABLE) or (status is not None and 300 <= status < 500):  # noqa: PLR2004 - RFC 9110 section 15
        return "unavailable"
    return _BY_STATUS.get(status or 0, "transient")


def request_id_of(error: BaseException) -> str | None:
    """Return the id of the request that failed, where its reply had one."""
    return error.request_id if isinstance(error, ApiError) else None


def retry_delay(error: ScopeError, attempt: int, *, base: float, cap: float, random: float) -> float:
    """Return the seconds before the next attempt; the service's `Retry-After` wins, up to `cap`."""
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    if retry_after is not None:
        return min(retry_after, cap)
    return full_jitter(attempt, base=base, cap=cap, random=random)
