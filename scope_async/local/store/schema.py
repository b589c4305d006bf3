"""The tables of a Local Scope store."""

from __future__ import annotations

VERSION = 1
"""Kept in `PRAGMA user_version`; a store with a higher one was written by a newer scope-async."""

TABLES = """
CREATE TABLE IF NOT EXISTS settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS api_keys (
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
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    api_key TEXT,
    event TEXT NOT NULL,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    reason TEXT,
    count INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS events_by_key ON events (api_key, at, seq);
CREATE TRIGGER IF NOT EXISTS events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TABLE IF NOT EXISTS idempotency (
    key_digest BLOB PRIMARY KEY,
    request_digest BLOB NOT NULL,
    api_key TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prompts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    production_id TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
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

EMPTY = tuple(
    (f"DELETE FROM {table}", ())  # noqa: S608 - our own table names
    for table in ("versions", "prompts", "api_keys", "events", "idempotency")
)
"""Statements that leave only the settings."""
