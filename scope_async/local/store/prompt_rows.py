"""Rows of prompts, versions and promotions."""

from __future__ import annotations

import json
from typing import Any

import attrs

from scope_async.local.store.database import Statement
from scope_async.local.store.prompt_models import Draft, Promotion, StoredPrompt, StoredVersion

VERSION_COLUMNS = (
    "id, prompt_id, version_number, content, status, created_at, updated_at, "
    "prompt_type, metadata, tags, created_by, promoted_at, promoted_by"
)
PROMOTION_COLUMNS = (
    "id, prompt_id, version_id, version_number, promoted_by, promoted_at, previous_version, notes"
)


def prompt_row(prompt: StoredPrompt) -> Statement:
    """Return the statement that stores the prompt, unless it is there, without its versions."""
    sql = "INSERT INTO prompts (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
    return sql, (prompt.id, prompt.name, prompt.created_at)


def version_row(version: StoredVersion) -> Statement:
    """Return the statement that stores the version, new or changed."""
    values = (
        version.id,
        version.prompt_id,
        version.version_number,
        json.dumps(version.content),
        version.status,
        version.created_at,
        version.updated_at,
        version.prompt_type,
        None if version.metadata is None else json.dumps(version.metadata),
        json.dumps(version.tags),
        version.created_by,
        version.promoted_at,
        version.promoted_by,
    )
    changes = ", ".join(f"{column} = excluded.{column}" for column in VERSION_COLUMNS.split(", ")[2:])
    sql = (
        f"INSERT INTO versions ({VERSION_COLUMNS}) VALUES ({', '.join('?' * len(values))}) "  # noqa: S608 - our own columns
        f"ON CONFLICT (id) DO UPDATE SET {changes}"
    )
    return sql, values


def read_version(row: tuple[Any, ...], name: str) -> StoredVersion:
    """Return the version in a row of `VERSION_COLUMNS`; `name` is the name of its prompt."""
    id, prompt_id, number, content, status, created, updated, prompt_type, metadata, tags, *people = row
    created_by, promoted_at, promoted_by = people
    return StoredVersion(
        id=id,
        prompt_id=prompt_id,
        name=name,
        version_number=number,
        content=json.loads(content),
        status=status,
        created_at=created,
        updated_at=updated,
        prompt_type=prompt_type,
        metadata=None if metadata is None else json.loads(metadata),
        tags=tuple(json.loads(tags)),
        created_by=created_by,
        promoted_at=promoted_at,
        promoted_by=promoted_by,
    )


def promotion_row(promotion: Promotion) -> Statement:
    """Return the statement that adds an entry to the promotion history."""
    values = attrs.astuple(promotion)
    sql = f"INSERT INTO promotions ({PROMOTION_COLUMNS}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608 - our own columns
    return sql, values


def file_row(draft: Draft, digest: bytes) -> Statement:
    """Return the statement that notes what the prompt files hold under a name."""
    sql = "INSERT INTO prompt_files VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest"
    return sql, (draft.name, digest)
