"""The aiohttp application of a Local Scope."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from scope_async._version import __version__
from scope_async.local.api.auth import AuthApi
from scope_async.local.api.control import ControlApi, Controlled
from scope_async.local.api.keys import KeysApi
from scope_async.local.api.login_throttle import LoginThrottle
from scope_async.local.api.prompt_management import PromptManagementApi
from scope_async.local.api.prompts import PromptsApi
from scope_async.local.openapi.routes import DescriptionRoutes
from scope_async.local.pages.routes import PageRoutes
from scope_async.local.store.store import Store
from scope_async.local.tokens import Signer
from scope_async.local.web.authentication import Authenticator, Role
from scope_async.local.web.listener import WaitingConnections
from scope_async.local.web.request import RequestContext, Route, reply
from scope_async.local.web.request_guard import RequestGuard
from scope_async.local.web.router import Router

_BODY_LIMIT = 1024 * 1024


def build_app(
    store: Store,
    signer: Signer,
    login_throttle: LoginThrottle,
    *,
    tokens: Mapping[Role, str],
    scope: Controlled,
    waiting: WaitingConnections,
    host: str,
    public_url: str | None,
) -> web.Application:
    """Return an application that serves the APIs and pages of `store` and controls `scope`."""
    authenticator = Authenticator(store, signer, tokens)
    guard = RequestGuard(host, urlsplit(public_url or "").hostname or "")
    router = Router(scope.faults, scope.journal, guard, waiting)
    app = web.Application(client_max_size=_BODY_LIMIT)
    router.add(app, *PromptsApi(store, authenticator).routes())
    router.add(app, *AuthApi(store, signer, login_throttle).routes())
    router.add(app, *KeysApi(store, authenticator).routes())
    router.add(app, *ControlApi(authenticator, scope).routes())
    router.add(app, *PromptManagementApi(store, authenticator).routes())
    router.add(app, *PageRoutes(store, authenticator, guard, public_url).routes())
    router.add(app, *DescriptionRoutes().routes())
    router.add(app, Route("GET", "/healthz", "health", _healthz))
    router.add_rest(app)
    return app


async def _healthz(_: RequestContext) -> web.Response:
    return reply({"status": "ok", "version": __version__})
