"""The aiohttp application of a Local Scope, and the listener that serves it."""

from __future__ import annotations

from aiohttp import web

from scope_async._version import __version__
from scope_async.errors import ConfigurationError
from scope_async.local.api.auth import AuthApi
from scope_async.local.api.control import ControlApi, Controlled
from scope_async.local.api.keys import KeysApi
from scope_async.local.api.login_throttle import LoginThrottle
from scope_async.local.api.prompts import PromptsApi
from scope_async.local.pages.routes import PageRoutes
from scope_async.local.store.store import Store
from scope_async.local.tokens import Signer
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import RequestContext, Route, reply
from scope_async.local.web.router import Router

_BODY_LIMIT = 1024 * 1024


def build_app(
    store: Store,
    signer: Signer,
    login_throttle: LoginThrottle,
    *,
    admin_token: str,
    scope: Controlled,
    host: str,
) -> web.Application:
    """Return an application that serves the APIs and pages of `store` and controls `scope`."""
    authenticator = Authenticator(store, signer, admin_token)
    router = Router(scope.faults, scope.journal)
    app = web.Application(client_max_size=_BODY_LIMIT)
    router.add(app, *PromptsApi(store, authenticator).routes())
    router.add(app, *AuthApi(store, signer, login_throttle).routes())
    router.add(app, *KeysApi(store, authenticator).routes())
    router.add(app, *ControlApi(authenticator, scope).routes())
    router.add(app, *PageRoutes(store, authenticator, host).routes())
    router.add(app, Route("GET", "/healthz", "health", _healthz))
    router.add_rest(app)
    return app


async def _healthz(_: RequestContext) -> web.Response:
    return reply({"status": "ok", "version": __version__})


_BACKLOG = 4096
_SHUTDOWN_TIMEOUT = 1.0
# A client cannot connect to an address that means "every interface".
_CONNECTABLE_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not listened on


class Listener:
    """Accepts connections for one application at `host` and `port`; port 0 takes a free one."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, app: web.Application) -> None:
        """Listen; connections are accepted once this returns.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        # With handler_cancellation a delayed request ends when its client disconnects.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=_BACKLOG).start()
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {self._host} port {self._port}: {error}") from error
        port = self._runner.addresses[0][1]
        host = _CONNECTABLE_HOSTS.get(self._host, self._host)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stop accepting, give running requests one second to finish, and close. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
