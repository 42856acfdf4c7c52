package engine

import (
	"context"
	"time"
)

// Workspace is a registered computer, of whose home its owner can have files.
type Workspace struct {
	ID        ID
	Name      string // of its owner's workspaces no other has it
	Owner     UserID
	Home      string // a folder, in full
	HomeAs    string // what clients call that folder
	Remote    []byte // sealed parameters of the SFTP server that has the folder; nil: it is one of this machine
	CreatedAt time.Time
}

// Workspaces keeps workspaces.
type Workspaces interface {
	// AddWorkspace stores a workspace. A name that its owner has given already is a Conflict.
	AddWorkspace(ctx context.Context, w Workspace) error

	// Workspaces returns all workspaces, oldest first.
	Workspaces(ctx context.Context) ([]Workspace, error)

	// Workspace returns the user's workspace of that name or ID; NotFound if there is none.
	Workspace(ctx context.Context, user UserID, nameOrID string) (Workspace, error)

	// RemoveWorkspace forgets a workspace; NotFound if there is none.
	RemoveWorkspace(ctx context.Context, id ID) error
}

// RegisterWorkspace stores a workspace under a fresh ID and returns it. Remote is sealed; nil stands for a folder of this
// machine.
func (e *Engine) RegisterWorkspace(ctx context.Context, w Workspace, remote []byte) (Workspace, error) {
	if _, id := ParseID(w.Name); id || !IsName(w.Name) {
		return w, Errorf(Invalid, "%q cannot be the name of a workspace: it takes printable characters, %d bytes at most, "+
			"and no id.", shortened(w.Name), maxName)
	}
	w.ID, w.CreatedAt, w.Remote = NewID(), e.now(), nil
	if remote != nil {
		sealed, err := e.Sealer.Seal(remote, workspaceBind(w.ID))
		if err != nil {
			return w, err
		}
		w.Remote = sealed
	}
	return w, e.Store.Workspaces.AddWorkspace(ctx, w)
}

func workspaceBind(id ID) string { return "workspace " + string(id) }

// Workspace returns a workspace of the task's user by its name or ID, and the parameters of its SFTP server, nil if it has
// none. Another's is NotFound.
func (r *Run) Workspace(ctx context.Context, nameOrID string) (w Workspace, remote []byte, err error) {
	w, err = r.store.Workspaces.Workspace(ctx, r.User, nameOrID)
	if err != nil || w.Remote == nil {
		return w, nil, err
	}
	remote, err = r.sealer.Unseal(w.Remote, workspaceBind(w.ID))
	if err != nil {
		return w, nil, Wrap(err, Invalid, "The workspace's credential cannot be read: the server's key file is not the one that "+
			"sealed it. Register the workspace again.")
	}
	return w, remote, nil
}
