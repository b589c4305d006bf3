"""The parts of a Local Scope, wired into one aiohttp application."""

from __future__ import annotations

from aiohttp import web

from scope_async._version import __version__
from scope_async.local.access import Access
from scope_async.local.attempts import Attempts
from scope_async.local.auth_api import AuthApi
from scope_async.local.call import Call, Route, reply
from scope_async.local.control_api import ControlApi, Controlled
from scope_async.local.front import Front
from scope_async.local.keys_api import KeysApi
from scope_async.local.pages.site import Site
from scope_async.local.prompts_api import PromptsApi
from scope_async.local.signer import Signer
from scope_async.local.store import Store

_BODY_LIMIT = 1024 * 1024


def build_app(
    store: Store, signer: Signer, attempts: Attempts, *, admin_token: str, scope: Controlled, host: str
) -> web.Application:
    """Return the application that serves `store` on `host`, and lets an administrator control `scope`."""
    access = Access(store, signer, admin_token)
    front = Front(scope.faults, scope.journal)
    app = web.Application(client_max_size=_BODY_LIMIT)
    front.add(app, *PromptsApi(store, access).routes())
    front.add(app, *AuthApi(store, signer, attempts).routes())
    front.add(app, *KeysApi(store, access).routes())
    front.add(app, *ControlApi(access, scope).routes())
    front.add(app, *Site(store, access, host).routes())
    front.add(app, Route("GET", "/healthz", "health", _healthz))
    front.add_rest(app)
    return app


async def _healthz(_: Call) -> web.Response:
    return reply({"status": "ok", "version": __version__})
