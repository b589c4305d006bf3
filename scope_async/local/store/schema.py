"""The tables of a Local Scope store, and how a store of an older version gets them."""

from __future__ import annotations

from scope_async.errors import ConfigurationError

APPLICATION_ID = 0x53634C63
"""`ScLc`, kept in `PRAGMA application_id` since version 2: tells a store from other SQLite files."""

_TABLES = """
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE api_keys (
    api_key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    secret_digest BLOB NOT NULL,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    expires_at REAL,
    revoked_at REAL,
    revoked_reason TEXT,
    last_used_at REAL
) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    api_key TEXT,
    event TEXT NOT NULL,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    reason TEXT,
    count INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX events_by_key ON events (api_key, at, seq);
CREATE TRIGGER events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TABLE idempotency (
    key_digest BLOB PRIMARY KEY,
    request_digest BLOB NOT NULL,
    api_key TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE prompts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    production_id TEXT
) WITHOUT ROWID;
CREATE TABLE versions (
    id TEXT PRIMARY KEY,
    prompt_id TEXT NOT NULL REFERENCES prompts (id) DEFERRABLE INITIALLY DEFERRED,
    version_number INTEGER NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    prompt_type TEXT NOT NULL,
    metadata TEXT,
    tags TEXT NOT NULL,
    promoted_at REAL,
    promoted_by TEXT,
    UNIQUE (prompt_id, version_number)
) WITHOUT ROWID;
"""

# A version that was published beside the production version has no place in the lifecycle: one that
# was in production before is archived, any other becomes a draft. `prompts.production_id` is unused
# since then, because the published version is the production version.
_LIFECYCLE = """
ALTER TABLE api_keys ADD COLUMN replaces TEXT;
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT;
ALTER TABLE api_keys ADD COLUMN last_used_agent TEXT;
ALTER TABLE api_keys ADD COLUMN last_used_address TEXT;
UPDATE api_keys SET
    replaces = (
        SELECT substr(reason, length('replaces ') + 1) FROM events
        WHERE events.api_key = api_keys.api_key AND event = 'created' AND reason LIKE 'replaces %'
        ORDER BY seq LIMIT 1
    ),
    replaced_by = (
        SELECT substr(reason, length('replaced by ') + 1) FROM events
        WHERE events.api_key = api_keys.api_key AND event = 'rotated' AND reason LIKE 'replaced by %'
        ORDER BY seq DESC LIMIT 1
    );
ALTER TABLE versions ADD COLUMN created_by TEXT;
CREATE TABLE promotions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    prompt_id TEXT NOT NULL REFERENCES prompts (id) DEFERRABLE INITIALLY DEFERRED,
    version_id TEXT NOT NULL,
    version_number INTEGER NOT NULL,
    promoted_by TEXT NOT NULL,
    promoted_at REAL NOT NULL,
    previous_version INTEGER,
    notes TEXT
);
INSERT INTO promotions (id, prompt_id, version_id, version_number, promoted_by, promoted_at, previous_version)
SELECT 'promotion_' || lower(hex(randomblob(16))), prompt_id, id, version_number,
    coalesce(promoted_by, 'local'), promoted_at, lag(version_number) OVER by_time
FROM versions WHERE promoted_at IS NOT NULL
WINDOW by_time AS (PARTITION BY prompt_id ORDER BY promoted_at, version_number)
ORDER BY promoted_at, version_number;
UPDATE versions SET status = CASE WHEN promoted_at IS NULL THEN 'draft' ELSE 'archived' END
WHERE status = 'published'
    AND id NOT IN (SELECT production_id FROM prompts WHERE production_id IS NOT NULL);
UPDATE prompts SET production_id = NULL;
CREATE UNIQUE INDEX one_published_version ON versions (prompt_id) WHERE status = 'published';
CREATE TABLE prompt_files (
    name TEXT PRIMARY KEY,
    digest BLOB NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS = (
    _TABLES,
    f"PRAGMA application_id = {APPLICATION_ID};",
    _LIFECYCLE,
    "ALTER TABLE events ADD COLUMN user_agent TEXT;",
)
"""Step n leads from version n to n + 1. A released step never changes; a new version appends one.

The version is kept in `PRAGMA user_version`; an empty file has version 0.
"""

_VERSION_1_TABLES = frozenset({"settings", "api_keys", "events", "idempotency", "prompts", "versions"})


FILE_FACTS = """
SELECT application_id, user_version, (SELECT group_concat(name) FROM sqlite_master WHERE type = 'table')
FROM pragma_application_id, pragma_user_version
"""
"""Query for the arguments of `plan_migration`."""


def plan_migration(application_id: int, version: int, tables: str | None) -> str:
    """Return the SQL that brings a file up to date, in one transaction; `tables` are separated by commas.

    It is empty for a store of the current version.

    Raises:
        ConfigurationError: the file belongs to another program or to a newer scope-async.
    """
    is_new = (application_id, version) == (0, 0) and not tables
    is_version_1 = (application_id, version) == (0, 1) and set((tables or "").split(",")) >= _VERSION_1_TABLES
    if application_id != APPLICATION_ID and not is_new and not is_version_1:
        raise ConfigurationError("is a SQLite file of another program: give Local Scope a path of its own")
    newest = len(MIGRATIONS)
    if version > newest:
        raise ConfigurationError(
            f"was written by a newer scope-async (store version {version}, this one knows {newest}): "
            "upgrade scope-async, or use another path"
        )
    if version == newest:
        return ""
    return f"BEGIN IMMEDIATE; {' '.join(MIGRATIONS[version:])} PRAGMA user_version = {newest}; COMMIT;"


EMPTY = tuple(
    (f"DELETE FROM {table}", ())  # noqa: S608 - our own table names
    for table in ("versions", "promotions", "prompts", "api_keys", "events", "idempotency")
)
"""Statements that leave only the settings, and what the prompt files of the last start held."""
