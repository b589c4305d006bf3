"""API keys: an index in memory for requests, and the transactions that change it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from attrs import field, frozen

from scope_async._core.clock import Clock
from scope_async.errors import NotFoundError
from scope_async.local.identifiers import digest, new_identifier, new_secret
from scope_async.local.store.audit_log import AuditLog, event_row, printable_agent
from scope_async.local.store.database import Database, Statement, Transaction
from scope_async.local.store.idempotency import IdempotencyStore, IdempotentRequest, conflict
from scope_async.local.store.key_models import KeyRecord, KeyUse, NewKey

_COLUMNS = (
    "api_key, name, environment, secret_digest, created_at, created_by, "
    "expires_at, revoked_at, revoked_reason, replaces, replaced_by"
)
_USE = "last_used_at, last_used_agent, last_used_address"
_EVENT = ("event", "at", "actor", "address", "user_agent", "reason", "count")


@frozen
class AuditContext:
    """Who changes a key, from where and with what, and under which `Idempotency-Key` (None: without)."""

    actor: str = "local"
    address: str | None = None
    idempotency_key: str | None = None
    user_agent: str | None = field(default=None, converter=printable_agent)

    def event(self, event: str, api_key: str, at: float, reason: str | None) -> Statement:
        """Return the statement that adds what was done to the audit trail."""
        return event_row(
            event,
            api_key,
            at,
            actor=self.actor,
            address=self.address,
            user_agent=self.user_agent,
            reason=reason,
        )


class KeyStore:
    """Holds every key in memory; a change shows there once it is on the disk."""

    def __init__(self, database: Database, audit_log: AuditLog, clock: Clock) -> None:
        self._database = database
        self._audit_log = audit_log
        self._clock = clock
        self._keys: dict[str, KeyRecord] = {}
        self._idempotency = IdempotencyStore(clock)

    async def load(self) -> None:
        """Read the keys from the database."""
        rows = await self._database.fetch_rows(f"SELECT {_USE}, {_COLUMNS} FROM api_keys")  # noqa: S608 - constant
        records = [KeyRecord(*columns) for _, _, _, *columns in rows]
        self.replace_all(records)
        self._audit_log.replace_all(
            {
                record.api_key: KeyUse(at, agent, address)
                for record, (at, agent, address, *_) in zip(records, rows, strict=True)
                if at is not None
            }
        )
        rows = await self._database.fetch_rows("SELECT key_digest, request_digest, api_key FROM idempotency")
        self._idempotency.replace_all(
            {key_digest: (content, api_key) for key_digest, content, api_key in rows}
        )

    def replace_all(self, records: Iterable[KeyRecord]) -> None:
        """Replace the keys, and forget every `Idempotency-Key`."""
        self._keys = {record.api_key: record for record in records}
        self._idempotency.replace_all({})

    def find_key(self, api_key: str) -> KeyRecord | None:
        return self._keys.get(api_key)

    def get_key(self, api_key: str) -> KeyRecord:
        """Return the key.

        Raises:
            NotFoundError: the key does not exist.
        """
        record = self._keys.get(api_key)
        if record is None:
            raise NotFoundError("there is no such API key", http_status=404, error_code="api_key_not_found")
        return record

    def all(self) -> list[KeyRecord]:
        """Return every key, newest first; keys of the same time by identifier."""
        return sorted(self._keys.values(), key=lambda record: (-record.created_at, record.api_key))

    async def create(
        self,
        name: str,
        *,
        environment: str = "production",
        expires_in: float | None = None,
        audit: AuditContext,
    ) -> NewKey:
        """Create a key; the returned value has the only copy of its secret.

        With an idempotency key, the same call within ten minutes returns the same key and secret.

        Raises:
            ConflictError: the idempotency key was used for another call, or over ten minutes ago.
        """
        request = IdempotentRequest.of(audit.idempotency_key, "create", name, environment, expires_in)

        def plan() -> Transaction[NewKey]:
            if (replayed := self._idempotency.find_result(request)) is not None:
                return Transaction((), lambda: replayed)
            new_key = self._new_key(name, environment, expires_in, audit.actor)
            return self._creation(new_key, audit, request, None)

        return await self._database.write(plan)

    async def rotate(
        self, api_key: str, *, overlap: float, again: bool = False, audit: AuditContext
    ) -> NewKey:
        """Create a key with the name, environment and lifetime of `api_key`.

        The old key stays valid for `overlap` seconds, or until it expires if that is earlier. With
        `again`, a key that was replaced already is replaced once more.

        Raises:
            NotFoundError: the key does not exist.
            ConflictError: the key is revoked, expired or replaced, or the idempotency key was used for
                another call.
        """
        request = IdempotentRequest.of(audit.idempotency_key, "rotate", api_key, overlap, again)

        def plan() -> Transaction[NewKey]:
            if (replayed := self._idempotency.find_result(request)) is not None:
                return Transaction((), lambda: replayed)
            old, now = self.get_key(api_key), self._clock.time()
            if (status := old.status_at(now)) != "active":
                raise conflict(
                    "api_key_not_active", f"the API key is {status}: only an active key can be rotated"
                )
            if old.replaced_by is not None and not again:
                raise conflict(
                    "api_key_replaced",
                    f"the API key was replaced by {old.replaced_by}: again=true replaces it once more",
                )
            ends = now + overlap if old.expires_at is None else min(old.expires_at, now + overlap)
            new_key = self._new_key(
                old.name, old.environment, self._lifetime(old), audit.actor, replaces=api_key
            )
            replaced = attrs.evolve(old, expires_at=ends, replaced_by=new_key.record.api_key)
            return self._creation(new_key, audit, request, replaced)

        return await self._database.write(plan)

    async def revoke(self, api_key: str, *, reason: str | None, audit: AuditContext) -> KeyRecord:
        """Revoke the key at once and for good; once this returns, requests with it are refused.

        Idempotent: the time and reason of the first revocation stay.

        Raises:
            NotFoundError: the key does not exist.
        """

        def plan() -> Transaction[KeyRecord]:
            record = self.get_key(api_key)
            if record.revoked_at is not None:
                return Transaction((), lambda: record)
            now = self._clock.time()
            revoked = attrs.evolve(record, revoked_at=now, revoked_reason=reason)
            event = audit.event("revoked", api_key, now, reason)
            return Transaction((key_row(revoked), event), lambda: self._put(revoked))

        return await self._database.write(plan)

    async def events(self, api_key: str) -> list[dict[str, Any]]:
        """Return the audit trail of a key, oldest first.

        Raises:
            NotFoundError: the key does not exist.
        """
        record = self.get_key(api_key)
        await self._audit_log.flush()
        rows = await self._database.fetch_rows(
            f"SELECT {', '.join(_EVENT)} FROM events WHERE api_key = ? ORDER BY at, seq",  # noqa: S608 - constant
            (api_key,),
        )
        events: list[dict[str, Any]] = [dict(zip(_EVENT, row, strict=True)) for row in rows]
        ended = record.expires_at
        if ended is not None and ended <= min(self._clock.time(), record.revoked_at or float("inf")):
            # Time alone makes a key expire, so this event is derived at reading.
            unknown = dict.fromkeys(_EVENT)
            events.append({**unknown, "event": "expired", "at": ended, "actor": "clock", "count": 1})
            events.sort(key=lambda event: float(event["at"]))
        return events

    def _lifetime(self, record: KeyRecord) -> float | None:
        """Return the lifetime in seconds that the key was created with (None: unlimited).

        A rotation shortens the replaced key. Its successor was created with the same lifetime, so
        the last of the successors still has it.
        """
        seen: set[str] = set()  # imported keys may replace each other in a circle
        while (successor := self._keys.get(record.replaced_by or "")) is not None:
            if successor.api_key in seen:
                break
            seen.add(successor.api_key)
            record = successor
        return None if record.expires_at is None else record.expires_at - record.created_at

    def _new_key(
        self,
        name: str,
        environment: str,
        expires_in: float | None,
        actor: str,
        *,
        replaces: str | None = None,
    ) -> NewKey:
        now = self._clock.time()
        secret = new_secret("secret")
        record = KeyRecord(
            api_key=new_identifier("key"),
            name=name,
            environment=environment,
            secret_digest=digest(secret),
            created_at=now,
            created_by=actor,
            expires_at=None if expires_in is None else now + expires_in,
            replaces=replaces,
        )
        return NewKey(record, secret)

    def _creation(
        self, new_key: NewKey, audit: AuditContext, request: IdempotentRequest, replaced: KeyRecord | None
    ) -> Transaction[NewKey]:
        record, at = new_key.record, new_key.record.created_at
        reason = None if replaced is None else f"replaces {replaced.api_key}"
        statements = [
            key_row(record),
            audit.event("created", record.api_key, at, reason),
        ]
        if replaced is not None:
            reason = f"replaced by {record.api_key}"
            statements += [
                key_row(replaced),
                audit.event("rotated", replaced.api_key, at, reason),
            ]
        statements += self._idempotency.insert_statements(request, new_key)

        def on_commit() -> NewKey:
            self._put(record)
            if replaced is not None:
                self._put(replaced)
            self._idempotency.remember(request, new_key)
            return new_key

        return Transaction(tuple(statements), on_commit)

    def _put(self, record: KeyRecord) -> KeyRecord:
        self._keys[record.api_key] = record
        return record


def key_row(record: KeyRecord) -> Statement:
    """Return the statement that stores `record`, new or changed."""
    values = attrs.astuple(record)
    changes = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS.split(", "))
    sql = (
        f"INSERT INTO api_keys ({_COLUMNS}) VALUES ({', '.join('?' * len(values))}) "  # noqa: S608 - our own columns
        f"ON CONFLICT (api_key) DO UPDATE SET {changes}"
    )
    return sql, values
