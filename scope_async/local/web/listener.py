"""Accepts connections, and closes those that never send a whole request."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web

from scope_async.errors import ConfigurationError
from scope_async.local.web.journal import Journal
from scope_async.local.web.request import RequestContext, error_reply

_logger = logging.getLogger("scope_async.local.http")
_BACKLOG = 4096
_SHUTDOWN_TIMEOUT = 1.0
_KEEPALIVE_TIMEOUT = 75.0
HEAD_TIMEOUT = 10.0
"""Seconds in which a new connection has to send the head of a request."""
MOST_WAITING = 256
"""New connections without a request; the oldest beyond are closed after `_GRACE`."""
_GRACE = 1.0
# A client cannot connect to an address that means "every interface".
_CONNECTABLE_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


class WaitingConnections:
    """The connections that have not sent a request yet, oldest first.

    Half-sent requests would else take a file descriptor each, until none is left to accept with.
    """

    def __init__(self) -> None:
        self._since: dict[object, tuple[float, asyncio.Transport]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: object, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._since[connection] = (loop.time(), transport)
        if self._timer is None:
            self._timer = loop.call_later(_GRACE, self._sweep)

    def discard(self, connection: object) -> None:
        self._since.pop(connection, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now, surplus = loop.time(), len(self._since) - MOST_WAITING
        for connection, (since, transport) in list(self._since.items()):
            if now - since < (_GRACE if surplus > 0 else HEAD_TIMEOUT):
                break
            surplus -= 1
            del self._since[connection]
            transport.abort()
        self._timer = loop.call_later(_GRACE, self._sweep) if self._since else None


class _Connection(web.RequestHandler):
    """A connection that is watched until its first request, and whose malformed requests are journaled."""

    __slots__ = ("_journal", "_waiting")

    def __init__(
        self, manager: web.Server, journal: Journal, waiting: WaitingConnections, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._journal = journal
        self._waiting = waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._waiting.add(self, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._waiting.discard(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or failed outside of every handler, in JSON."""
        context = RequestContext(request, "unknown")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            super().handle_error(request, status, exc, message)
            context.code, text = "internal_error", "Local Scope failed; its log says why"
        else:
            # The journal has it; a traceback for each would hide those that matter.
            self.logger.debug("not HTTP, from %s: %s", request.remote, exc)
            context.code, text = "malformed_request", "this is not HTTP"
        self._journal.arrive(context)
        self._journal.add(context, status)
        response = error_reply(status, context.code, text, {"X-Request-ID": context.request_id})
        response.force_close()
        return response


class Listener:
    """Accepts connections for one application at `host` and `port`; port 0 takes a free one."""

    def __init__(self, host: str, port: int, journal: Journal) -> None:
        self._host = host
        self._port = port
        self._journal = journal
        self._runner: web.AppRunner | None = None
        self._sockets: asyncio.Server | None = None
        self.waiting = WaitingConnections()
        self.url = ""

    async def start(self, app: web.Application) -> None:
        """Listen; connections are accepted once this returns.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        # With handler_cancellation a delayed request ends when its client disconnects.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise ConfigurationError("aiohttp has made no server")

        def connect() -> _Connection:
            return _Connection(
                server,
                self._journal,
                self.waiting,
                loop=loop,
                logger=_logger,
                access_log=None,
                keepalive_timeout=_KEEPALIVE_TIMEOUT,
            )

        try:
            self._sockets = await loop.create_server(connect, self._host, self._port, backlog=_BACKLOG)
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(f"cannot listen on {self._host} port {self._port}: {error}") from error
        port = self._sockets.sockets[0].getsockname()[1]
        host = _CONNECTABLE_HOSTS.get(self._host, self._host)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stop accepting, give running requests one second to finish, and close. Idempotent."""
        runner, self._runner = self._runner, None
        if self._sockets is not None:
            self._sockets.close()
        self.waiting.close()
        if runner is not None:
            await runner.cleanup()
