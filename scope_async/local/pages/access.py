"""The door to the pages: who may come in, and what every page leaves with."""

from __future__ import annotations

import re
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
_BOUNCED = "from"
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
    """Checks the host, the session and the form of every request; signs people in and out."""

    def __init__(self, access: Authenticator, clock: Clock, renderer: Renderer, host: str) -> None:
        self._access = access
        self._renderer = renderer
        self._host = host
        self._sessions = Sessions(clock)

    def public(self, page: Page) -> Handler:
        """Return `page` for everybody who comes to this host."""
        return self._guarded(page)

    def private(self, page: Page) -> Handler:
        """Return `page` for those who are signed in; the others are sent to where they can."""

        async def admit(visit: PageRequest) -> web.Response:
            request = visit.call.request
            if request.method != "GET":
                _ = visit.session
            elif (token := request.query.get("token")) is not None:
                return await self.enter(visit, token)
            elif not visit.is_signed_in:
                return await self._send_to_sign_in(visit)
            return await page(visit)

        return self._guarded(admit)

    def _guarded(self, page: Page) -> Handler:
        async def serve(call: RequestContext) -> web.StreamResponse:
            visit = PageRequest(call, self._sessions)
            try:
                self._check_host(visit)
                if call.request.method == "POST":
                    await visit.read_form()
                response = await page(visit)
            except ApiProblem as refusal:
                call.code = refusal.code
                response = await self._problem(visit, refusal.status, refusal.message)
            except ApiError as error:
                call.code = error.error_code
                response = await self._problem(
                    visit, error.http_status or 500, f"{error.message[:1].upper()}{error.message[1:]}."
                )
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return serve

    def _check_host(self, visit: PageRequest) -> None:
        header = visit.call.request.headers.get("Host", "")
        if not is_own_host(header, configured=self._host, arrived_at=visit.arrived_at[0]):
            # RFC 9110, 15.5.20.
            raise ApiProblem(421, "misdirected_request", "This page is not served under that host name.")

    async def show(self, visit: PageRequest, name: str, *, status: int = 200, **context: Any) -> web.Response:
        """Return a page, with what every page needs."""
        return await self._renderer.page(
            name,
            status=status,
            form_token=visit.form_token,
            signed_in=visit.is_signed_in,
            keys_path=KEYS,
            **context,
        )

    async def _problem(self, visit: PageRequest, status: int, message: str) -> web.Response:
        return await self.show(visit, "problem.html", status=status, problem=message)

    async def _send_to_sign_in(self, visit: PageRequest) -> web.Response:
        request = visit.call.request
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and _BOUNCED not in request.query:
            # A browser withholds a SameSite=Strict cookie when the link was on another site, also
            # from the redirect that has just set it. A page of our own may ask again.
            return await self.show(visit, "same_site_redirect.html", target=f"{KEYS}?{_BOUNCED}=link")
        return web.Response(status=303, headers={"Location": SIGN_IN})

    async def sign_in_form(self, visit: PageRequest, *, wrong: bool = False) -> web.Response:
        """Return the page that asks for the admin token."""
        response = await self.show(visit, "sign_in.html", status=403 if wrong else 200, wrong=wrong)
        if visit.is_new:
            self._set_cookie(visit, response, visit.session_id)
        return response

    async def enter(self, visit: PageRequest, token: str) -> web.Response:
        """Sign in by the admin token; the address that people end up at does not have it."""
        if not self._access.is_admin_token(token):
            visit.call.code = "invalid_token"
            return await self.sign_in_form(visit, wrong=True)
        response = web.Response(status=303, headers={"Location": KEYS})
        self._sessions.end(visit.session_id)
        self._set_cookie(visit, response, self._sessions.begin())
        return response

    def leave(self, visit: PageRequest) -> web.Response:
        """Sign out."""
        self._sessions.end(visit.session_id)
        response = web.Response(status=303, headers={"Location": SIGN_IN})
        response.del_cookie(visit.cookie, path=_COOKIE_PATH)
        return response

    @staticmethod
    def _set_cookie(visit: PageRequest, response: web.Response, value: str) -> None:
        response.set_cookie(visit.cookie, value, path=_COOKIE_PATH, httponly=True, samesite="Strict")


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def is_own_host(header: str, *, configured: str, arrived_at: str) -> bool:
    """Tell whether a browser that sent this `Host` meant to come here.

    Against DNS rebinding: a page elsewhere can have its own name resolve to this machine,
    but cannot make a browser send another name. Good are loopback names and addresses, the
    host that Local Scope was told to listen on, and the address that the connection came in
    at. The port is not looked at: tunnels change it, and rebinding does not need it.
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    return is_loopback(name) or name in {configured.lower(), arrived_at.lower()} - {""}
