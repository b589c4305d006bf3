"""Who is signed in."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from attrs import define, field, frozen

from scope_async._core.clock import Clock
from scope_async.local.identifiers import digest
from scope_async.local.store.key_models import KeyRecord, NewKey

LIFETIME = 8 * 3600.0
"""Seconds from signing in to having to do it again."""
_SESSIONS_KEPT = 100
_ID_BYTES = 32
_ID = re.compile(r"[\w-]{43}", re.ASCII)


@define
class Session:
    """One browser whose person has shown the admin token."""

    ends_at: float
    one_time_secrets: OneTimeSecrets
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
        self._sessions = dict(list(alive.items())[-(_SESSIONS_KEPT - 1) :])
        session_id = self.new_id()
        self._sessions[digest(session_id)] = Session(now + LIFETIME, OneTimeSecrets(self._clock))
        return session_id

    def find_session(self, session_id: str) -> Session | None:
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


_SHOWN_WITHIN = 300.0
"""How long a secret waits for a browser that has just been told where it is."""
_SECRETS_KEPT = 1000


@frozen
class OneTimeSecret:
    """A new key with its secret, and the key that it replaces."""

    new_key: NewKey = field(repr=False)
    replaced: KeyRecord | None = None


@frozen
class _Entry:
    shown_once: OneTimeSecret
    until: float


class OneTimeSecrets:
    """Gives out what each form has made, once.

    A form sent twice makes one key (see `AuditContext.idempotency_key`); that key is not offered again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry | None] = {}

    def offer(self, form_id: str, shown_once: OneTimeSecret) -> None:
        """Keep what a form has made until it is taken, for five minutes; the first offer counts."""
        self._drop_expired()
        if form_id in self._entries:
            return
        self._entries[form_id] = _Entry(shown_once, self._clock.monotonic() + _SHOWN_WITHIN)
        if len(self._entries) > _SECRETS_KEPT:
            self._entries.pop(next(iter(self._entries)))

    def take(self, form_id: str) -> OneTimeSecret | None:
        """Return what the form has made; None from the second time on."""
        self._drop_expired()
        offer = self._entries.get(form_id)
        if offer is None:
            return None
        self._entries[form_id] = None
        return offer.shown_once

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        late = [name for name, offer in self._entries.items() if offer is not None and now >= offer.until]
        self._entries.update(dict.fromkeys(late))
