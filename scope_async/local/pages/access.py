"""Access to the pages: host, session and form checks, and the security headers of every page."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from aiohttp import web

from scope_async._core.clock import Clock
from scope_async.config import is_loopback
from scope_async.errors import ApiError
from scope_async.local.pages.rendering import Renderer
from scope_async.local.pages.request import Page, PageRequest
from scope_async.local.pages.sessions import Sessions
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import ApiProblem, Handler, RequestContext

KEYS = "/settings/api-keys"
SIGN_IN = "/settings/sign-in"
_COOKIE_PATH = "/settings"
_REDIRECTED = "from"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageAccess:
    """Checks the host, the session and the form token of every page request; signs in and out."""

    def __init__(
        self, authenticator: Authenticator, clock: Clock, renderer: Renderer, hosts: Collection[str]
    ) -> None:
        self._authenticator = authenticator
        self._renderer = renderer
        self._hosts = hosts
        self._sessions = Sessions(clock)

    def public(self, page: Page) -> Handler:
        """Return a handler that serves `page` to every browser that uses a host name of this server."""
        return self._guarded(page)

    def private(self, page: Page) -> Handler:
        """Return a handler that serves `page` after sign-in and redirects to the sign-in page before."""

        async def admit(request: PageRequest) -> web.Response:
            if request.http.method != "GET":
                request.require_session()
            elif (token := request.http.query.get("token")) is not None:
                return await self.sign_in(request, token)
            elif not request.is_signed_in:
                return await self._send_to_sign_in(request)
            return await page(request)

        return self._guarded(admit)

    def _guarded(self, page: Page) -> Handler:
        async def serve(context: RequestContext) -> web.StreamResponse:
            request = PageRequest(context, self._sessions)
            try:
                self._check_host(request)
                if context.request.method == "POST":
                    await request.read_form()
                response = await page(request)
            except ApiProblem as refusal:
                context.code = refusal.code
                response = await self._problem(request, refusal.status, refusal.message)
            except ApiError as error:
                context.code = error.error_code
                response = await self._problem(
                    request, error.http_status or 500, f"{error.message[:1].upper()}{error.message[1:]}."
                )
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return serve

    def _check_host(self, request: PageRequest) -> None:
        header = request.http.headers.get("Host", "")
        if not is_own_host(header, configured=self._hosts, arrived_at=request.arrived_at[0]):
            # RFC 9110, 15.5.20.
            raise ApiProblem(421, "misdirected_request", "This page is not served under that host name.")

    async def show(
        self, request: PageRequest, name: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        """Return the page that template `name` renders from `context` and what every page needs."""
        return await self._renderer.page(
            name,
            status=status,
            form_token=request.form_token,
            signed_in=request.is_signed_in,
            keys_path=KEYS,
            **context,
        )

    async def _problem(self, request: PageRequest, status: int, message: str) -> web.Response:
        return await self.show(request, "problem.html", status=status, problem=message)

    async def _send_to_sign_in(self, request: PageRequest) -> web.Response:
        cross_site = request.http.headers.get("Sec-Fetch-Site") == "cross-site"
        if cross_site and _REDIRECTED not in request.http.query:
            # A browser withholds a SameSite=Strict cookie when the link was on another site, also
            # from the redirect that has just set it. A page of our own may ask again.
            return await self.show(request, "same_site_redirect.html", target=f"{KEYS}?{_REDIRECTED}=link")
        return web.Response(status=303, headers={"Location": SIGN_IN})

    async def sign_in_form(self, request: PageRequest, *, wrong: bool = False) -> web.Response:
        """Return the page that asks for the admin token; `wrong` adds that the last one was refused."""
        response = await self.show(request, "sign_in.html", status=403 if wrong else 200, wrong=wrong)
        if request.is_new:
            self._set_cookie(request, response, request.session_id)
        return response

    async def sign_in(self, request: PageRequest, token: str) -> web.Response:
        """Start a session for the admin token and redirect to an address without the token."""
        if not self._authenticator.is_admin_token(token):
            request.context.code = "invalid_token"
            return await self.sign_in_form(request, wrong=True)
        response = web.Response(status=303, headers={"Location": KEYS})
        self._sessions.end(request.session_id)
        self._set_cookie(request, response, self._sessions.begin())
        return response

    def sign_out(self, request: PageRequest) -> web.Response:
        """End the session, delete its cookie and redirect to the sign-in page."""
        self._sessions.end(request.session_id)
        response = web.Response(status=303, headers={"Location": SIGN_IN})
        response.del_cookie(request.cookie, path=_COOKIE_PATH)
        return response

    @staticmethod
    def _set_cookie(request: PageRequest, response: web.Response, value: str) -> None:
        response.set_cookie(request.cookie, value, path=_COOKIE_PATH, httponly=True, samesite="Strict")


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_host(header: str, *, configured: Collection[str], arrived_at: str) -> bool:
    """Return True if this `Host` header names Local Scope.

    A defence against DNS rebinding: a foreign page can make its own name resolve to this machine,
    while the browser still sends that name. Accepted are loopback names and addresses, the
    `configured` hosts and the address the connection `arrived_at`. The port is ignored: tunnels
    change it, and rebinding works with any port.
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    return is_loopback(name) or name in {*map(str.lower, configured), arrived_at.lower()} - {""}
