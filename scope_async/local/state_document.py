"""Reads an exported state, as strictly as every other input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from attrs import evolve, frozen

from scope_async.errors import ValidationError
from scope_async.local.store.key_models import (
    KeyRecord,
    KeyUse,
    check_environment,
    check_name,
    check_reason,
)
from scope_async.local.store.prompt_models import (
    Draft,
    Promotion,
    StoredPrompt,
    StoredVersion,
    check_notes,
    is_text,
)

FORMAT = "scope-async.local/2"
_FORMAT_1 = "scope-async.local/1"
"""Without the lifecycle: a prompt names its production version, others may be published beside it."""
_TEXT_LIMIT = 255
_DIGEST_BYTES = 32
_LAST_INSTANT = 253_402_300_799.0
"""The end of the year 9999, in seconds since the epoch: what ISO 8601 and `datetime` can write."""
_LAST_NUMBER = 2**53
"""JSON numbers are exact up to there (RFC 8259, 6)."""

R = TypeVar("R")


@frozen
class StoreContents:
    """The content of a store: prompts, keys with their digests, last uses, and the audit trail."""

    org_id: str
    prompts: tuple[StoredPrompt, ...]
    keys: tuple[KeyRecord, ...]
    last_uses: Mapping[str, KeyUse]
    events: tuple[dict[str, Any], ...]


def read_state(document: Any) -> StoreContents:
    """Return what an export of this or the previous format holds.

    Raises:
        ValidationError: the document is not an export; the message names the field.
    """
    found = cast("Mapping[str, Any]", document).get("format") if isinstance(document, Mapping) else None
    if found not in (FORMAT, _FORMAT_1):
        raise ValidationError(f"state: format {FORMAT!r} was expected")
    is_format_1 = found == _FORMAT_1
    keys = [_key(key, is_format_1=is_format_1) for key in _list(document, "api_keys")]
    prompts = [_prompt(prompt, is_format_1=is_format_1) for prompt in _list(document, "prompts")]
    records = [record for record, _ in keys]
    _distinct("api_key", (record.api_key for record in records))
    _distinct("prompt", (prompt.name for prompt in prompts))
    _distinct("prompt id", (prompt.id for prompt in prompts))
    _distinct("version id", (version.id for prompt in prompts for version in prompt.versions))
    _distinct("promotion id", (promotion.id for prompt in prompts for promotion in prompt.promotions))
    _check_rotations(records)
    return StoreContents(
        _text(document, "org_id"),
        tuple(prompts),
        tuple(records),
        {record.api_key: use for record, use in keys if use is not None},
        tuple(_event(event) for event in _list(document, "events")),
    )


def _key(key: Any, *, is_format_1: bool) -> tuple[KeyRecord, KeyUse | None]:
    try:
        secret_digest = bytes.fromhex(_field(key, "secret_digest", str))
    except ValueError as error:
        raise ValidationError(f"state: secret_digest is not hexadecimal: {error}") from error
    if len(secret_digest) != _DIGEST_BYTES:
        raise ValidationError(f"state: secret_digest has {_DIGEST_BYTES} bytes, got {len(secret_digest)}")
    record = KeyRecord(
        api_key=_text(key, "api_key"),
        name=check_name(_field(key, "name", str)),
        environment=check_environment(_field(key, "environment", str)),
        secret_digest=secret_digest,
        created_at=_time(key, "created_at"),
        created_by=_text(key, "created_by"),
        expires_at=_maybe_time(key, "expires_at"),
        revoked_at=_maybe_time(key, "revoked_at"),
        revoked_reason=check_reason(_field(key, "revoked_reason", str, type(None))),
        replaces=None if is_format_1 else _maybe_text(key, "replaces"),
        replaced_by=None if is_format_1 else _maybe_text(key, "replaced_by"),
    )
    if is_format_1:
        at = _maybe_time(key, "last_used_at")
        return record, None if at is None else KeyUse(at)
    use = _field(key, "last_use", dict, type(None))
    if use is None:
        return record, None
    return record, KeyUse(_time(use, "at"), _maybe_text(use, "user_agent"), _maybe_text(use, "address"))


def _check_rotations(records: list[KeyRecord]) -> None:
    known = {record.api_key for record in records}
    for record in records:
        for name, other in (("replaces", record.replaces), ("replaced_by", record.replaced_by)):
            if other is not None and (other not in known or other == record.api_key):
                raise ValidationError(f"state: {name} of {record.api_key} names no other key: {other!r}")


def _prompt(prompt: Any, *, is_format_1: bool) -> StoredPrompt:
    id, name = _text(prompt, "id"), _field(prompt, "name", str)
    versions = [_version(version, id, name) for version in _list(prompt, "versions")]
    versions.sort(key=lambda version: version.version_number)
    _distinct(f"version_number of {name!r}", (version.version_number for version in versions))
    if is_format_1:
        versions = _with_lifecycle(versions, _maybe_text(prompt, "production_id"))
    if sum(version.is_production for version in versions) > 1:
        raise ValidationError(f"state: more than one version of {name!r} is published")
    promotions = [] if is_format_1 else [_promotion(entry, id) for entry in _list(prompt, "promotions")]
    numbers = {version.id: version.version_number for version in versions}
    for promotion in promotions:
        if numbers.get(promotion.version_id) != promotion.version_number:
            raise ValidationError(f"state: a promotion of {name!r} names none of its versions")
    created_at = _time(prompt, "created_at")
    return StoredPrompt(id, name, created_at, tuple(versions), tuple(promotions))


def _with_lifecycle(versions: list[StoredVersion], production_id: str | None) -> list[StoredVersion]:
    def status(version: StoredVersion) -> StoredVersion:
        if version.id == production_id or version.status != "published":
            return version
        return evolve(version, status="draft" if version.promoted_at is None else "archived")

    if production_id is not None and production_id not in (v.id for v in versions if v.is_production):
        raise ValidationError("state: production_id is none of the published versions")
    return list(map(status, versions))


def _version(version: Any, prompt_id: str, name: str) -> StoredVersion:
    draft = Draft.checked(
        name,
        _field(version, "content", str, list),
        metadata=_field(version, "metadata", dict, type(None)),
        prompt_type=_field(version, "prompt_type", str),
        tags=_list(version, "tags"),
        status=_field(version, "status", str),
    )
    return StoredVersion(
        id=_text(version, "id"),
        prompt_id=prompt_id,
        name=name,
        version_number=_number(version, "version_number"),
        content=draft.content,
        status=draft.status,
        created_at=_time(version, "created_at"),
        updated_at=_time(version, "updated_at"),
        prompt_type=draft.prompt_type,
        metadata=draft.metadata,
        tags=draft.tags,
        created_by=_maybe_text(version, "created_by"),
        promoted_at=_maybe_time(version, "promoted_at"),
        promoted_by=_maybe_text(version, "promoted_by"),
    )


def _promotion(entry: Any, prompt_id: str) -> Promotion:
    previous = _field(entry, "previous_version", int, type(None))
    return Promotion(
        id=_text(entry, "id"),
        prompt_id=prompt_id,
        version_id=_text(entry, "version_id"),
        version_number=_number(entry, "version_number"),
        promoted_by=_text(entry, "promoted_by"),
        promoted_at=_time(entry, "promoted_at"),
        previous_version=None if previous is None else _number(entry, "previous_version"),
        notes=check_notes(_field(entry, "notes", str, type(None))),
    )


def _event(event: Any) -> dict[str, Any]:
    return {
        "api_key": _maybe_text(event, "api_key"),
        "event": _text(event, "event"),
        "at": _time(event, "at"),
        "actor": _text(event, "actor"),
        "address": _maybe_text(event, "address"),
        "user_agent": _maybe_text(event, "user_agent"),
        "reason": check_reason(_field(event, "reason", str, type(None))),
        "count": _number(event, "count"),
    }


def _text(document: Any, name: str) -> str:
    value: str = _field(document, name, str)
    if not 1 <= len(value) <= _TEXT_LIMIT or not value.isprintable() or not is_text(value):
        raise ValidationError(f"state: {name} is 1 to {_TEXT_LIMIT} printable characters, got {value!r}")
    return value


def _maybe_text(document: Any, name: str) -> str | None:
    return None if _value(document, name) is None else _text(document, name)


def _time(document: Any, name: str) -> float:
    value: float = _field(document, name, int, float)
    if not (0 <= value <= _LAST_INSTANT and math.isfinite(value)):
        raise ValidationError(f"state: {name} is seconds since the epoch, up to the year 9999, got {value!r}")
    return float(value)


def _maybe_time(document: Any, name: str) -> float | None:
    return None if _value(document, name) is None else _time(document, name)


def _number(document: Any, name: str) -> int:
    value: int = _field(document, name, int)
    if not 1 <= value <= _LAST_NUMBER:
        raise ValidationError(f"state: {name} is at least 1, got {value!r}")
    return value


def _value(document: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", document).get(name) if isinstance(document, Mapping) else None


def _field(document: Any, name: str, *types: type) -> Any:
    value = _value(document, name)
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
