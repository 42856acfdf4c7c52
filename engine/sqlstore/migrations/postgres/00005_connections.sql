-- +goose Up
-- Credentials and addresses under a name, and the keys that hosts showed first, each of one user.

CREATE TABLE connections (
	user_id    INTEGER NOT NULL REFERENCES users (id),
	name       TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	sealed     TEXT    NOT NULL, -- base64
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (user_id, name)
);

CREATE TABLE host_keys (
	user_id    INTEGER NOT NULL REFERENCES users (id),
	host       TEXT    NOT NULL, -- as OpenSSH writes it: HOST, or [HOST]:PORT
	host_key   TEXT    NOT NULL, -- TYPE BASE64
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (user_id, host)
);
