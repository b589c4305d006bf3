"""One request of a person's browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web

from scope_async.local.pages.sessions import Session, Sessions
from scope_async.local.pages.table import View
from scope_async.local.web.request import ApiProblem, RequestContext

_FORM_TYPE = "application/x-www-form-urlencoded"
_FORM_LIMIT = 16 * 1024
_FIELDS = 20


class PageRequest:
    """A request, with the session of its browser and the form it brings."""

    def __init__(self, call: RequestContext, sessions: Sessions) -> None:
        self.call = call
        self.form: dict[str, str] = {}
        self.view = View.read(call.request.query)
        self._sessions = sessions
        sent = call.request.cookies.get(self.cookie, "")
        self.is_new = not sessions.is_id(sent)
        self.session_id = sessions.new_id() if self.is_new else sent
        self._session = sessions.find(self.session_id)

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies know no ports, and another Local Scope may run on this host."""
        return f"scope_local_{self.arrived_at[1]}"

    @property
    def arrived_at(self) -> tuple[str, int]:
        """Address and port at which the connection came in."""
        transport = self.call.request.transport
        name = None if transport is None else transport.get_extra_info("sockname")
        return (str(name[0]), int(name[1])) if isinstance(name, tuple) else ("", 0)

    @property
    def is_signed_in(self) -> bool:
        return self._session is not None

    @property
    def session(self) -> Session:
        """The session; only pages behind the door ask for it."""
        if self._session is None:
            raise ApiProblem(403, "signed_out", "You are not signed in, or no longer.")
        return self._session

    @property
    def form_token(self) -> str:
        return self._sessions.form_token(self.session_id)

    async def read_form(self) -> None:
        """Read the form into `form`, when it is one of ours.

        Raises:
            Refusal: it is no form (400, 413, 415), or not one that this browser got from here (403).
        """
        request = self.call.request
        if request.content_type != _FORM_TYPE:
            raise ApiProblem(415, "unsupported_media_type", f"Forms come as {_FORM_TYPE}.")
        try:
            body = await request.clone(client_max_size=_FORM_LIMIT).read()
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
        except web.HTTPRequestEntityTooLarge:
            raise ApiProblem(413, "body_too_large", "The form is larger than this service reads.") from None
        except ValueError:
            raise ApiProblem(400, "invalid_form", "The form cannot be read.") from None
        self.form = dict(pairs)
        if not self._sessions.is_form_token(self.session_id, self.form.pop("form_token", "")):
            raise ApiProblem(
                403, "invalid_form_token", "This form is out of date. Go back, reload it, and try again."
            )


Page = Callable[[PageRequest], Awaitable[web.Response]]
