PRAGMA application_id = 1399016547;
PRAGMA user_version = 3;
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
INSERT INTO "api_keys" VALUES('key_2pnFpEPjzGBrZZNPrrru19','billing-service-prod','production',X'87263CB0BA98FE90CEACA92315B1604F909160887188871EA9E84D3A18CE4FC7',1.7958057410858297348e+09,'local',NULL,1.79580574108654737472e+09,'leaked',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_3HYkgEE7bNpuR0bJhBt6U7','rotated','production',X'8628D53D09FC45FD1F4B06E3242C6C588A01B7C16146EAB2525B3C2D0B39C51B',1.79580574108707880973e+09,'local',1.79589214108770036694e+09,NULL,NULL,NULL,NULL,'key_6t5cDdNGtIbqcKquDzzHfK',NULL,NULL);
INSERT INTO "api_keys" VALUES('key_5at2ok4sz3TC6UTUYgQJYw','default','production',X'90FBE2CF64EB0ADA58550A5E472E6D66FCB8C68A5EAF2AB2E45AB8DBDB34DA0D',1.79580574107618689541e+09,'local',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('key_6t5cDdNGtIbqcKquDzzHfK','rotated','production',X'99B11AAFB5E076C5B5FE956AC442C36A6BEFA029628CC1E50EDF1E3C47D216F7',1.79580574108770585056e+09,'local',NULL,NULL,NULL,NULL,'key_3HYkgEE7bNpuR0bJhBt6U7',NULL,NULL,NULL);
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
INSERT INTO "events" VALUES(1,'key_5at2ok4sz3TC6UTUYgQJYw','created',1.79580574107618689541e+09,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(2,'key_2pnFpEPjzGBrZZNPrrru19','created',1.7958057410858297348e+09,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(3,'key_2pnFpEPjzGBrZZNPrrru19','revoked',1.79580574108654737472e+09,'local',NULL,'leaked',1);
INSERT INTO "events" VALUES(4,'key_3HYkgEE7bNpuR0bJhBt6U7','created',1.79580574108707880973e+09,'local',NULL,NULL,1);
INSERT INTO "events" VALUES(5,'key_6t5cDdNGtIbqcKquDzzHfK','created',1.79580574108770585056e+09,'local',NULL,'replaces key_3HYkgEE7bNpuR0bJhBt6U7',1);
INSERT INTO "events" VALUES(6,'key_3HYkgEE7bNpuR0bJhBt6U7','rotated',1.79580574108770585056e+09,'local',NULL,'replaced by key_6t5cDdNGtIbqcKquDzzHfK',1);
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
INSERT INTO "promotions" VALUES(1,'promotion_4mr8LvAzKCsK2trvpNRYLn','prompt_2nJkk54QCR197JaScuKaUn','version_5hQwOq6Joe66XbFiOMsbSE',1,'local',1.79580574108027076719e+09,NULL,NULL);
INSERT INTO "promotions" VALUES(2,'promotion_6OhCMDsfuoGkuZEJGhzo6J','prompt_04lYHzqdnMv8fr4cfWk4QN','version_03K70DNxgOiCCHPqIPm4By',1,'local',1.7958057410842795372e+09,NULL,NULL);
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
INSERT INTO "prompts" VALUES('prompt_04lYHzqdnMv8fr4cfWk4QN','greeting',1.79580574108427357669e+09,NULL);
INSERT INTO "prompts" VALUES('prompt_2nJkk54QCR197JaScuKaUn','from-files',1.79580574108026075363e+09,NULL);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('org_id','org_3az9SqIQYnftlBK6ilTUbZ');
INSERT INTO "settings" VALUES('signing_key',X'C19DB62A215412426B55FEC937533F60DC1BA19EBCE7E335207E54EC05BD5739');
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
INSERT INTO "versions" VALUES('version_03K70DNxgOiCCHPqIPm4By','prompt_04lYHzqdnMv8fr4cfWk4QN',1,'"Hello, {{name}}!"','published',1.7958057410842795372e+09,1.7958057410842795372e+09,'text','{"team": "billing"}','[]',1.7958057410842795372e+09,'local','local');
INSERT INTO "versions" VALUES('version_20oINQCMqUxzsDLSf6hyYL','prompt_04lYHzqdnMv8fr4cfWk4QN',2,'"Hi, {{name}}!"','draft',1.7958057410852429867e+09,1.7958057410852429867e+09,'text',NULL,'[]',NULL,NULL,'local');
INSERT INTO "versions" VALUES('version_5hQwOq6Joe66XbFiOMsbSE','prompt_2nJkk54QCR197JaScuKaUn',1,'"x"','published',1.79580574108027076719e+09,1.79580574108027076719e+09,'text',NULL,'[]',1.79580574108027076719e+09,'local','local');
CREATE INDEX events_by_key ON events (api_key, at, seq);
CREATE TRIGGER events_only_grow BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE UNIQUE INDEX one_published_version ON versions (prompt_id) WHERE status = 'published';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('promotions',2);
INSERT INTO "sqlite_sequence" VALUES('events',6);
COMMIT;
