"""Access to the pages: host, session and form checks, and the security headers of every page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from scope_async.errors import ApiError
from scope_async.local.pages.rendering import Renderer
from scope_async.local.pages.request import Page, PageRequest, StaleFormError
from scope_async.local.pages.resume import KEYS, checked_address, resume_address
from scope_async.local.pages.sessions import LIFETIME, Sessions
from scope_async.local.web.authentication import Authenticator
from scope_async.local.web.request import ApiProblem, Handler, RequestContext
from scope_async.local.web.request_guard import RequestGuard

SIGN_IN = "/settings/sign-in"
_REDIRECTED = "from"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
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
        self,
        authenticator: Authenticator,
        sessions: Sessions,
        renderer: Renderer,
        guard: RequestGuard,
        public_url: str | None,
    ) -> None:
        self._authenticator = authenticator
        self._sessions = sessions
        self._renderer = renderer
        self._public_url = public_url
        self._guard = guard
        self._cookie_path = f"{urlsplit(public_url or '').path}/settings"

    def public(self, page: Page) -> Handler:
        """Return a handler that serves `page` to every browser that uses a host name of this server."""
        return self._guarded(page)

    def private(self, page: Page) -> Handler:
        """Return a handler that serves `page` after sign-in and redirects to the sign-in page before."""

        async def admit(request: PageRequest) -> web.Response:
            if (token := request.http.query.get("token")) is not None and request.http.method == "GET":
                return await self.sign_in(request, token, resume_address(request))
            if not request.is_signed_in:
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
            except StaleFormError as stale:
                context.code = stale.code
                response = await self._ask_again(request, stale)
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
        if not self._guard.is_own_host(request.http):
            # RFC 9110, 15.5.20.
            raise ApiProblem(421, "misdirected_request", "This page is not served under that host name.")

    def url(self, request: PageRequest) -> str:
        """Return the base URL for clients: the public one, or the one that this browser uses."""
        return self._public_url or f"http://{request.http.headers['Host']}"

    async def show(
        self, request: PageRequest, name: str, *, status: int = 200, **context: Any
    ) -> web.Response:
        """Return the page that template `name` renders from `context` and what every page needs."""
        return await self._renderer.page(
            name,
            status=status,
            form_token=request.form_token,
            signed_in=request.is_signed_in,
            root=request.root,
            keys_path=request.link(KEYS),
            **context,
        )

    async def _problem(
        self, request: PageRequest, status: int, message: str, back: str | None = None
    ) -> web.Response:
        return await self.show(request, "problem.html", status=status, problem=message, back=back)

    async def _ask_again(self, request: PageRequest, stale: StaleFormError) -> web.Response:
        """Answer a form of an earlier session: sign in, or open the form again; what was typed is kept."""
        is_of_keys = request.http.path.startswith(KEYS)
        resume = resume_address(request) if is_of_keys else checked_address(request.form.get("next", KEYS))
        if request.is_signed_in:
            message = f"{stale.message} Nothing was changed, and what you typed is kept."
            return await self._problem(request, stale.status, message, request.link(resume))
        return await self.sign_in_form(request, resume, status=stale.status, lapsed=True)

    async def _send_to_sign_in(self, request: PageRequest) -> web.Response:
        resume = resume_address(request)
        if request.http.method == "POST":
            request.context.code = "signed_out"
            return await self.sign_in_form(request, resume, status=403, lapsed=True)
        if request.is_cross_site and _REDIRECTED not in request.http.query:
            return await self._bounce(request, resume)
        return redirect(request.link(_sign_in_path(resume)))

    async def _bounce(self, request: PageRequest, path: str) -> web.Response:
        # A browser withholds a SameSite=Strict cookie when the link was on another site, also
        # from the redirect that has just set it. A page of our own may ask again.
        separator = "&" if "?" in path else "?"
        target = request.link(f"{path}{separator}{_REDIRECTED}=link")
        return await self.show(request, "same_site_redirect.html", target=target)

    async def sign_in_form(
        self,
        request: PageRequest,
        resume: str,
        *,
        status: int = 200,
        wrong: bool = False,
        lapsed: bool = False,
    ) -> web.Response:
        """Return the page that asks for the admin token and leads to `resume`.

        `wrong` adds that the last token was refused, `lapsed` that a session has ended.
        """
        if request.is_cross_site:
            # The browser may well have a session, which a new cookie would replace.
            return await self._bounce(request, _sign_in_path(checked_address(resume)))
        if request.is_signed_in and not wrong:
            return redirect(request.link(checked_address(resume)))
        response = await self.show(
            request,
            "sign_in.html",
            status=status,
            wrong=wrong,
            lapsed=lapsed,
            resume=checked_address(resume),
        )
        if request.is_new:
            self._set_cookie(response, request.session_id)
        return response

    async def sign_in(self, request: PageRequest, token: str, resume: str) -> web.Response:
        """Start a session for the admin token and redirect to `resume`, without the token."""
        if not self._authenticator.is_admin_token(token):
            request.context.code = "invalid_token"
            return await self.sign_in_form(request, resume, status=403, wrong=True)
        response = redirect(request.link(checked_address(resume)))
        self._sessions.end(request.session_id)
        self._set_cookie(response, self._sessions.begin())
        return response

    def sign_out(self, request: PageRequest) -> web.Response:
        """End the session, delete its cookie and redirect to the sign-in page."""
        self._sessions.end(request.session_id)
        response = redirect(request.link(SIGN_IN))
        response.del_cookie(self._sessions.cookie, path=self._cookie_path)
        return response

    def _set_cookie(self, response: web.Response, value: str) -> None:
        response.set_cookie(
            self._sessions.cookie,
            value,
            path=self._cookie_path,
            max_age=int(LIFETIME),
            httponly=True,
            samesite="Strict",
        )


def _sign_in_path(resume: str) -> str:
    return SIGN_IN if resume == KEYS else f"{SIGN_IN}?{urlencode({'next': resume})}"


def redirect(location: str) -> web.Response:
    """Return a redirect that the browser follows with GET."""
    return web.Response(status=303, headers={"Location": location})
