-- +goose Up
-- The processes that claim tasks. What a process claimed that is not listed is lost.
CREATE TABLE nodes (
	id         TEXT COLLATE "C" PRIMARY KEY,
	host       TEXT   NOT NULL,
	version    TEXT   NOT NULL,
	lanes      TEXT   NOT NULL, -- JSON: the slots of each
	operations TEXT   NOT NULL, -- JSON: the names of those it can run
	started_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL  -- by the database's clock
);
