"""Browser sessions, and the secrets that each may read once."""

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
"""Seconds that a session lasts."""
_SESSIONS_KEPT = 100
_ID_BYTES = 32
_ID = re.compile(r"[\w-]{43}", re.ASCII)


@define
class Session:
    """A browser that has signed in with the admin token."""

    ends_at: float
    one_time_secrets: OneTimeSecrets
    notice: str | None = field(default=None, repr=False)

    def take_notice(self) -> str | None:
        """Return the message for the next page and delete it."""
        notice, self.notice = self.notice, None
        return notice


class Sessions:
    """Holds sessions by the digests of their ids, in memory only.

    `cookie` is the name of the cookie. It has an id of the store, because cookies ignore ports:
    two servers on one host would sign each other's browsers out.

    A browser that has not signed in has an id for the token of the sign-in form, and no session.
    """

    def __init__(self, clock: Clock, store_id: str) -> None:
        self.cookie = f"scope_local_{store_id}"
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
        """Return the id of a new session; the id from before sign-in is replaced (session fixation)."""
        now = self._clock.monotonic()
        current = {name: session for name, session in self._sessions.items() if now < session.ends_at}
        self._sessions = dict(list(current.items())[-(_SESSIONS_KEPT - 1) :])
        session_id = self.new_id()
        self._sessions[digest(session_id)] = Session(now + LIFETIME, OneTimeSecrets(self._clock))
        return session_id

    def find_session(self, session_id: str) -> Session | None:
        session = self._sessions.get(digest(session_id))
        return session if session is not None and self._clock.monotonic() < session.ends_at else None

    def end(self, session_id: str) -> None:
        """End the session. Idempotent."""
        self._sessions.pop(digest(session_id), None)

    def form_token(self, session_id: str) -> str:
        """Return the token that every form of this browser must send back (against CSRF)."""
        return hmac.new(self._form_key, session_id.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, session_id: str, token: str) -> bool:
        return hmac.compare_digest(self.form_token(session_id).encode(), token.encode())


_SHOWN_WITHIN = 300.0
"""Seconds that a secret waits for the browser to follow its redirect."""
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
    """Holds the secret that a form has created until it is read, once.

    A form sent twice creates one key (see `AuditContext.idempotency_key`), which is shown once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry | None] = {}

    def put(self, form_id: str, shown_once: OneTimeSecret) -> None:
        """Hold a secret for its first reader, for five minutes; a second one for the same form is ignored."""
        self._drop_expired()
        if form_id in self._entries:
            return
        self._entries[form_id] = _Entry(shown_once, self._clock.monotonic() + _SHOWN_WITHIN)
        if len(self._entries) > _SECRETS_KEPT:
            self._entries.pop(next(iter(self._entries)))

    def take(self, form_id: str) -> OneTimeSecret | None:
        """Return the secret of the form and forget it; None from the second time on."""
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
