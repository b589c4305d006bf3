"""When a call is tried again, and after how long; pure functions.

The loop around them is in `transport`: a retry library would sleep on its own clock, and
here time is an argument.
"""

from __future__ import annotations

from aiohttp import ConnectionTimeoutError

from scope_async.errors import (
    ApiError,
    ConnectionError,
    ScopeError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
)

TOO_LARGE = "reply_too_large"
"""Code of an error of our own: the next reply would be as large, so it is not asked for."""

_PASSING = frozenset({429, 500, 502, 503, 504})


def is_passing(error: ScopeError) -> bool:
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
