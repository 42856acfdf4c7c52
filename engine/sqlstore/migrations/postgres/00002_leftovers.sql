-- +goose Up
-- What attempts have begun at a destination. There is no foreign key: a leftover outlives its task and job.

CREATE TABLE leftovers (
	task_id    TEXT COLLATE "C" NOT NULL,
	n          INTEGER NOT NULL, -- which of the task's
	user_id    INTEGER NOT NULL,
	operation  TEXT    NOT NULL,
	payload    TEXT    NOT NULL, -- the task's, sealed, base64
	state      TEXT    NOT NULL, -- sealed, base64
	done       INTEGER NOT NULL, -- it came to its end; nothing is to be discarded
	tries      INTEGER NOT NULL, -- of discarding it
	created_at BIGINT  NOT NULL,
	not_before BIGINT  NOT NULL, -- of the next try
	PRIMARY KEY (task_id, n)
);
CREATE INDEX leftovers_due ON leftovers (not_before);
