"""Applies injected faults to a response."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from scope_async.local.faults.registry import Faults
from scope_async.local.faults.spec import Fault
from scope_async.local.web.journal import Journal
from scope_async.local.web.request import RequestContext, error_reply

NextHandler = Callable[[], Awaitable[web.StreamResponse]]

_CHUNK = 64 * 1024
_JSON = "application/json"
_CODES = {401: "invalid_token", 403: "forbidden", 404: "not_found", 429: "rate_limited", 503: "unavailable"}
_BODIES: dict[str, tuple[bytes, str]] = {
    "html": (b"<!doctype html><title>Bad Gateway</title><h1>Bad Gateway</h1>", "text/html"),
    "empty": (b"", _JSON),
    "list": (b"[]", _JSON),
    "missing": (b'{"unrelated": true}', _JSON),
    "error": (b'{"error": {"code": "internal", "message": "a fault of Local Scope"}}', _JSON),
    "binary": (b"\x00\xff\xfe\x80" * 64, _JSON),
}


class FaultInjector:
    """Serves requests while faults are active."""

    def __init__(self, faults: Faults, journal: Journal) -> None:
        self._faults = faults
        self._journal = journal

    async def serve(self, context: RequestContext, call_next: NextHandler) -> web.StreamResponse:
        """Return the response, possibly a faulty one; a fault without response ends the connection."""
        plan = self._faults.plan(context.operation, context.request.path)
        if plan.delay and not await self._faults.delay(plan.delay):
            await self._abort(context)
        if plan.instead is not None:
            context.fault = plan.instead.kind
            return await self._instead(context, plan.instead)
        if plan.token:
            context.token_faults = plan.token
            context.fault = plan.token[0].kind
        response = await call_next()
        if plan.reply is not None:
            context.fault = plan.reply.kind
            return await self._corrupt(context, plan.reply, response)
        return response

    async def _instead(self, context: RequestContext, fault: Fault) -> web.StreamResponse:
        if fault.kind == "hang":
            await self._faults.delay(None)
            await self._abort(context)
        if fault.kind == "reset":
            await self._abort(context, linger=True)
        if fault.kind == "dialect":
            return error_reply(404, "not_found", "this service does not speak this dialect")
        return _status_reply(context, fault)

    async def _corrupt(
        self, context: RequestContext, fault: Fault, response: web.StreamResponse
    ) -> web.StreamResponse:
        if fault.kind == "oversized":
            return await self._flood(context, int(float(fault.value or 0)))  # type: ignore[arg-type] # checked: a number
        body = response.body if isinstance(response, web.Response) else b""
        written = body if isinstance(body, bytes) else b""
        if fault.kind == "malformed":
            corrupted, content_type = _BODIES.get(str(fault.value), (written[: len(written) // 2], _JSON))
            return web.Response(body=corrupted, content_type=content_type)
        if fault.value == "middle":
            half = web.StreamResponse(status=response.status)
            half.content_type = _JSON
            half.content_length = len(written)
            half.headers["X-Request-ID"] = context.request_id
            self._journal.add(context, response.status)
            await half.prepare(context.request)
            await half.write(written[: len(written) // 2])
            await self._abort(context, flush=True)
        await self._abort(context)
        return response

    async def _flood(self, context: RequestContext, size: int) -> web.StreamResponse:
        opening, ending = b'{"content": "', b'"}'
        flood = web.StreamResponse()
        flood.content_type = _JSON
        flood.content_length = max(size, len(opening) + len(ending))
        flood.headers["X-Request-ID"] = context.request_id
        self._journal.add(context, flood.status)
        # The client may close the connection before it has read all.
        with contextlib.suppress(ConnectionError):
            await flood.prepare(context.request)
            await flood.write(opening)
            left = flood.content_length - len(opening) - len(ending)
            while left > 0:
                await flood.write(b"x" * min(left, _CHUNK))
                left -= _CHUNK
            await flood.write(ending)
        return flood

    async def _abort(self, context: RequestContext, *, flush: bool = False, linger: bool = False) -> None:
        """Close the connection and wait: aiohttp then cancels the handler, so this never returns."""
        self._journal.add(context, None)
        transport = context.request.transport
        if transport is not None:
            if linger:
                # SO_LINGER of zero seconds makes closing a reset (RST).
                raw = transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if flush:
                transport.close()
            else:
                transport.abort()
        await asyncio.get_running_loop().create_future()


def _status_reply(context: RequestContext, fault: Fault) -> web.Response:
    status = int(float(fault.value))  # type: ignore[arg-type] # checked: a number
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    context.code = "fault" if status < 400 else _CODES.get(status, "fault")  # noqa: PLR2004 - errors begin there
    if status == 401 and context.operation == "exchange":  # noqa: PLR2004 - an exchange refuses credentials
        context.code = "invalid_credentials"
    return error_reply(status, context.code, f"a fault of Local Scope: {status}", headers)
