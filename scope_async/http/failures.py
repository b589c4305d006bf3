"""What aiohttp and the network raise, as the package's errors."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
from aiohttp import ConnectionTimeoutError

from scope_async.config import Config
from scope_async.errors import (
    ApiError,
    ConnectionError,
    ScopeError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
)


def drop_frames(error: BaseException | None, *, until: BaseException | None) -> None:
    """Let go of the frames of `error` and of what it came from.

    aiohttp's have the request's headers and body among their locals, and collectors of
    tracebacks look there. `until` is what the caller was handling already: not ours.
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

_PASSING = frozenset({429, 500, 502, 503, 504})


def is_transient(error: ScopeError) -> bool:
    """Tell whether the same call may succeed a little later.

    Connection errors, `open_timeout`, 429, 500, 502, 503, 504, and replies that are broken
    although they claim success. Not `timeout`, which is that of all attempts together, whatever
    the clocks say is left of it. Not a token that could not be had: the token source tries again
    by itself, and until then every call would get the same answer.
    """
    if isinstance(error, TimeoutError):
        return isinstance(error.__cause__, ConnectionTimeoutError)
    if isinstance(error, ConnectionError):
        return True
    if not isinstance(error, ApiError) or isinstance(error, TokenRefreshError):
        return False
    if error.error_code == TOO_LARGE:
        return False
    status = error.http_status
    return status in _PASSING or (
        isinstance(error, ServerError) and (status is None or 200 <= status < 300)  # noqa: PLR2004 - RFC 9110
    )


def full_jitter(attempt: int, *, base: float, cap: float, draw: float) -> float:
    """Return the seconds to wait after the failed attempt number `attempt`, counted from 1.

    Exponential with full jitter: uniform between 0 and `base * 2 ** (attempt - 1)`, at most
    `cap`; `draw` is the random number, in [0, 1).
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return draw * min(cap, base * 2.0 ** min(attempt - 1, 60))


def retry_delay(error: ScopeError, attempt: int, *, base: float, cap: float, draw: float) -> float:
    """Return the seconds before the next attempt; the service's `Retry-After` wins, up to `cap`."""
    retry_after = error.retry_after if isinstance(error, ApiError) else None
    if retry_after is not None:
        return min(retry_after, cap)
    return full_jitter(attempt, base=base, cap=cap, draw=draw)
