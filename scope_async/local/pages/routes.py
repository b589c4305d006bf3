"""The routes of all pages."""

from __future__ import annotations

from aiohttp import web

from scope_async.local.identifiers import digest
from scope_async.local.pages.access import SIGN_IN, PageAccess, redirect
from scope_async.local.pages.keys import KeyPages
from scope_async.local.pages.rendering import STATIC, Renderer
from scope_async.local.pages.request import PageRequest
from scope_async.local.pages.resume import KEYS
from scope_async.local.pages.sessions import Sessions
from scope_async.local.store.store import Store
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import ApiProblem, Route
from scope_async.local.web.request_guard import RequestGuard

_SIGN_OUT = "/settings/sign-out"
_STATIC_CACHE = "private, max-age=3600"
_ENTRANCES = ("/", "/settings", "/settings/")


def settings_link(url: str, admin_token: str) -> str:
    """Return the address that signs a browser in; it contains the admin token."""
    return f"{url}{KEYS}?token={admin_token}"


class PageRoutes:
    """Settings > API Keys, sign-in and sign-out, and static files."""

    def __init__(
        self, store: Store, authenticator: Authenticator, guard: RequestGuard, public_url: str | None
    ) -> None:
        self._renderer = Renderer()
        store_id = digest(f"cookie {store.signing_key.hex()}").hex()[:12]
        sessions = Sessions(store.clock, store_id)
        self._access = PageAccess(authenticator, sessions, self._renderer, guard, public_url)
        self._keys = KeyPages(store, self._access)

    def routes(self) -> tuple[Route, ...]:
        public = self._access.public
        return (
            *(Route("GET", path, "page", public(self._enter)) for path in _ENTRANCES),
            Route("GET", SIGN_IN, "page", public(self._ask_sign_in)),
            Route("POST", SIGN_IN, "page", public(self._sign_in)),
            Route("POST", _SIGN_OUT, "page", public(self._sign_out)),
            Route("GET", f"{STATIC}/{{name:[^/]+}}", "page", public(self._static)),
            *self._keys.routes(),
        )

    async def _enter(self, request: PageRequest) -> web.Response:
        return redirect(request.link(KEYS))

    async def _ask_sign_in(self, request: PageRequest) -> web.Response:
        return await self._access.sign_in_form(request, request.http.query.get("next", KEYS))

    async def _sign_in(self, request: PageRequest) -> web.Response:
        token, resume = request.form.get("token", "").strip(), request.form.get("next", KEYS)
        return await self._access.sign_in(request, token, resume)

    async def _sign_out(self, request: PageRequest) -> web.Response:
        return self._access.sign_out(request)

    async def _static(self, request: PageRequest) -> web.Response:
        file = await self._renderer.static(request.http.match_info["name"])
        if file is None:
            raise ApiProblem(404, "not_found", "There is no such file.")
        return web.Response(
            body=file.content,
            content_type=file.content_type,
            charset="utf-8",
            headers={"Cache-Control": _STATIC_CACHE},
        )
