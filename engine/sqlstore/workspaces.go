package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"

	"github.com/gantry-engine/gantry/engine"
)

// AddWorkspace implements engine.Workspaces.
func (s *Store) AddWorkspace(ctx context.Context, w engine.Workspace) error {
	var remote any
	if w.Remote != nil {
		remote = base64.StdEncoding.EncodeToString(w.Remote)
	}
	const insert = `INSERT INTO workspaces (id, user_id, name, home, home_as, remote, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING RETURNING id`
	return s.change(ctx, func(ctx context.Context, t *tx) (outcome, err error) {
		fresh, err := t.any(ctx, insert, w.ID, w.Owner, plain(w.Name), plain(w.Home), plain(w.HomeAs), remote, micros(w.CreatedAt))
		if err != nil || !fresh {
			return engine.Errorf(engine.Conflict, "There is a workspace %q already.", w.Name), err
		}
		return nil, nil
	})
}

const workspaceSQL = `SELECT id, user_id, name, home, home_as, remote, created_at FROM workspaces`

func scanWorkspace(r rows) (engine.Workspace, error) {
	var w engine.Workspace
	var remote *string
	var created sql.NullInt64
	err := r.Scan(&w.ID, &w.Owner, &w.Name, &w.Home, &w.HomeAs, &remote, &created)
	w.CreatedAt = fromMicros(created)
	if err == nil && remote != nil {
		w.Remote, err = base64.StdEncoding.DecodeString(*remote)
	}
	return w, err
}

// Workspaces implements engine.Workspaces.
func (s *Store) Workspaces(ctx context.Context) (all []engine.Workspace, err error) {
	err = s.read(ctx, workspaceSQL+` ORDER BY id`, func(r rows) error {
		w, err := scanWorkspace(r)
		all = append(all, w)
		return err
	})
	return all, err
}

// Workspace implements engine.Workspaces.
func (s *Store) Workspace(ctx context.Context, user engine.UserID, nameOrID string) (engine.Workspace, error) {
	var w engine.Workspace
	text := plain(nameOrID)
	err := s.read(ctx, workspaceSQL+` WHERE user_id = ? AND (name = ? OR id = ?)`, func(r rows) (err error) {
		w, err = scanWorkspace(r)
		return err
	}, user, text, text)
	if err == nil && w.ID == "" {
		err = noWorkspace()
	}
	return w, err
}

func noWorkspace() error { return engine.Errorf(engine.NotFound, "There is no such workspace.") }

// RemoveWorkspace implements engine.Workspaces.
func (s *Store) RemoveWorkspace(ctx context.Context, id engine.ID) error {
	return s.change(ctx, func(ctx context.Context, t *tx) (outcome, err error) {
		found, err := t.any(ctx, `DELETE FROM workspaces WHERE id = ? RETURNING id`, id)
		if err != nil || !found {
			return noWorkspace(), err
		}
		return nil, nil
	})
}
