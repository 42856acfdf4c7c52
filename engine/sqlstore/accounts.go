package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// Accounts are changed with single statements on the writing connection: keys are made rarely, and by other processes too.

// EnsureUser implements engine.Accounts.
func (s *Store) EnsureUser(ctx context.Context, name string) (engine.User, error) {
	var u engine.User
	err := s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		const insert = `INSERT INTO users (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`
		if err := t.session.exec(ctx, insert, plain(name), t.at); err != nil {
			return err
		}
		return t.each(ctx, userSQL+` WHERE name = ?`, func(r rows) (err error) {
			u, err = scanUser(r)
			return err
		}, plain(name))
	})
	if err != nil {
		return engine.User{}, err
	}
	return u, nil
}

const userSQL = `SELECT id, name, created_at FROM users`

func scanUser(r rows) (engine.User, error) {
	var u engine.User
	var created sql.NullInt64
	err := r.Scan(&u.ID, &u.Name, &created)
	u.CreatedAt = fromMicros(created)
	return u, err
}

// User implements engine.Accounts.
func (s *Store) User(ctx context.Context, id engine.UserID) (engine.User, error) {
	u := engine.User{ID: -1}
	err := s.read(ctx, userSQL+` WHERE id = ?`, func(r rows) (err error) {
		u, err = scanUser(r)
		return err
	}, id)
	if err == nil && u.ID < 0 {
		err = engine.Errorf(engine.NotFound, "There is no such user.")
	}
	return u, err
}

// AddKey implements engine.Accounts.
func (s *Store) AddKey(ctx context.Context, k engine.Key) error {
	const query = `INSERT INTO keys (id, user_id, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (hash) DO UPDATE SET user_id = excluded.user_id, scopes = excluded.scopes,
			expires_at = excluded.expires_at, revoked_at = NULL`
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		return t.session.exec(ctx, query, k.ID, k.User, k.Hash, strings.Join(k.Scopes, " "), micros(k.CreatedAt), micros(k.ExpiresAt))
	})
}

const keySQL = `SELECT keys.id, keys.user_id, users.name, keys.hash, keys.scopes, keys.created_at, keys.expires_at, keys.revoked_at
	FROM keys JOIN users ON users.id = keys.user_id`

func scanKey(r rows) (engine.Key, error) {
	var k engine.Key
	var scopes string
	var created, expires, revoked sql.NullInt64
	err := r.Scan(&k.ID, &k.User, &k.UserName, &k.Hash, &scopes, &created, &expires, &revoked)
	k.Scopes = strings.Fields(scopes)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = fromMicros(created), fromMicros(expires), fromMicros(revoked)
	return k, err
}

// Key implements engine.Accounts.
func (s *Store) Key(ctx context.Context, hash string) (engine.Key, error) {
	var k engine.Key
	err := s.read(ctx, keySQL+` WHERE keys.hash = ?`, func(r rows) (err error) {
		k, err = scanKey(r)
		return err
	}, hash)
	if err == nil && k.ID == "" {
		err = noKey()
	}
	return k, err
}

func noKey() error { return engine.Errorf(engine.NotFound, "There is no such key.") }

// Keys implements engine.Accounts.
func (s *Store) Keys(ctx context.Context) (keys []engine.Key, err error) {
	err = s.read(ctx, keySQL+` ORDER BY keys.id`, func(r rows) error {
		k, err := scanKey(r)
		keys = append(keys, k)
		return err
	})
	return keys, err
}

// RevokeKey implements engine.Accounts.
func (s *Store) RevokeKey(ctx context.Context, id engine.ID) error {
	found := false
	err := s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		return t.each(ctx, `UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING id`,
			func(rows) error { found = true; return nil }, t.at, id)
	})
	if err == nil && !found {
		err = noKey()
	}
	return err
}
