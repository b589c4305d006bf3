"""The store of a Local Scope: settings, API keys, prompts and audit log over one database."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from scope_async._core.clock import Clock
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.local.identifiers import digest, new_identifier, new_secret
from scope_async.local.store.audit_log import AuditLog, event_row
from scope_async.local.store.database import Database, Statement, Transaction
from scope_async.local.store.key_models import KeyRecord, KeyUse, NewKey
from scope_async.local.store.keys import KeyStore, key_row
from scope_async.local.store.prompt_models import StoredPrompt
from scope_async.local.store.prompts import PromptStore
from scope_async.local.store.schema import EMPTY

_SIGNING_KEY_BYTES = 32


@frozen
class _Settings:
    org_id: str
    signing_key: bytes


class Store:
    """The only writer of a Local Scope's database; reads are answered from memory."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self.clock = clock
        self.database = Database(path)
        self.audit_log = AuditLog(self.database)
        self.keys = KeyStore(self.database, self.audit_log, clock)
        self.prompts = PromptStore(self.database, clock)
        self._settings = _Settings("", b"")

    @property
    def org_id(self) -> str:
        return self._settings.org_id

    @property
    def signing_key(self) -> bytes:
        return self._settings.signing_key

    async def open(self, given: ApiKeyCredentials | None = None) -> NewKey | None:
        """Open the database; return its first API key if that is `given` or the database is new.

        Raises:
            ConfigurationError: the file cannot be used, or was made with other credentials than `given`.
        """
        await self.database.open()
        try:
            settings = dict(await self.database.fetch_rows("SELECT name, value FROM settings"))
            if "org_id" not in settings:
                return await self._initialize(given)
            self._settings = _Settings(settings["org_id"], settings["signing_key"])
            await self.keys.load()
            await self.prompts.load()
            return None if given is None else self._known_key(given)
        except BaseException:
            await self.database.aclose()
            raise

    def _known_key(self, given: ApiKeyCredentials) -> NewKey:
        record = self.keys.find_key(given.api_key)
        same = record is not None and hmac.compare_digest(record.secret_digest, digest(given.api_secret))
        if record is None or not same or given.org_id != self.org_id:
            raise ConfigurationError(
                f"the store was made with other credentials than those of {given.api_key}: "
                "give it these again, or a new path"
            )
        return NewKey(record, given.api_secret)

    async def _initialize(self, given: ApiKeyCredentials | None) -> NewKey:
        org_id = new_identifier("org") if given is None else given.org_id
        settings = _Settings(org_id, secrets.token_bytes(_SIGNING_KEY_BYTES))
        first = self.first_key() if given is None else self.first_key(given.api_secret, given.api_key)
        statements = (
            ("INSERT INTO settings VALUES ('org_id', ?)", (settings.org_id,)),
            ("INSERT INTO settings VALUES ('signing_key', ?)", (settings.signing_key,)),
            *created_rows(first.record),
        )

        def on_commit() -> NewKey:
            self._settings = settings
            self.keys.replace_all([first.record])
            return first

        return await self.database.write(lambda: Transaction(statements, on_commit))

    def first_key(self, secret: str | None = None, api_key: str | None = None) -> NewKey:
        """Return the key that a new store starts with; with arguments, the same key again."""
        secret = secret or new_secret("secret")
        record = KeyRecord(
            api_key=api_key or new_identifier("key"),
            name="default",
            environment="production",
            secret_digest=digest(secret),
            created_at=self.clock.time(),
            created_by="local",
        )
        return NewKey(record, secret)

    def replace_all(
        self,
        org_id: str,
        keys: Iterable[KeyRecord],
        last_uses: Mapping[str, KeyUse],
        prompts: Iterable[StoredPrompt],
    ) -> None:
        """Replace the content in memory by what was just committed."""
        self._settings = _Settings(org_id, self._settings.signing_key)
        self.audit_log.replace_all(last_uses)
        self.keys.replace_all(keys)
        self.prompts.replace_all(prompts)

    async def clear_all(self, first: NewKey) -> None:
        """Delete every prompt, key and event; keep the organization, and `first` as the only key."""

        def on_commit() -> None:
            self.replace_all(self.org_id, [first.record], {}, [])

        await self.database.write(lambda: Transaction((*EMPTY, *created_rows(first.record)), on_commit))

    async def aclose(self) -> None:
        """Write the buffered events and close. Idempotent."""
        await self.audit_log.aclose()
        await self.database.aclose()


def created_rows(record: KeyRecord) -> tuple[Statement, Statement]:
    """Return the statements that store a new key and the event of its creation."""
    event = event_row("created", record.api_key, record.created_at, actor=record.created_by)
    return key_row(record), event
