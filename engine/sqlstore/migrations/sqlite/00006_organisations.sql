-- +goose Up
CREATE TABLE organisations (
	id         TEXT    PRIMARY KEY,
	name       TEXT    NOT NULL,
	created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE members (
	organisation_id TEXT    NOT NULL,
	user_id         INTEGER NOT NULL,
	PRIMARY KEY (organisation_id, user_id)
) WITHOUT ROWID;

-- Files that live as long as their organisation. One that came by an upload URL stays without its blob until the URL has
-- ended, so that the URL is not used again.
CREATE TABLE stored_files (
	id              TEXT    PRIMARY KEY,
	organisation_id TEXT    NOT NULL,
	blob_id         TEXT,             -- NULL: removed
	name            TEXT    NOT NULL,
	size            INTEGER NOT NULL,
	mime            TEXT    NOT NULL, -- by content
	content_type    TEXT    NOT NULL, -- by its sender
	sha256          TEXT    NOT NULL,
	md5             TEXT    NOT NULL,
	crc32c          TEXT    NOT NULL,
	created_at      INTEGER NOT NULL,
	once_until      INTEGER
) WITHOUT ROWID;
CREATE INDEX stored_files_of_organisation ON stored_files (organisation_id);
CREATE INDEX stored_files_of_blob ON stored_files (blob_id) WHERE blob_id IS NOT NULL;
CREATE INDEX stored_files_removed ON stored_files (once_until) WHERE blob_id IS NULL;

-- Computers of which users export files.
CREATE TABLE workspaces (
	id         TEXT    PRIMARY KEY,
	user_id    INTEGER NOT NULL,
	name       TEXT    NOT NULL,
	home       TEXT    NOT NULL,
	home_as    TEXT    NOT NULL,
	remote     TEXT,             -- where it is reached and how, sealed, base64; NULL: it is this machine
	created_at INTEGER NOT NULL,
	UNIQUE (user_id, name)
) WITHOUT ROWID;

-- The stored file that a job exports.
ALTER TABLE jobs ADD COLUMN file_id TEXT;
CREATE INDEX jobs_of_file ON jobs (file_id) WHERE file_id IS NOT NULL;
