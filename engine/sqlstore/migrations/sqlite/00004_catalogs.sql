-- +goose Up
-- What the tools of the processes can do, and what none of them can. A process of the version before goes on beside this one:
-- it knows nothing of tools.

ALTER TABLE tasks ADD COLUMN tool TEXT NOT NULL DEFAULT ''; -- without which it cannot be done: an engine, with its version or without

ALTER TABLE nodes ADD COLUMN catalog TEXT NOT NULL DEFAULT ''; -- the digest of what it offers

CREATE TABLE catalogs (
	digest  TEXT PRIMARY KEY,
	offers  TEXT    NOT NULL, -- JSON: the rows of each operation
	seen_at INTEGER NOT NULL  -- when a node last said that it offers this
);

-- The sorts of task that are wanted and that no node can run.
CREATE TABLE absences (
	operation TEXT    NOT NULL,
	tool      TEXT    NOT NULL,
	since     INTEGER NOT NULL,
	PRIMARY KEY (operation, tool)
);
