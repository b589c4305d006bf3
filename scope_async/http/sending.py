"""Sends one request over one session, and reads its reply."""

from __future__ import annotations

import asyncio

from aiohttp import ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION, CONTENT_ENCODING

from scope_async._core.redaction import scrub
from scope_async.errors import ServerError
from scope_async.http.failures import TOO_LARGE
from scope_async.http.messages import UNAUTHORIZED, Reply, Request, merge_headers
from scope_async.http.session import BoundSession

MAX_REPLY_BYTES = 10 * 1024 * 1024

_UNAUTHORIZED_BODY_TIMEOUT = 1.0
"""Seconds for the body of a 401: its status is known already."""


async def send(bound: BoundSession, request: Request) -> Reply:
    """Send the request once and return the reply, read to its end; how long that takes is up to the caller.

    Raises:
        ServerError: the reply is larger than `MAX_REPLY_BYTES`.
        Exception: anything that aiohttp and the network raise.
    """
    if bound.is_given:
        response = await _send_over_given(bound, request)
    else:
        response = await bound.session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            proxy=bound.proxies.choose(request.url) if bound.proxies is not None else None,
        )
    try:
        # Read to its end, so that aiohttp has the connection back.
        if response.content.is_eof() and not bound.is_given:
            # The whole reply came with its head; what is left to do is to take it.
            body = response.content.read_nowait()
            if len(body) > MAX_REPLY_BYTES:
                raise _too_large(response)  # noqa: TRY301 - as the other ways of reading do
        elif response.status != UNAUTHORIZED:
            body = await _read(response)
        else:
            body = await _read_unauthorized(response)
    except BaseException:
        response.close()
        raise
    return Reply(response.status, response.headers, body, request.headers, request.secrets)


async def _send_over_given(bound: BoundSession, request: Request) -> ClientResponse:
    """Send it over a session that was passed in, overriding that session's own defaults."""
    headers = merge_headers(bound.headers, request.headers)
    return await bound.session.request(
        request.method,
        request.url,
        middlewares=(_set_authorization(headers.pop(AUTHORIZATION, None)),),
        headers=headers,
        data=request.body,
        allow_redirects=False,
        auto_decompress=True,
        raise_for_status=False,
        timeout=bound.timeout,
        ssl=bound.ssl or True,
    )


def _set_authorization(authorization: str | None) -> ClientMiddlewareType:
    """Return a middleware that sets our Authorization header on a caller-provided session.

    It replaces the session's own middlewares, any of which might set another token. As a plain
    header ours would clash with the session's `auth`, and be shown to its traces.
    """

    async def set_header(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers.pop(AUTHORIZATION, None)
        if authorization is not None:
            request.headers[AUTHORIZATION] = authorization
        return await handler(request)

    return set_header


async def _read(response: ClientResponse) -> bytes:
    """Return the reply's body, decoded; holds at most one chunk more than `MAX_REPLY_BYTES`."""
    length = response.content_length
    if length is not None and length <= MAX_REPLY_BYTES and CONTENT_ENCODING not in response.headers:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise _too_large(response)
    return bytes(body)


def _too_large(response: ClientResponse) -> ServerError:
    return ServerError(
        f"the reply is larger than {MAX_REPLY_BYTES} bytes",
        error_code=TOO_LARGE,
        http_status=response.status,
        request_id=scrub(response.headers.get("X-Request-ID", ""), limit=200) or None,
    )


async def _read_unauthorized(response: ClientResponse) -> bytes:
    """Return the body of a 401; empty if it cannot be read, since the token is rejected in any case."""
    try:
        async with asyncio.timeout(_UNAUTHORIZED_BODY_TIMEOUT):
            return await _read(response)
    except Exception:  # noqa: BLE001 - its status alone decides
        response.close()
        return b""
