PRAGMA application_id = 1399016547;
PRAGMA user_version = 4;
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
, replaces TEXT, replaced_by TEXT, last_used_agent TEXT, last_used_address TEXT) WITHOUT ROWID;
INSERT INTO "api_keys" VALUES('key_1rvPeStQRgyR2aAhhptMFD','rotated','production',X'710E0C9DC9BFAB3BC8C8CD80207D2180B3E9A49A7713AEC950E4AAB60DF6E441',1.79581515059426712987e+09,'local',NULL,NULL,NULL,NULL,'key_1uvjORVbV6Z9XW4ws3BTe9',NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_1uvjORVbV6Z9XW4ws3BTe9','rotated','production',X'E2795BE435D8B37831833448CB5A4CDF304048B738AF38AE158EB5FCC468D6D5',1.7958151505937042236e+09,'local',1.79590155059426164621e+09,NULL,NULL,NULL,NULL,'key_1rvPeStQRgyR2aAhhptMFD',NULL,NULL);
INSERT INTO "api_keys" VALUES('key_1xCCXaKkbQJXSGBWqqE6FF','billing-service-prod','production',X'7804214E6EB532412347EA5C6E50E3FF67868D108EE81063146CB7686E800BBB',1.7958151505925703049e+09,'local',NULL,1.79581515059317803383e+09,'leaked',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_3Oldl6WdDBtIsRfKcH3LAd','default','production',X'D8E16C5770F258067507322B5D01A2A30A3B81C71F0A2EC8CC90B7759315D650',1795815150.58576,'local',NULL,NULL,NULL,1.79581515062205553058e+09,NULL,NULL,'scope-async/0.1.0','127.0.0.1');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    api_key TEXT,
    event TEXT NOT NULL,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    reason TEXT,
    count INTEGER NOT NULL DEFAULT 1
, user_agent TEXT);
INSERT INTO "events" VALUES(1,'key_3Oldl6WdDBtIsRfKcH3LAd','created',1795815150.58576,'local',NULL,NULL,1,NULL);
INSERT INTO "events" VALUES(2,'key_1xCCXaKkbQJXSGBWqqE6FF','created',1.7958151505925703049e+09,'local',NULL,NULL,1,NULL);
INSERT INTO "events" VALUES(3,'key_1xCCXaKkbQJXSGBWqqE6FF','revoked',1.79581515059317803383e+09,'local',NULL,'leaked',1,NULL);
INSERT INTO "events" VALUES(4,'key_1uvjORVbV6Z9XW4ws3BTe9','created',1.7958151505937042236e+09,'local',NULL,NULL,1,NULL);
INSERT INTO "events" VALUES(5,'key_1rvPeStQRgyR2aAhhptMFD','created',1.79581515059426712987e+09,'local',NULL,'replaces key_1uvjORVbV6Z9XW4ws3BTe9',1,NULL);
INSERT INTO "events" VALUES(6,'key_1uvjORVbV6Z9XW4ws3BTe9','rotated',1.79581515059426712987e+09,'local',NULL,'replaced by key_1rvPeStQRgyR2aAhhptMFD',1,NULL);
INSERT INTO "events" VALUES(7,'key_3Oldl6WdDBtIsRfKcH3LAd','used',1.79581515062205553058e+09,'key_3Oldl6WdDBtIsRfKcH3LAd','127.0.0.1','exchange',1,'scope-async/0.1.0');
CREATE TABLE idempotency (
    key_digest BLOB PRIMARY KEY,
    request_digest BLOB NOT NULL,
    api_key TEXT NOT NULL
) WITHOUT ROWID;
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
INSERT INTO "promotions" VALUES(1,'promotion_3bQb4rQWWp6We0q0PGXmib','prompt_6iE07CWhiTgNoNBoqVUPou','version_2XRcW4XEHgl0L0jaK0YdJM',1,'local',1.7958151505868668556e+09,NULL,NULL);
INSERT INTO "promotions" VALUES(2,'promotion_5TE09w4JfNkbSOenftoprb','prompt_68nu96S6Wj169ghUdmwKym','version_0EHHeh1znCfQE5a0XW02Q4',1,'local',1.79581515059102559089e+09,NULL,NULL);
CREATE TABLE prompt_files (
    name TEXT PRIMARY KEY,
    digest BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "prompt_files" VALUES('from-files',X'6C22A4EA77C864A17ACEAB9880571DFEED0E9D75BC85358A45365DAC5F6E0254');
CREATE TABLE prompts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    production_id TEXT
) WITHOUT ROWID;
INSERT INTO "prompts" VALUES('prompt_68nu96S6Wj169ghUdmwKym','greeting',1.79581515059101963038e+09,NULL);
INSERT INTO "prompts" VALUES('prompt_6iE07CWhiTgNoNBoqVUPou','from-files',1.7958151505868580341e+09,NULL);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('org_id','org_3dKqcCjNQMPMoWCVWGoMje');
INSERT INTO "settings" VALUES('signing_key',X'8E510B9D98886A09581B6627175AFA22027897559F1C544E7367E257DFCEAB50');
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
    promoted_by TEXT, created_by TEXT,
    UNIQUE (prompt_id, version_number)
) WITHOUT ROWID;
INSERT INTO "versions" VALUES('version_0EHHeh1znCfQE5a0XW02Q4','prompt_68nu96S6Wj169ghUdmwKym',1,'"Hello, {{name}}!"','published',1.79581515059102559089e+09,1.79581515059102559089e+09,'text','{"team": "billing"}','[]',1.79581515059102559089e+09,'local','local');
INSERT INTO "versions" VALUES('version_2XRcW4XEHgl0L0jaK0YdJM','prompt_6iE07CWhiTgNoNBoqVUPou',1,'"x"','published',1.7958151505868668556e+09,1.7958151505868668556e+09,'text',NULL,'[]',1.7958151505868668556e+09,'local','local');
INSERT INTO "versions" VALUES('version_6W3nfgkTLEMS06fZKu8rxG','prompt_68nu96S6Wj169ghUdmwKym',2,'"Hi, {{name}}!"','draft',1.79581515059200453755e+09,1.79581515059200453755e+09,'text',NULL,'[]',NULL,NULL,'local');
CREATE INDEX events_by_key ON events (api_key, at, seq);
CREATE TRIGGER events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE UNIQUE INDEX one_published_version ON versions (prompt_id) WHERE status = 'published';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('promotions',2);
INSERT INTO "sqlite_sequence" VALUES('events',7);
COMMIT;
