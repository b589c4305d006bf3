"""One request over one session, and its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import ClientRequest, ClientResponse, ClientTimeout
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION, CONTENT_ENCODING

from scope_async.errors import ServerError
from scope_async.http.bearer import UNAUTHORIZED
from scope_async.http.pool import Opened
from scope_async.http.retry import TOO_LARGE
from scope_async.http.wire import Reply, Request, merged

MAX_REPLY_BYTES = 10 * 1024 * 1024

_REFUSAL_PATIENCE = 1.0
"""Seconds for the body of a 401: that it is one is known already."""


async def send(here: Opened, request: Request, limits: ClientTimeout) -> Reply:
    """Send the request once and return the reply, read to its end.

    Raises:
        ServerError: the reply is larger than `MAX_REPLY_BYTES`.
        Exception: whatever aiohttp and the network raise.
    """
    if here.is_given:
        response = await _send_over_given(here, request, limits)
    else:
        response = await here.session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=limits,
            proxy=here.proxies.choose(request.url) if here.proxies is not None else None,
        )
    try:
        # At its end aiohttp has the connection back.
        body = await (_read(response) if response.status != UNAUTHORIZED else _read_refusal(response))
    except BaseException:
        response.close()
        raise
    return Reply(status=response.status, headers=response.headers, body=body, sent=request.headers)


async def _send_over_given(here: Opened, request: Request, limits: ClientTimeout) -> ClientResponse:
    """Send it over a session that was passed in, and say again what that may have set otherwise."""
    headers = merged(here.headers, request.headers)
    return await here.session.request(
        request.method,
        request.url,
        middlewares=(_last_word(headers.pop(AUTHORIZATION, None)),),
        headers=headers,
        data=request.body,
        allow_redirects=False,
        auto_decompress=True,
        raise_for_status=False,
        timeout=limits,
    )


def _last_word(authorization: str | None) -> ClientMiddlewareType:
    """Return the middleware that puts our token on a request of somebody else's session.

    In place of the session's own ones, any of which might put another token there. Among the
    headers ours would clash with the session's `auth`, and its traces would be told of it.
    """

    async def put(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers.pop(AUTHORIZATION, None)
        if authorization is not None:
            request.headers[AUTHORIZATION] = authorization
        return await handler(request)

    return put


def _read(response: ClientResponse) -> Coroutine[Any, Any, bytes]:
    """Return the reply's body, decoded; never hold much more than `MAX_REPLY_BYTES`."""
    length = response.content_length
    if length is not None and length <= MAX_REPLY_BYTES and CONTENT_ENCODING not in response.headers:
        return response.read()
    return _read_capped(response)


async def _read_capped(response: ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise ServerError(
                f"the reply is larger than {MAX_REPLY_BYTES} bytes",
                error_code=TOO_LARGE,
                http_status=response.status,
                request_id=response.headers.get("X-Request-ID"),
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_refusal(response: ClientResponse) -> bytes:
    """Return the body of a 401, empty if it cannot be had: the token is refused in any case."""
    try:
        async with asyncio.timeout(_REFUSAL_PATIENCE):
            return await _read(response)
    except Exception:  # noqa: BLE001 - whatever was wrong with it
        response.close()
        return b""
