"""Stores of every version so far, kept as SQL text, are opened by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError
from scope_async.local import LocalScope
from scope_async.local.store import schema
from tests.integration.local.raw_client import RawClient

KEPT = Path(__file__).parent / "kept_stores"
VERSIONS = range(1, len(schema.MIGRATIONS) + 1)
# Each kept store was made for these tests and has this one active API key.
CREDENTIALS = {
    1: ApiKeyCredentials(
        "org_1Ey8cJ3zAuWvlO0C2PAsWG",
        "key_61KB0Cs95KKwgWzUMLMemV",
        "secret_vJGs6TGmWmCXsbQasbZmseDWVrsYPoFUlOClAGo2hdM31YZCI",
    ),
    2: ApiKeyCredentials(
        "org_3NwgKDz64aMmF2wfSVUACE",
        "key_17sgkjdP9zOa7NJ9SpQ4Le",
        "secret_jThNs9tzT6HPm063KxmnimwAUkPPy3WVCGjqvSrUXJ71pnvyi",
    ),
    3: ApiKeyCredentials(
        "org_3az9SqIQYnftlBK6ilTUbZ",
        "key_5at2ok4sz3TC6UTUYgQJYw",
        "secret_gXUSni6NKV8XrtHB3EX4jfdNMuUno63qYcdelvs0XlX0r1rUS",
    ),
    4: ApiKeyCredentials(
        "org_3dKqcCjNQMPMoWCVWGoMje",
        "key_3Oldl6WdDBtIsRfKcH3LAd",
        "secret_x9f8VIJy8CsIkplqWyIDuzcPIWEtkAaBNAQaxKkVDYl1kLHgK",
    ),
}


def make_file(path: Path, sql: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return path


def kept_store(tmp_path: Path, version: int) -> Path:
    return make_file(tmp_path / "scope.db", (KEPT / f"version_{version}.sql").read_text("utf-8"))


def read_schema(path: Path) -> list[tuple[str, ...]]:
    """Return the pragmas, columns and indexes of a store that is closed."""
    pragmas = ("application_id", "user_version")
    with closing(sqlite3.connect(path)) as connection:
        found: list[tuple[str, ...]] = [
            (name, str(connection.execute(f"PRAGMA {name}").fetchone()[0])) for name in pragmas
        ]
        columns = (
            "SELECT t.name, c.name, c.type, c.'notnull', c.pk "
            "FROM sqlite_master t, pragma_table_info(t.name) c"
        )
        found += sorted(tuple(map(str, row)) for row in connection.execute(columns))
        others = "SELECT type, name, tbl_name FROM sqlite_master WHERE type != 'table'"
        return found + sorted(tuple(map(str, row)) for row in connection.execute(others))


@pytest.mark.parametrize("version", VERSIONS)
async def test_store_of_every_version_is_opened_with_all_that_it_holds(tmp_path, session, version):
    path = kept_store(tmp_path, version)
    async with LocalScope(path) as local:
        client = RawClient(local, session)
        token = await client.token(CREDENTIALS[version])
        assert (await client.prompt(token)).json["metadata"] == {"team": "billing"}
        assert (await client.prompt(token, "greeting/latest")).json["version_number"] == 2
        keys = {key["name"]: key for key in (await local.export_state())["api_keys"]}
        assert keys["billing-service-prod"]["revoked_reason"] == "leaked"
        await local.create_key("made-after-the-migration")
    async with LocalScope(tmp_path / "new.db"):
        pass
    assert read_schema(path) == read_schema(tmp_path / "new.db")


async def test_store_without_a_lifecycle_gets_one(tmp_path):
    before = """
        INSERT INTO versions SELECT 'v3', prompt_id, 3, '"three"', 'published', created_at, updated_at,
            prompt_type, NULL, '[]', 1767225700.0, 'ada' FROM versions WHERE version_number = 1;
        INSERT INTO versions SELECT 'v4', prompt_id, 4, '"four"', 'archived', created_at, updated_at,
            prompt_type, NULL, '[]', NULL, NULL FROM versions WHERE version_number = 1;
        UPDATE prompts SET production_id = 'v3';
        INSERT INTO api_keys SELECT 'key_new', name, environment, secret_digest, created_at, created_by,
            NULL, NULL, NULL, 1767225800.0 FROM api_keys WHERE name = 'default';
        INSERT INTO events (api_key, event, at, actor, reason)
            SELECT 'key_new', 'created', 1, 'local', 'replaces ' || api_key FROM api_keys
            WHERE name = 'default';
        INSERT INTO events (api_key, event, at, actor, reason)
            SELECT api_key, 'rotated', 1, 'local', 'replaced by key_new' FROM api_keys
            WHERE name = 'default' AND api_key != 'key_new';
    """
    path = make_file(kept_store(tmp_path, 2), before)
    async with LocalScope(path) as local:
        state = await local.export_state()
        (history,) = [await local.history(prompt["name"]) for prompt in state["prompts"]]
    statuses = [version["status"] for version in state["prompts"][0]["versions"]]
    assert statuses == ["archived", "draft", "published", "archived"]
    assert [(entry.version_number, entry.previous_version, entry.promoted_by) for entry in history] == [
        (3, 1, "ada"),
        (1, None, "local"),
    ]
    keys = {key["api_key"]: key for key in state["api_keys"]}
    old = CREDENTIALS[2].api_key
    assert (keys["key_new"]["replaces"], keys[old]["replaced_by"]) == (old, "key_new")
    assert keys["key_new"]["last_use"] == {"at": 1767225800.0, "user_agent": None, "address": None}


async def test_store_gets_the_column_that_a_later_version_adds(tmp_path, monkeypatch):
    path = kept_store(tmp_path, 1)
    step = "ALTER TABLE api_keys ADD COLUMN owner TEXT;"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    async with LocalScope(path):
        pass
    found = read_schema(path)
    assert ("api_keys", "owner", "TEXT", "0", "0") in found
    assert ("user_version", str(len(schema.MIGRATIONS))) in found


async def test_store_stays_at_its_version_if_a_step_fails(tmp_path, monkeypatch):
    path = kept_store(tmp_path, 1)
    before = read_schema(path)
    steps = ("ALTER TABLE api_keys ADD COLUMN owner TEXT;", "ALTER TABLE nothing ADD COLUMN a TEXT;")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))
    with pytest.raises(ConfigurationError, match="nothing"):
        await LocalScope(path).start()
    assert read_schema(path) == before


async def test_store_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    newer = f"PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = 99;"
    path = make_file(tmp_path / "scope.db", newer)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"scope\.db was written by a newer scope-async .*99"):
        await LocalScope(path).start()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE bookmarks (url TEXT);",
        "CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 1;",
        "PRAGMA application_id = 1; PRAGMA user_version = 1;",
        "PRAGMA user_version = 7;",
    ],
    ids=["tables", "tables and version", "application id", "version"],
)
async def test_store_is_not_made_in_the_file_of_another_program(tmp_path, sql):
    path = make_file(tmp_path / "other.db", sql)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"other\.db is a SQLite file of another program"):
        await LocalScope(path).start()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
