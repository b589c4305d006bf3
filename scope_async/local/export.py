"""Export and import of a store as one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import attrs
from attrs import frozen

from scope_async.errors import ValidationError
from scope_async.local.store.audit_log import event_row
from scope_async.local.store.database import Transaction
from scope_async.local.store.key_models import KeyRecord, check_environment, check_name
from scope_async.local.store.keys import key_row
from scope_async.local.store.prompt_models import Draft, StoredPrompt, StoredVersion
from scope_async.local.store.prompts import prompt_row, version_row
from scope_async.local.store.schema import EMPTY
from scope_async.local.store.store import Store
from scope_async.local.tokens import Signer

_FORMAT = "scope-async.local/1"
_NUMBER = (int, float)
_EVENT = ("api_key", "event", "at", "actor", "address", "reason", "count")

R = TypeVar("R")


@frozen
class StoreContents:
    """The content of a store: prompts, keys with their digests, last uses, and the audit trail."""

    org_id: str
    prompts: tuple[StoredPrompt, ...]
    keys: tuple[KeyRecord, ...]
    last_used: Mapping[str, float]
    events: tuple[dict[str, Any], ...]


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
            last_used_at = self._store.audit_log.last_used_at(record.api_key)
            written = {**attrs.asdict(record), "secret_digest": record.secret_digest.hex()}
            keys.append({**written, "last_used_at": last_used_at})
        return {
            "format": _FORMAT,
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
        contents = _read(document)
        keys = {record.api_key: record for record in contents.keys}
        if keep is not None:
            keys.setdefault(keep.api_key, keep)
        await self._store.audit_log.flush()
        contents = attrs.evolve(contents, keys=tuple(keys.values()))
        await self._store.database.write(lambda: self._plan(contents))

    def _plan(self, contents: StoreContents) -> Transaction[None]:
        last_used = contents.last_used
        statements = [
            *EMPTY,
            ("UPDATE settings SET value = ? WHERE name = 'org_id'", (contents.org_id,)),
            *(key_row(record) for record in contents.keys),
            *(
                ("UPDATE api_keys SET last_used_at = ? WHERE api_key = ?", (at, api_key))
                for api_key, at in last_used.items()
            ),
            *(prompt_row(prompt) for prompt in contents.prompts),
            *(version_row(version) for prompt in contents.prompts for version in prompt.versions),
            *(event_row(**event) for event in contents.events),
        ]

        def on_commit() -> None:
            trails = ((event["api_key"], event["event"], event["reason"]) for event in contents.events)
            self._store.replace_all(contents.org_id, contents.keys, last_used, contents.prompts, trails)
            self._signer.clear_cache()

        return Transaction(tuple(statements), on_commit)


def _read(document: Any) -> StoreContents:
    if not isinstance(document, Mapping) or cast("Mapping[str, Any]", document).get("format") != _FORMAT:
        raise ValidationError(f"state: format {_FORMAT!r} was expected")
    keys = [_key(key) for key in _list(document, "api_keys")]
    prompts = [_prompt(prompt) for prompt in _list(document, "prompts")]
    _distinct("api_key", (record.api_key for record, _ in keys))
    _distinct("prompt id", (prompt.id for prompt in prompts))
    _distinct("prompt name", (prompt.name for prompt in prompts))
    _distinct("version id", (version.id for prompt in prompts for version in prompt.versions))
    return StoreContents(
        _field(document, "org_id", str),
        tuple(prompts),
        tuple(record for record, _ in keys),
        {record.api_key: at for record, at in keys if at is not None},
        tuple(_event(event) for event in _list(document, "events")),
    )


def _key(key: Any) -> tuple[KeyRecord, float | None]:
    try:
        secret_digest = bytes.fromhex(_field(key, "secret_digest", str))
    except ValueError as error:
        raise ValidationError(f"state: secret_digest is not hexadecimal: {error}") from error
    record = KeyRecord(
        api_key=_field(key, "api_key", str),
        name=check_name(_field(key, "name", str)),
        environment=check_environment(_field(key, "environment", str)),
        secret_digest=secret_digest,
        created_at=_field(key, "created_at", *_NUMBER),
        created_by=_field(key, "created_by", str),
        expires_at=_field(key, "expires_at", *_NUMBER, type(None)),
        revoked_at=_field(key, "revoked_at", *_NUMBER, type(None)),
        revoked_reason=_field(key, "revoked_reason", str, type(None)),
    )
    return record, _field(key, "last_used_at", *_NUMBER, type(None))


def _prompt(prompt: Any) -> StoredPrompt:
    id, name = _field(prompt, "id", str), _field(prompt, "name", str)
    versions = [_version(version, id, name) for version in _list(prompt, "versions")]
    versions.sort(key=lambda version: version.version_number)
    _distinct(f"version_number of {name!r}", (version.version_number for version in versions))
    production_id = _field(prompt, "production_id", str, type(None))
    published = [version.id for version in versions if version.status == "published"]
    if production_id is not None and production_id not in published:
        raise ValidationError(f"state: production_id of {name!r} is none of its published versions")
    return StoredPrompt(id, name, _field(prompt, "created_at", *_NUMBER), production_id, tuple(versions))


def _version(version: Any, prompt_id: str, name: str) -> StoredVersion:
    draft = Draft.checked(
        name,
        _field(version, "content", str, list),
        metadata=_field(version, "metadata", dict, type(None)),
        prompt_type=_field(version, "prompt_type", str),
        tags=_list(version, "tags"),
    )
    status = _field(version, "status", str)
    if status not in ("draft", "published", "archived"):
        raise ValidationError(f"state: a version's status is draft, published or archived, got {status!r}")
    return StoredVersion(
        id=_field(version, "id", str),
        prompt_id=prompt_id,
        name=name,
        version_number=_field(version, "version_number", int),
        content=draft.content,
        status=status,
        created_at=_field(version, "created_at", *_NUMBER),
        updated_at=_field(version, "updated_at", *_NUMBER),
        prompt_type=draft.prompt_type,
        metadata=draft.metadata,
        tags=draft.tags,
        promoted_at=_field(version, "promoted_at", *_NUMBER, type(None)),
        promoted_by=_field(version, "promoted_by", str, type(None)),
    )


def _event(event: Any) -> dict[str, Any]:
    return {
        "api_key": _field(event, "api_key", str, type(None)),
        "event": _field(event, "event", str),
        "at": _field(event, "at", *_NUMBER),
        "actor": _field(event, "actor", str),
        "address": _field(event, "address", str, type(None)),
        "reason": _field(event, "reason", str, type(None)),
        "count": _field(event, "count", int),
    }


def _field(document: Any, name: str, *types: type) -> Any:
    value = cast("Mapping[str, Any]", document).get(name) if isinstance(document, Mapping) else None
    if not isinstance(value, types) or isinstance(value, bool):
        wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
        raise ValidationError(f"state: {name} has to be {wanted}, got {value!r}")
    return value


def _list(document: Any, name: str) -> list[Any]:
    # An export holds tuples; JSON turns them into lists.
    value: list[Any] | tuple[Any, ...] = _field(document, name, list, tuple)
    return list(value)


def _distinct(what: str, values: Iterable[R]) -> None:
    listed = list(values)
    if len(set(listed)) != len(listed):
        raise ValidationError(f"state: {what} appears twice")
