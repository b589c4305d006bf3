PRAGMA user_version=1;
BEGIN TRANSACTION;
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
INSERT INTO "api_keys" VALUES('key_61KB0Cs95KKwgWzUMLMemV','default','production',X'9C74AC75792FF05A78AA80B06D844A6EAC24185FD2CC357680A6C07841E7940E',1767225600.0,'local',NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_6kJrNxWI1C2EPVEMrgaEX3','billing-service-prod','production',X'A257246D86793A52B05BD39411D6B88DE5ADB8253061CB6805EA83DA5FB1B4B3',1.79580121858013200763e+09,'local',NULL,1.79580121858074831962e+09,'leaked',NULL);
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
INSERT INTO "events" VALUES(1,'key_61KB0Cs95KKwgWzUMLMemV','created',1767225600.0,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(2,'key_6kJrNxWI1C2EPVEMrgaEX3','created',1.79580121858013200763e+09,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(3,'key_6kJrNxWI1C2EPVEMrgaEX3','revoked',1.79580121858074831962e+09,'local',NULL,'leaked',1);
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
INSERT INTO "prompts" VALUES('prompt_5WakGalQrvPrOYHiyQ2bfm','greeting',1767225600.0,'version_771y7drwFzEvkQbV9tc4At');
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('org_id','org_1Ey8cJ3zAuWvlO0C2PAsWG');
INSERT INTO "settings" VALUES('signing_key',X'627828705331B1E728213F627A46E9C31E616F0FBB2349CD68451ADEFEE0598D');
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
INSERT INTO "versions" VALUES('version_2yZmj2VquV4YMh9Pn3i8yS','prompt_5WakGalQrvPrOYHiyQ2bfm',2,'"Hi, {{name}}!"','published',1767225600.0,1767225600.0,'text',NULL,'[]',NULL,NULL);
INSERT INTO "versions" VALUES('version_771y7drwFzEvkQbV9tc4At','prompt_5WakGalQrvPrOYHiyQ2bfm',1,'"Hello, {{name}}!"','published',1767225600.0,1767225600.0,'text','{"team": "billing"}','["kept"]',1767225600.0,'local');
CREATE INDEX events_by_key ON events (api_key, at, seq);
CREATE TRIGGER events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',3);
COMMIT;
