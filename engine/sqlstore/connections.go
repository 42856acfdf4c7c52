package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"

	"github.com/gantry-engine/gantry/engine"
)

// PutConnection implements engine.Connections.
func (s *Store) PutConnection(ctx context.Context, c engine.Connection) error {
	const query = `INSERT INTO connections (user_id, name, kind, sealed, created_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (user_id, name) DO UPDATE SET kind = excluded.kind, sealed = excluded.sealed, created_at = excluded.created_at`
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		return t.session.exec(ctx, query, c.User, plain(c.Name), plain(c.Kind), base64.StdEncoding.EncodeToString(c.Sealed),
			micros(c.CreatedAt))
	})
}

const connectionSQL = `SELECT c.user_id, users.name, c.name, c.kind, c.sealed, c.created_at
	FROM connections AS c JOIN users ON users.id = c.user_id`

func scanConnection(r rows) (engine.Connection, error) {
	var c engine.Connection
	var sealed string
	var created sql.NullInt64
	if err := r.Scan(&c.User, &c.UserName, &c.Name, &c.Kind, &sealed, &created); err != nil {
		return c, err
	}
	c.CreatedAt = fromMicros(created)
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return c, fmt.Errorf("read a connection: %w", err)
	}
	c.Sealed = raw
	return c, nil
}

// Connection implements engine.Connections.
func (s *Store) Connection(ctx context.Context, user engine.UserID, name string) (engine.Connection, error) {
	var c engine.Connection
	err := s.read(ctx, connectionSQL+` WHERE c.user_id = ? AND c.name = ?`, func(r rows) (err error) {
		c, err = scanConnection(r)
		return err
	}, user, plain(name))
	if err == nil && c.Name == "" {
		err = noConnection()
	}
	return c, err
}

func noConnection() error { return engine.Errorf(engine.NotFound, "There is no such connection.") }

// Connections implements engine.Connections.
func (s *Store) Connections(ctx context.Context) (all []engine.Connection, err error) {
	err = s.read(ctx, connectionSQL+` ORDER BY users.name, c.name`, func(r rows) error {
		c, err := scanConnection(r)
		all = append(all, c)
		return err
	})
	return all, err
}

// RemoveConnection implements engine.Connections.
func (s *Store) RemoveConnection(ctx context.Context, user engine.UserID, name string) error {
	return s.remove(ctx, noConnection(), `DELETE FROM connections WHERE user_id = ? AND name = ? RETURNING name`, user, plain(name))
}

// remove runs a DELETE that returns what it removed; none is what it returns if that is nothing.
func (s *Store) remove(ctx context.Context, none error, query string, args ...any) error {
	found := false
	err := s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		found = false
		return t.each(ctx, query, func(rows) error { found = true; return nil }, args...)
	})
	if err == nil && !found {
		return none
	}
	return err
}

// HoldHostKey implements engine.HostKeys.
func (s *Store) HoldHostKey(ctx context.Context, k engine.HostKey) (string, error) {
	const query = `INSERT INTO host_keys (user_id, host, host_key, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (user_id, host) DO NOTHING`
	err := s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		return t.session.exec(ctx, query, k.User, plain(k.Host), plain(k.Key), micros(k.CreatedAt))
	})
	if err != nil {
		return "", err
	}
	return s.HostKey(ctx, k.User, k.Host)
}

// HostKey implements engine.HostKeys.
func (s *Store) HostKey(ctx context.Context, user engine.UserID, host string) (key string, err error) {
	err = s.read(ctx, `SELECT host_key FROM host_keys WHERE user_id = ? AND host = ?`,
		func(r rows) error { return r.Scan(&key) }, user, plain(host))
	return key, err
}

// HostKeys implements engine.HostKeys.
func (s *Store) HostKeys(ctx context.Context) (all []engine.HostKey, err error) {
	const query = `SELECT k.user_id, users.name, k.host, k.host_key, k.created_at
		FROM host_keys AS k JOIN users ON users.id = k.user_id ORDER BY k.host, users.name`
	err = s.read(ctx, query, func(r rows) error {
		var k engine.HostKey
		var created sql.NullInt64
		err := r.Scan(&k.User, &k.UserName, &k.Host, &k.Key, &created)
		k.CreatedAt = fromMicros(created)
		all = append(all, k)
		return err
	})
	return all, err
}

// ForgetHostKey implements engine.HostKeys.
func (s *Store) ForgetHostKey(ctx context.Context, host string) error {
	none := engine.Errorf(engine.NotFound, "No key of that host is held.")
	return s.remove(ctx, none, `DELETE FROM host_keys WHERE host = ? RETURNING host`, plain(host))
}
