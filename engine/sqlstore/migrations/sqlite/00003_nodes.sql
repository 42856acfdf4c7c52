-- +goose Up
-- The processes that claim tasks, where there is more than one. What a process claimed that is not listed is lost.
CREATE TABLE nodes (
	id         TEXT    PRIMARY KEY,
	host       TEXT    NOT NULL,
	version    TEXT    NOT NULL,
	lanes      TEXT    NOT NULL, -- JSON: the slots of each
	operations TEXT    NOT NULL, -- JSON: the names of those it can run
	started_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL  -- by the database's clock
) WITHOUT ROWID;
