"""The socket on which Local Scope is reached."""

from __future__ import annotations

from aiohttp import web

from scope_async.errors import ConfigurationError

_BACKLOG = 4096
_PATIENCE = 1.0
# An address that means every interface is no address to connect to.
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what others may have asked for


class Listener:
    """Accepts connections for one application, at one host and port (0: any that is free)."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, app: web.Application) -> None:
        """Accept connections from when this returns.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        # With handler_cancellation a call that a fault holds back ends with its client.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_PATIENCE
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG).start()
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {self._host} port {self._port}: {error}") from error
        port = self._runner.addresses[0][1]
        host = _REACHABLE.get(self._host, self._host)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stop accepting, let calls under way finish for a second, close; closing twice does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
