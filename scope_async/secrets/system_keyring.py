"""Credentials in the machine's own keyring, for a developer's laptop."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable
from typing import Any

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.threads import SharedThread, run_in_thread
from scope_async.credentials import ApiKeyCredentials
from scope_async.credentials.document import parse_object, read_credentials
from scope_async.credentials.replacement import format_object, replace_credentials
from scope_async.errors import (
    ConfigurationError,
    ConflictError,
    MissingApiKeyError,
    ScopeError,
    TimeoutError,
)
from scope_async.secrets.failures import import_extra, require_extra, with_manager
from scope_async.secrets.memory import Answer, AnswerMemory

ENTRY = "credentials"
"""The user name of the entry; `keyring set SERVICE credentials` makes it by hand."""


class KeyringCredentials:
    """Credentials from the keyring of this machine, for a developer's laptop.

    macOS Keychain, Windows Credential Locker, Secret Service (GNOME, KDE), or what `keyring` is set to.
    One entry, `service` with the user name `credentials`, whose password is a JSON object with
    `org_id`, `api_key` and `api_secret` (or the environment's names for them). Make it with
    `keyring set SERVICE credentials`. Needs the extra `keyring`.

    Asked before every exchange, at most once in 5 s; in a daemon thread of its own, so that a
    keyring which waits for its owner's password blocks nothing else. Usable from several event loops.

    Args:
        service: the name that the entry goes by.
        timeout: seconds to wait for the keyring, which may be asking its owner for a password.
        clock: for tests.

    Raises:
        ConfigurationError: `keyring` is not installed, or `service` is no name.

    Raises (when called):
        ConfigurationError: there is no keyring or no such entry, it is locked, or it does not hold
            the three values (a `MissingApiKeyError`); says which.
        TimeoutError: no answer within `timeout`.
    """

    def __init__(self, service: str, *, timeout: float = 20.0, clock: Clock | None = None) -> None:
        if not isinstance(service, str) or not service.strip() or not service.isprintable():
            raise ConfigurationError("the keyring's service must be a name, such as 'scope'")
        require_extra("keyring", "keyring")
        self.service = service
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._memory = AnswerMemory(self._clock)
        self._read = SharedThread(self._read_credentials)

    def __repr__(self) -> str:
        return f"KeyringCredentials({self.service!r})"

    async def __call__(self) -> ApiKeyCredentials:
        if (fresh := self._memory.fresh()) is not None:
            return fresh
        asked_at = self._clock.monotonic()
        found: ApiKeyCredentials | ScopeError = await self._within(self._read)
        if isinstance(found, ScopeError):
            raise with_manager(found, self._name)
        self._memory.put(Answer(found, None, asked_at))
        return found

    def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
        """Forget these very credentials, which the auth API refused; newer ones are left alone."""
        self._memory.refuse(credentials)

    async def store(self, credentials: ApiKeyCredentials, /) -> None:
        """Put these credentials into the entry, and make it if there is none; its other values stay.

        A keyring has no compare-and-set: the entry is read again just before it is written.

        Raises:
            ConflictError: the entry was changed meanwhile; nothing was written.
            ConfigurationError: the entry or the values cannot be written; nothing was written.
            TimeoutError: no answer within `timeout`; it may have been written.
        """
        failure = await self._within(lambda: run_in_thread(lambda: self._write(credentials)))
        if failure is not None:
            raise with_manager(failure, self._name)
        self._memory.forget()

    @property
    def _name(self) -> str:
        return f"keyring entry {self.service!r} / {ENTRY!r}"

    async def _within(self, call: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                return await call()
        except builtins.TimeoutError:
            return TimeoutError(f"no answer within {self._timeout:g} s; is it waiting for a password?")

    def _read_credentials(self) -> ApiKeyCredentials | ScopeError:
        """Return the credentials, or the error to raise. Blocks."""
        text = self._ask(lambda keyring: keyring.get_password(self.service, ENTRY))
        if isinstance(text, ScopeError):
            return text
        if text is None:
            return MissingApiKeyError(
                f"there is none; make it with `keyring set {self.service} {ENTRY}` and a JSON object "
                "with org_id, api_key and api_secret"
            )
        document = parse_object(text)
        return document if isinstance(document, ConfigurationError) else read_credentials(document)

    def _write(self, credentials: ApiKeyCredentials) -> ScopeError | None:
        """Write the entry; return the error to raise. Blocks."""
        read: Callable[[Any], Any] = lambda keyring: keyring.get_password(self.service, ENTRY)  # noqa: E731
        before = self._ask(read)
        if isinstance(before, ScopeError):
            return before
        document = parse_object(before or "{}")
        if isinstance(document, ConfigurationError):
            return document
        text = format_object(replace_credentials(document, credentials), like=before or "")
        if isinstance(text, ConfigurationError):
            return text
        if self._ask(read) != before:
            return ConflictError("it was changed by another writer meanwhile; nothing was written")
        written = self._ask(lambda keyring: keyring.set_password(self.service, ENTRY, text))
        return written if isinstance(written, ScopeError) else None

    def _ask(self, call: Callable[[Any], Any]) -> Any:
        """Return the keyring's answer, or the error to raise: it names what failed and no value."""
        try:
            return call(import_extra("keyring", "keyring"))
        except ConfigurationError as error:
            return error
        except Exception as error:  # noqa: BLE001 - every backend has its own
            kind = type(error).__name__
        if kind == "NoKeyringError":
            return ConfigurationError(
                "this machine has no keyring that can be used; see `keyring --list-backends`"
            )
        if kind in ("KeyringLocked", "InitError"):
            return ConfigurationError(f"it is locked or cannot be opened ({kind}); unlock it")
        return ConfigurationError(f"the keyring failed with {kind}")
