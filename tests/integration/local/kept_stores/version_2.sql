PRAGMA application_id=1399016547;
PRAGMA user_version=2;
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
INSERT INTO "api_keys" VALUES('key_17sgkjdP9zOa7NJ9SpQ4Le','default','production',X'CA43F76299A1EE68859307321849CC5C09664E20FED1BB29D6965AAFCFF59793',1767225600.0,'local',NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_4XdGPsJH3LMGRuJxgkpvuZ','billing-service-prod','production',X'7D6DC5C653B2E10AA3FBE0F8176569B0869EF9C4089F88E1D36479EEBFEC599D',1767225600.0,'local',NULL,1767225600.0,'leaked',NULL);
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
INSERT INTO "events" VALUES(1,'key_17sgkjdP9zOa7NJ9SpQ4Le','created',1767225600.0,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(2,'key_4XdGPsJH3LMGRuJxgkpvuZ','created',1767225600.0,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(3,'key_4XdGPsJH3LMGRuJxgkpvuZ','revoked',1767225600.0,'local',NULL,'leaked',1);
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
INSERT INTO "prompts" VALUES('prompt_5a6AvZkl4BvaHKo6rIz4cG','greeting',1767225600.0,'version_1cX6mBWuuAq8apsKRl9WST');
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('org_id','org_3NwgKDz64aMmF2wfSVUACE');
INSERT INTO "settings" VALUES('signing_key',X'B91189508CDFD421EC092A758BC0DD2836A499032FEF61888376FEEC2A24360C');
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
INSERT INTO "versions" VALUES('version_1cX6mBWuuAq8apsKRl9WST','prompt_5a6AvZkl4BvaHKo6rIz4cG',1,'"Hello, {{name}}!"','published',1767225600.0,1767225600.0,'text','{"team": "billing"}','["kept"]',1767225600.0,'local');
INSERT INTO "versions" VALUES('version_24qUQQBKeuJssbDt6AMweV','prompt_5a6AvZkl4BvaHKo6rIz4cG',2,'"Hi, {{name}}!"','published',1767225600.0,1767225600.0,'text',NULL,'[]',NULL,NULL);
CREATE INDEX events_by_key ON events (api_key, at, seq);
CREATE TRIGGER events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',3);
COMMIT;
