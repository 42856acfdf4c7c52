package sqlstore

import "context"

// Setting returns what is kept under the name; empty if nothing is.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.read(ctx, `SELECT value FROM settings WHERE name = ?`, func(r rows) error { return r.Scan(&value) }, name)
	return value, err
}

// KeepSetting keeps a value under the name.
func (s *Store) KeepSetting(ctx context.Context, name, value string) error {
	const query = `INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error { return t.session.exec(ctx, query, name, value) })
}

// FirstSetting keeps a value under the name unless one is kept there, and returns that which is.
func (s *Store) FirstSetting(ctx context.Context, name, value string) (string, error) {
	const query = `INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`
	err := s.other(ctx, 1, func(ctx context.Context, t *tx) error { return t.session.exec(ctx, query, name, value) })
	if err != nil {
		return "", err
	}
	return s.Setting(ctx, name)
}
