-- +goose Up
-- Times are microseconds since 1970 in UTC; ids are UUIDv7 in canonical form, so that ids sort by age.

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
	id         INTEGER PRIMARY KEY,
	name       TEXT    NOT NULL UNIQUE,
	created_at INTEGER NOT NULL
);

CREATE TABLE keys (
	id         TEXT    PRIMARY KEY,
	user_id    INTEGER NOT NULL REFERENCES users (id),
	hash       TEXT    NOT NULL UNIQUE, -- SHA-256 of the token
	scopes     TEXT    NOT NULL,        -- separated by spaces
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	revoked_at INTEGER
);

CREATE TABLE jobs (
	id         TEXT    PRIMARY KEY,
	user_id    INTEGER NOT NULL,
	tag        TEXT    NOT NULL,
	hidden     INTEGER NOT NULL,
	state      TEXT    NOT NULL, -- waiting processing finished error
	tasks_left INTEGER NOT NULL,
	failures   INTEGER NOT NULL, -- of tasks whose failure counts
	events     INTEGER NOT NULL, -- the number of the last one
	created_at INTEGER NOT NULL,
	started_at INTEGER,
	ended_at   INTEGER
);
CREATE INDEX jobs_of_user ON jobs (user_id, id) WHERE hidden = 0;

CREATE TABLE tasks (
	id             TEXT    PRIMARY KEY,
	job_id         TEXT    NOT NULL,
	user_id        INTEGER NOT NULL,
	pos            INTEGER NOT NULL, -- place in the job's document
	name           TEXT    NOT NULL,
	operation      TEXT    NOT NULL,
	spelling       TEXT    NOT NULL, -- of the operation, as the client wrote it
	lane           TEXT    NOT NULL,
	priority       INTEGER NOT NULL,
	state          TEXT    NOT NULL, -- waiting ready postponed processing finished error
	deps_left      INTEGER NOT NULL, -- inputs, and the outside, that have not come yet
	ok_inputs      INTEGER NOT NULL,
	attempt        INTEGER NOT NULL, -- claims so far; the fence
	tries          INTEGER NOT NULL,
	losses         INTEGER NOT NULL, -- workers that died over it
	node           TEXT,
	not_before     INTEGER,          -- of a postponed one
	ignore_error   INTEGER NOT NULL,
	ignored        INTEGER NOT NULL, -- its failure does not count
	awaits         INTEGER NOT NULL, -- its file has to come from outside
	upload_until   INTEGER,
	percent        INTEGER NOT NULL,
	code           TEXT,
	message        TEXT,
	engine         TEXT,
	engine_version TEXT,
	metadata       TEXT,
	output         TEXT,
	payload        TEXT    NOT NULL, -- sealed, base64
	redacted       TEXT    NOT NULL, -- JSON
	retry_of       TEXT,
	created_at     INTEGER NOT NULL,
	started_at     INTEGER,
	ended_at       INTEGER,
	expires_at     INTEGER
);
CREATE INDEX tasks_of_job    ON tasks (job_id, pos);
CREATE INDEX tasks_of_user   ON tasks (user_id, id);
CREATE INDEX tasks_live      ON tasks (user_id, id) WHERE ended_at IS NULL;
CREATE INDEX tasks_failed    ON tasks (user_id, id) WHERE state = 'error';
CREATE INDEX tasks_ready     ON tasks (lane, priority, job_id, pos) WHERE state = 'ready';
CREATE INDEX tasks_busy      ON tasks (node) WHERE state = 'processing';
CREATE INDEX tasks_postponed ON tasks (not_before) WHERE state = 'postponed';
CREATE INDEX tasks_awaiting  ON tasks (upload_until) WHERE awaits = 1;
CREATE INDEX tasks_expiring  ON tasks (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX tasks_retried   ON tasks (retry_of) WHERE retry_of IS NOT NULL;

CREATE TABLE deps (
	parent TEXT    NOT NULL,
	child  TEXT    NOT NULL,
	pos    INTEGER NOT NULL,
	need   INTEGER NOT NULL, -- needed, but not an input
	PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX deps_of_child ON deps (child, pos);

CREATE TABLE blobs (
	id    TEXT    PRIMARY KEY,
	dying INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_dying ON blobs (id) WHERE dying = 1;

CREATE TABLE files (
	id      TEXT    PRIMARY KEY,
	task_id TEXT    NOT NULL,
	arrived INTEGER NOT NULL, -- came from outside for the task, rather than being made by it
	pos     INTEGER NOT NULL,
	blob_id TEXT,
	name    TEXT    NOT NULL,
	dir     TEXT    NOT NULL,
	size    INTEGER NOT NULL,
	mime    TEXT    NOT NULL,
	sha256  TEXT    NOT NULL,
	md5     TEXT    NOT NULL,
	crc32c  TEXT    NOT NULL,
	link    INTEGER NOT NULL,
	inline  INTEGER NOT NULL,
	facts   TEXT
) WITHOUT ROWID;
CREATE INDEX files_of_task ON files (task_id, arrived, pos);
CREATE INDEX files_of_blob ON files (blob_id) WHERE blob_id IS NOT NULL;

CREATE TABLE events (
	job_id  TEXT    NOT NULL,
	n       INTEGER NOT NULL,
	task_id TEXT    NOT NULL,
	kind    TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (job_id, n)
) WITHOUT ROWID;

CREATE TABLE idempotency (
	user_id    INTEGER NOT NULL,
	key        TEXT    NOT NULL,
	digest     TEXT    NOT NULL,
	job_id     TEXT    NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_expiring ON idempotency (expires_at);
