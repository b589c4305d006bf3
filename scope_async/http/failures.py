"""What aiohttp and the network raise, as the package's errors, and which failures a retry may outlive."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from enum import Enum, auto

import aiohttp
from aiohttp import ConnectionTimeoutError

from scope_async._core.backoff import full_jitter
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


def drop_frames(error: BaseException | None, *, until: BaseException | None) -> None:
    """Drop the traceback frames of `error` and of its causes and contexts.

    The frames of aiohttp have the request's headers and body among their locals, where collectors
    of tracebacks look. `until` is the exception that the caller was handling already; it is kept.
    """
    while error is not None and error is not until and error.__traceback__ is not None:
        error.__traceback__ = None
        drop_frames(error.__cause__, until=until)
        error = error.__context__


def map_exception(error: Exception, config: Config) -> ScopeError:
    """Return the package's error for anything that aiohttp or the network raised."""
    # A subclass of both TimeoutError and ClientError, so it is looked at first.
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimeoutError(f"no connection within open_timeout = {config.open_timeout:g} s")
    if isinstance(error, asyncio.TimeoutError):
        return TimeoutError(f"no answer within {config.timeout:g} s")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionError(f"the proxy refused to connect to the service (HTTP {error.status})")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionError(f"the connection broke in the middle of the reply: {_reason(error)}")
    if isinstance(error, aiohttp.ClientConnectionError | OSError | ssl.SSLError):
        return ConnectionError(f"cannot reach the service: {_reason(error)}")
    if isinstance(error, aiohttp.InvalidURL):
        return ServerError("the request's URL is not acceptable to aiohttp")
    return ServerError(f"the reply is not HTTP as the contract says: {type(error).__name__}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


TOO_LARGE = "reply_too_large"
"""Code of an error of our own: the next reply would be as large, so it is not asked for."""

MISDIRECTED = "misdirected_reply"
"""Code of an error of our own: the reply answers another request, so its connection is not trusted."""

UNREADABLE = "unreadable_reply"
"""Code of an error of our own: a field cannot be read, and the next reply would have the same."""


class _Failure(Enum):
    """What a failed call says about the next one, and about the thing that was asked for."""

    DEFINITIVE = auto()
    """The service's answer, or a mistake of the caller: final."""

    UNAVAILABLE = auto()
    """No answer, and none is to be expected within the seconds of a retry."""

    TRANSIENT = auto()
    """No answer, but the same call may succeed a little later."""


# What the class of a status alone does not decide. An unknown one counts as the x00 of its class
# (RFC 9110 section 15), so that 529 and whatever else a proxy invents is the transient 500.
_BY_STATUS: Mapping[int, _Failure] = {
    # The server, or a gateway on the way, lacks a feature or is set up wrongly: asking the same
    # again gives the same. It says nothing about the prompt, so a copy may be served meanwhile.
    501: _Failure.UNAVAILABLE,
    505: _Failure.UNAVAILABLE,
    506: _Failure.UNAVAILABLE,
    508: _Failure.UNAVAILABLE,
    510: _Failure.UNAVAILABLE,
    511: _Failure.UNAVAILABLE,
    # Temporary, but RFC 4918 section 11.5 forbids to repeat the request automatically.
    507: _Failure.UNAVAILABLE,
}


def is_transient(error: ScopeError) -> bool:
    """Return True if the failure is transient, so that the call may be retried.

    Connection errors, `open_timeout`, 429, 5xx that the same request can outlive, and replies that
    are broken although they claim success. `timeout` is that of all attempts together, so it is
    final whatever the clocks say is left of it. A token that could not be had is the token
    source's to retry: until it has one, every call would get the same answer.
    """
    return _classify(error) is _Failure.TRANSIENT


def is_unavailable(error: ScopeError) -> bool:
    """Return True if the service could not answer, so that a stale copy may be served (RFC 5861).

    All that is transient, and besides: a timeout, no token for such a reason, a redirect, a reply
    that is too large, and the 5xx that a retry does not help. A 4xx is the service's answer.
    """
    return _classify(error) is not _Failure.DEFINITIVE


def _classify(error: ScopeError) -> _Failure:
    if isinstance(error, TimeoutError):
        connecting = isinstance(error.__cause__, ConnectionTimeoutError)
        return _Failure.TRANSIENT if connecting else _Failure.UNAVAILABLE
    if isinstance(error, ConnectionError | RateLimitError):
        return _Failure.TRANSIENT
    if isinstance(error, TokenRefreshError):
        return _Failure.UNAVAILABLE
    if not isinstance(error, ServerError):
        return _Failure.DEFINITIVE
    if error.error_code == MISDIRECTED:
        return _Failure.TRANSIENT
    status = error.http_status
    if error.error_code in (TOO_LARGE, UNREADABLE) or (status is not None and 300 <= status < 500):  # noqa: PLR2004 - RFC 9110 section 15
        return _Failure.UNAVAILABLE
    return _BY_STATUS.get(status or 0, _Failure.TRANSIENT)


def retry_delay(error: ScopeError, attempt: int, *, base: float, cap: float, random: float) -> float:
    """Return the seconds before the next attempt; the service's `Retry-After` wins, up to `cap`."""
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    if retry_after is not None:
        return min(retry_after, cap)
    return full_jitter(attempt, base=base, cap=cap, random=random)
