package engine

import (
	"cmp"
	"context"
	"io"
	"mime"
	"strings"
	"time"
)

// Organisation is a group of users with files of its own.
type Organisation struct {
	ID        ID
	Name      string
	CreatedAt time.Time
}

// StoredFile is a file that belongs to an organisation and lives as long as that, whatever expires around it.
type StoredFile struct {
	File                   // its ID is that of the stored file
	Organisation ID        // whose members may do everything with it
	ContentType  string    // what its sender called it, and what it is sent as; MIME is our own finding
	CreatedAt    time.Time // when it was stored
	OnceUntil    time.Time // until then the ID is not given again, even when the file is gone; zero: it was never given out
}

// Organisations keeps organisations, their members and their files.
type Organisations interface {
	// AddOrganisation stores an organisation with its members.
	AddOrganisation(ctx context.Context, o Organisation, members []UserID) error

	// Organisations returns all organisations, oldest first.
	Organisations(ctx context.Context) ([]Organisation, error)

	// RemoveOrganisation removes an organisation with its files, and the jobs that export them, whatever those are doing;
	// NotFound if there is none.
	RemoveOrganisation(ctx context.Context, id ID) error

	// Member is NotFound unless the user is a member of the organisation.
	Member(ctx context.Context, organisation ID, user UserID) error

	// KeepFile stores a file whose bytes nothing refers to yet. NotFound if the organisation is gone; Conflict if the ID was
	// used before.
	KeepFile(ctx context.Context, f StoredFile) error

	// StoredFile returns a file; NotFound if there is none.
	StoredFile(ctx context.Context, id ID) (StoredFile, error)

	// RemoveFile removes a file, and ends the jobs that export it at the moment as Conflict; NotFound if there is none.
	RemoveFile(ctx context.Context, id ID) error
}

// CreateOrganisation makes an organisation of that name with one member.
func (e *Engine) CreateOrganisation(ctx context.Context, name string, member UserID) (Organisation, error) {
	if !IsName(name) {
		return Organisation{}, Errorf(Invalid,
			"%q cannot be the name of an organisation: it takes printable characters, %d bytes at most.", shortened(name), maxName)
	}
	o := Organisation{ID: NewID(), Name: name, CreatedAt: e.now()}
	return o, e.Store.Organisations.AddOrganisation(ctx, o, []UserID{member})
}

// StoredFile returns a file of an organisation that the user is a member of; all others are NotFound.
func (e *Engine) StoredFile(ctx context.Context, user UserID, id ID) (StoredFile, error) {
	return e.Store.storedFile(ctx, user, id)
}

func (s Store) storedFile(ctx context.Context, user UserID, id ID) (StoredFile, error) {
	f, err := s.Organisations.StoredFile(ctx, id)
	if err != nil {
		return StoredFile{}, err
	}
	if err := s.Organisations.Member(ctx, f.Organisation, user); err != nil {
		if isNotFound(err) {
			err = Errorf(NotFound, "There is no such file.")
		}
		return StoredFile{}, err
	}
	return f, nil
}

// Stored returns a file of an organisation that the task's user is a member of; all others are NotFound.
func (r *Run) Stored(ctx context.Context, id ID) (StoredFile, error) {
	return r.store.storedFile(ctx, r.User, id)
}

// MayKeep is NotFound unless the task's user is a member of the organisation.
func (r *Run) MayKeep(ctx context.Context, organisation ID) error {
	return r.store.Organisations.Member(ctx, organisation, r.User)
}

// Deposit is a file on its way into an organisation.
type Deposit struct {
	Organisation ID
	ID           ID        // under which it was announced; empty: a fresh one
	OnceUntil    time.Time // of an announced one: until when the announcement can be used
	Name         string    // empty: "file" with the extension of what it is found to be
	ContentType  string    // what the sender calls it; empty, or nothing that says anything: what it is found to be
	Content      io.Reader
}

// Deposit stores a file in an organisation. Of two under one ID the first wins; the second is a Conflict and changes nothing.
// An error of the content leaves nothing behind.
func (e *Engine) Deposit(ctx context.Context, d Deposit) (StoredFile, error) {
	if err := e.room(ctx); err != nil {
		return StoredFile{}, err
	}
	name := ""
	if d.Name != "" {
		name = CleanName(d.Name)
	}
	f, err := e.Files.Create(ctx, cmp.Or(name, "file"), &boundedReader{src: d.Content, left: e.Limits.Transfer})
	if err != nil {
		return StoredFile{}, err
	}
	f.ID, f.Name = cmp.Or(d.ID, NewID()), cmp.Or(name, "file"+Extension(f.MIME))
	stored := StoredFile{File: f, Organisation: d.Organisation, ContentType: contentType(d.ContentType, f.MIME),
		CreatedAt: e.now().Truncate(time.Microsecond), OnceUntil: d.OnceUntil}
	ctx = context.WithoutCancel(ctx) // the sender may go after the last byte; only the outcome says whether the bytes are needed
	if err := e.Store.Organisations.KeepFile(ctx, stored); err != nil {
		if rerr := e.Files.Remove(ctx, f.Blob); rerr != nil {
			e.Log.Warn("the bytes of a refused file stay until a later sweep", "error", rerr)
		}
		return StoredFile{}, err
	}
	return stored, nil
}

// contentType is what a file is sent as: what its sender said, if that says anything.
func contentType(said, found string) string {
	base, _, err := mime.ParseMediaType(said)
	odd := strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' })
	switch {
	case err != nil, odd, len(said) > maxName, !strings.Contains(base, "/"):
		return found
	case base == "application/octet-stream", base == "application/x-www-form-urlencoded": // what programs say by themselves
		return found
	}
	return said
}

// OpenStored opens a stored file. Whether the caller may have it is the caller's concern, whether it still exists is decided
// here.
func (e *Engine) OpenStored(ctx context.Context, id ID) (*Download, error) {
	gone, forget := e.removed.watch(id)
	f, err := e.Store.Organisations.StoredFile(ctx, id)
	if err != nil {
		forget()
		return nil, err
	}
	src, err := e.Files.Open(ctx, f.Blob)
	if err != nil {
		forget()
		return nil, err
	}
	return &Download{File: f.File, ContentType: f.ContentType, Bytes: src, Gone: gone,
		close: func() { src.Close(); forget() }}, nil
}

// cutRemoved ends the downloads of stored files that were removed by a process whose hints do not reach this one.
func (e *Engine) cutRemoved(ctx context.Context) {
	for _, id := range e.removed.watched() {
		if _, err := e.Store.Organisations.StoredFile(ctx, id); isNotFound(err) {
			e.removed.close(id)
		}
	}
}

// OpenResult opens a file that a task of the user made.
func (e *Engine) OpenResult(ctx context.Context, t Task, f File) (*Download, error) {
	gone, forget := e.gone.watch(t.ID)
	src, err := e.Files.Open(ctx, f.Blob)
	if err != nil {
		forget()
		return nil, err
	}
	return &Download{File: f, Until: t.ExpiresAt, Bytes: src, Gone: gone, close: func() { src.Close(); forget() }}, nil
}
