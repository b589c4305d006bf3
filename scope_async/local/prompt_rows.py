"""Prompts and versions as rows of the store."""

from __future__ import annotations

import json
from typing import Any

from scope_async.local.database import Statement
from scope_async.local.stored_prompt import StoredPrompt, StoredVersion

VERSION_COLUMNS = (
    "id, prompt_id, version_number, content, status, created_at, updated_at, "
    "prompt_type, metadata, tags, promoted_at, promoted_by"
)


def prompt_row(prompt: StoredPrompt) -> Statement:
    """Return the statement that stores the prompt, new or changed, without its versions."""
    sql = (
        "INSERT INTO prompts (id, name, created_at, production_id) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET production_id = excluded.production_id"
    )
    return sql, (prompt.id, prompt.name, prompt.created_at, prompt.production_id)


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
        version.promoted_at,
        version.promoted_by,
    )
    return f"REPLACE INTO versions ({VERSION_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values  # noqa: S608 - our own columns


def read_version(row: tuple[Any, ...], name: str) -> StoredVersion:
    """Return the version in a row of `VERSION_COLUMNS`; its prompt is called `name`."""
    id, prompt_id, number, content, status, created, updated, prompt_type, metadata, tags, at, by = row
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
        promoted_at=at,
        promoted_by=by,
    )
