"""Who is signed in."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from attrs import define, field

from scope_async._core.clock import Clock
from scope_async.local.pages.reveals import Reveals
from scope_async.local.secrets import digest

LIFETIME = 8 * 3600.0
"""Seconds from signing in to having to do it again."""
_KEPT = 100
_ID_BYTES = 32
_ID = re.compile(r"[\w-]{43}", re.ASCII)


@define
class Session:
    """One browser whose person has shown the admin token."""

    ends_at: float
    reveals: Reveals
    notice: str | None = field(default=None, repr=False)

    def take_notice(self) -> str | None:
        """Return what the next page has to tell, once."""
        notice, self.notice = self.notice, None
        return notice


class Sessions:
    """Knows sessions by the digests of their ids, in memory only.

    A visitor who has not signed in has an id too, for the token of the sign-in form, and
    no session: nothing is kept of visitors.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}
        self._form_key = secrets.token_bytes(_ID_BYTES)

    @staticmethod
    def new_id() -> str:
        return secrets.token_urlsafe(_ID_BYTES)

    @staticmethod
    def is_id(text: str) -> bool:
        return _ID.fullmatch(text) is not None

    def begin(self) -> str:
        """Return the id of a new session; an id from before signing in is never taken over."""
        now = self._clock.monotonic()
        alive = {name: session for name, session in self._sessions.items() if now < session.ends_at}
        self._sessions = dict(list(alive.items())[-(_KEPT - 1) :])
        session_id = self.new_id()
        self._sessions[digest(session_id)] = Session(now + LIFETIME, Reveals(self._clock))
        return session_id

    def find(self, session_id: str) -> Session | None:
        session = self._sessions.get(digest(session_id))
        return session if session is not None and self._clock.monotonic() < session.ends_at else None

    def end(self, session_id: str) -> None:
        """Sign out; doing it again does nothing."""
        self._sessions.pop(digest(session_id), None)

    def form_token(self, session_id: str) -> str:
        """Return what every form of this browser has to bring back (against CSRF)."""
        return hmac.new(self._form_key, session_id.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, session_id: str, token: str) -> bool:
        return hmac.compare_digest(self.form_token(session_id).encode(), token.encode())
