"""A page request, with its session and form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web

from scope_async.local.pages.keys_table import View
from scope_async.local.pages.sessions import Session, Sessions
from scope_async.local.web.request import ApiProblem, RequestContext

_FORM_TYPE = "application/x-www-form-urlencoded"
_FORM_LIMIT = 16 * 1024
_FIELDS = 20


class PageRequest:
    """A request for a page: `context` and `http` (aiohttp's request) with session, view and form."""

    def __init__(self, context: RequestContext, sessions: Sessions) -> None:
        self.context = context
        self.http = context.request
        self.form: dict[str, str] = {}
        self.view = View.from_query(context.request.query)
        self._sessions = sessions
        sent = context.request.cookies.get(sessions.cookie, "")
        self.is_new = not sessions.is_id(sent)
        self.session_id = sessions.new_id() if self.is_new else sent
        self._session = sessions.find_session(self.session_id)

    @property
    def root(self) -> str:
        """The way from this address up to the root of the pages, such as `../../`.

        Links are relative, because a proxy may serve the pages below a path of its own.
        """
        return "../" * (self.http.rel_url.raw_path.count("/") - 1)

    def link(self, path: str) -> str:
        """Return the relative address of `path`, which begins with a slash."""
        return f"{self.root}{path[1:]}"

    @property
    def is_cross_site(self) -> bool:
        """True if a page of another site has sent the browser here (Fetch Metadata)."""
        return self.http.headers.get("Sec-Fetch-Site") == "cross-site"

    @property
    def is_signed_in(self) -> bool:
        return self._session is not None

    @property
    def session(self) -> Session:
        """The session of a browser that is signed in.

        Raises:
            ApiProblem: 403, the browser is not signed in.
        """
        if self._session is None:
            raise ApiProblem(403, "signed_out", "You are not signed in, or no longer.")
        return self._session

    @property
    def form_token(self) -> str:
        return self._sessions.form_token(self.session_id)

    async def read_form(self) -> None:
        """Read the form into `form` and check its token.

        Raises:
            ApiProblem: 400, 413 or 415 if the body is no form.
            StaleFormError: its token belongs to another browser, or to the time before a restart.
        """
        if self.http.content_type != _FORM_TYPE:
            raise ApiProblem(415, "unsupported_media_type", f"Forms come as {_FORM_TYPE}.")
        try:
            body = await self.http.clone(client_max_size=_FORM_LIMIT).read()
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
        except web.HTTPRequestEntityTooLarge:
            raise ApiProblem(413, "body_too_large", "The form is larger than this service reads.") from None
        except ValueError:
            raise ApiProblem(400, "invalid_form", "The form cannot be read.") from None
        self.form = dict(pairs)
        if not self._sessions.is_form_token(self.session_id, self.form.pop("form_token", "")):
            raise StaleFormError


class StaleFormError(ApiProblem):
    """The form was not made for this session."""

    def __init__(self) -> None:
        super().__init__(403, "invalid_form_token", "This form is out of date.")


Page = Callable[[PageRequest], Awaitable[web.Response]]
