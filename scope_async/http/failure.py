"""What aiohttp and the network raise, as the package's errors."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

from scope_async.config import Config
from scope_async.errors import ConnectionError, ScopeError, ServerError, TimeoutError


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
