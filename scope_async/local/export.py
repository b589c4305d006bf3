"""Export and import of a store as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from scope_async.local.state_document import FORMAT, StoreContents, read_state
from scope_async.local.store.audit_log import event_row, use_row
from scope_async.local.store.database import Transaction
from scope_async.local.store.key_models import KeyRecord
from scope_async.local.store.keys import key_row
from scope_async.local.store.prompt_rows import promotion_row, prompt_row, version_row
from scope_async.local.store.schema import EMPTY
from scope_async.local.store.store import Store
from scope_async.local.tokens import Signer

_EVENT = ("api_key", "event", "at", "actor", "address", "user_agent", "reason", "count")


class StateTransfer:
    """Exports and imports a store.

    An export holds digests of API secrets, and leaves out the secrets, the admin token and the
    signing key, so it can be kept beside tests. Access tokens are valid only for the store
    that issued them.
    """

    def __init__(self, store: Store, signer: Signer) -> None:
        self._store = store
        self._signer = signer

    async def export(self) -> dict[str, Any]:
        """Return all prompts, API keys and events; instants are seconds since the epoch."""
        await self._store.audit_log.flush()
        rows = await self._store.database.fetch_rows(f"SELECT {', '.join(_EVENT)} FROM events ORDER BY seq")  # noqa: S608 - our own columns
        keys: list[dict[str, Any]] = []
        for record in self._store.keys.all():
            last_use = self._store.audit_log.last_use(record.api_key)
            written = {**attrs.asdict(record), "secret_digest": record.secret_digest.hex()}
            keys.append({**written, "last_use": None if last_use is None else attrs.asdict(last_use)})
        return {
            "format": FORMAT,
            "org_id": self._store.org_id,
            "prompts": [attrs.asdict(prompt) for prompt in self._store.prompts.all()],
            "api_keys": keys,
            "events": [dict(zip(_EVENT, row, strict=True)) for row in rows],
        }

    async def restore(self, document: Mapping[str, Any], *, keep: KeyRecord | None) -> None:
        """Replace the whole content by an export, organization included, in one transaction.

        `keep` is a key that is added unless the export has it.

        Raises:
            ValidationError: the document is not an export; the message names the field.
        """
        contents = read_state(document)
        keys = {record.api_key: record for record in contents.keys}
        if keep is not None:
            keys.setdefault(keep.api_key, keep)
        await self._store.audit_log.flush()
        contents = attrs.evolve(contents, keys=tuple(keys.values()))
        await self._store.database.write(lambda: self._plan(contents))

    def _plan(self, contents: StoreContents) -> Transaction[None]:
        prompts = contents.prompts
        statements = [
            *EMPTY,
            ("UPDATE settings SET value = ? WHERE name = 'org_id'", (contents.org_id,)),
            *(key_row(record) for record in contents.keys),
            *(use_row(api_key, use) for api_key, use in contents.last_uses.items()),
            *(prompt_row(prompt) for prompt in prompts),
            *(version_row(version) for prompt in prompts for version in prompt.versions),
            *(promotion_row(promotion) for prompt in prompts for promotion in prompt.promotions),
            *(event_row(**event) for event in contents.events),
        ]

        def on_commit() -> None:
            self._store.replace_all(contents.org_id, contents.keys, contents.last_uses, prompts)
            self._signer.clear_cache()

        return Transaction(tuple(statements), on_commit)
