package sqlstore

import (
	"context"
	"database/sql"

	"github.com/gantry-engine/gantry/engine"
)

// change is a change with an outcome of its own, which fails nobody else's.
func (s *Store) change(ctx context.Context, do func(ctx context.Context, t *tx) (outcome, err error)) error {
	e := &other{}
	e.do = func(ctx context.Context, t *tx) (err error) {
		e.err, err = do(ctx, t)
		return err
	}
	return s.do(ctx, func(b *batch) {
		b.others = append(b.others, e)
		b.expect(&e.err, 1)
	})
}

// any reports whether the query finds a row.
func (t *tx) any(ctx context.Context, query string, args ...any) (found bool, err error) {
	err = t.each(ctx, query, func(rows) error { found = true; return nil }, args...)
	return found, err
}

// AddOrganisation implements engine.Organisations.
func (s *Store) AddOrganisation(ctx context.Context, o engine.Organisation, members []engine.UserID) error {
	var r records
	for _, user := range members {
		r = append(r, []any{o.ID, user})
	}
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		const insert = `INSERT INTO organisations (id, name, created_at) VALUES (?, ?, ?)`
		if err := t.session.exec(ctx, insert, o.ID, plain(o.Name), micros(o.CreatedAt)); err != nil {
			return err
		}
		const join = `INSERT INTO members (organisation_id, user_id)
			SELECT DISTINCT org, usr FROM {org id, usr int} AS r WHERE true`
		return t.session.exec(ctx, join, r)
	})
}

// Organisations implements engine.Organisations.
func (s *Store) Organisations(ctx context.Context) (all []engine.Organisation, err error) {
	err = s.read(ctx, `SELECT id, name, created_at FROM organisations ORDER BY id`, func(r rows) error {
		var o engine.Organisation
		var created sql.NullInt64
		err := r.Scan(&o.ID, &o.Name, &created)
		o.CreatedAt = fromMicros(created)
		all = append(all, o)
		return err
	})
	return all, err
}

// Member implements engine.Organisations.
func (s *Store) Member(ctx context.Context, organisation engine.ID, user engine.UserID) error {
	found := false
	const query = `SELECT 1 FROM members WHERE organisation_id = ? AND user_id = ?`
	err := s.read(ctx, query, func(rows) error { found = true; return nil }, organisation, user)
	if err == nil && !found {
		err = noOrganisation()
	}
	return err
}

func noOrganisation() error {
	return engine.Errorf(engine.NotFound, "There is no such organisation.")
}

// RemoveOrganisation implements engine.Organisations.
func (s *Store) RemoveOrganisation(ctx context.Context, id engine.ID) error {
	return s.change(ctx, func(ctx context.Context, t *tx) (outcome, err error) {
		found, err := t.any(ctx, `DELETE FROM organisations WHERE id = ? RETURNING id`, id)
		if err != nil || !found {
			return noOrganisation(), err
		}
		if err := t.session.exec(ctx, `DELETE FROM members WHERE organisation_id = ?`, id); err != nil {
			return nil, err
		}
		return nil, t.removeFilesOf(ctx, id)
	})
}

// removeFilesOf removes the files of an organisation, after the jobs that export them.
func (t *tx) removeFilesOf(ctx context.Context, organisation engine.ID) error {
	var files, blobs records
	const take = `SELECT id, blob_id FROM stored_files WHERE organisation_id = ? ORDER BY id {for update}`
	err := t.each(ctx, take, func(r rows) error {
		var id engine.ID
		var blob *string
		err := r.Scan(&id, &blob)
		files = append(files, []any{id})
		if blob != nil {
			blobs = append(blobs, []any{*blob})
		}
		t.hints = append(t.hints, engine.Hint{Task: id}) // its downloads
		return err
	}, organisation)
	if err != nil || len(files) == 0 {
		return err
	}
	const exports = `SELECT tasks.id, tasks.job_id, tasks.ended_at IS NULL FROM tasks JOIN jobs ON jobs.id = tasks.job_id
		WHERE jobs.file_id IN (SELECT id FROM {id id} AS r)`
	if err := t.remove(ctx, exports, engine.ErrCanceled, files); err != nil {
		return err
	}
	if err := t.session.exec(ctx, `DELETE FROM stored_files WHERE id IN (SELECT id FROM {id id} AS r)`, files); err != nil {
		return err
	}
	return t.release(ctx, blobs)
}

const storedSQL = `INSERT INTO stored_files
		(id, organisation_id, blob_id, name, size, mime, content_type, sha256, md5, crc32c, created_at, once_until)
	SELECT id, org, blob, name, size, mime, type, sha256, md5, crc32c, at, once
	FROM {id id, org id, blob id, name text, size int, mime text, type text, sha256 text, md5 text, crc32c text, at int,
		once int} AS r WHERE true ON CONFLICT (id) DO NOTHING RETURNING id`

func storedRecord(f engine.StoredFile, at int64) []any {
	return []any{f.ID, f.Organisation, f.Blob, plain(f.Name), f.Size, plain(f.MIME), plain(f.ContentType),
		f.SHA256, f.MD5, f.CRC32C, at, micros(f.OnceUntil)}
}

// KeepFile implements engine.Organisations.
func (s *Store) KeepFile(ctx context.Context, f engine.StoredFile) error {
	return s.change(ctx, func(ctx context.Context, t *tx) (outcome, err error) {
		known, err := t.organisations(ctx, []engine.ID{f.Organisation})
		if err != nil || !known[f.Organisation] {
			return noOrganisation(), err
		}
		fresh, err := t.any(ctx, storedSQL, records{storedRecord(f, f.CreatedAt.UnixMicro())})
		if err != nil || !fresh {
			return engine.Errorf(engine.Conflict, "This upload URL was used already. Ask for a new one."), err
		}
		return nil, t.session.exec(ctx, blobsSQL, records{{f.Blob, 0}})
	})
}

// organisations tells which of them there are, and keeps them there until the end of the transaction.
func (t *tx) organisations(ctx context.Context, ids []engine.ID) (map[engine.ID]bool, error) {
	known := map[engine.ID]bool{}
	const query = `SELECT id FROM organisations WHERE id IN (SELECT id FROM {id id} AS r) ORDER BY id {for share}`
	err := t.each(ctx, query, func(r rows) error {
		var id engine.ID
		err := r.Scan(&id)
		known[id] = true
		return err
	}, idRecords(ids))
	return known, err
}

// StoredFile implements engine.Organisations.
func (s *Store) StoredFile(ctx context.Context, id engine.ID) (engine.StoredFile, error) {
	var f engine.StoredFile
	const query = `SELECT id, organisation_id, blob_id, name, size, mime, content_type, sha256, md5, crc32c, created_at, once_until
		FROM stored_files WHERE id = ? AND blob_id IS NOT NULL`
	err := s.read(ctx, query, func(r rows) error {
		var created, once sql.NullInt64
		err := r.Scan(&f.ID, &f.Organisation, &f.Blob, &f.Name, &f.Size, &f.MIME, &f.ContentType, &f.SHA256, &f.MD5, &f.CRC32C,
			&created, &once)
		f.CreatedAt, f.OnceUntil = fromMicros(created), fromMicros(once)
		return err
	}, id)
	if err == nil && f.ID == "" {
		err = noFile()
	}
	return f, err
}

func noFile() error { return engine.Errorf(engine.NotFound, "There is no such file.") }

// RemoveFile implements engine.Organisations.
func (s *Store) RemoveFile(ctx context.Context, id engine.ID) error {
	return s.change(ctx, func(ctx context.Context, t *tx) (outcome, err error) {
		var blob engine.BlobID
		const take = `SELECT blob_id FROM stored_files WHERE id = ? AND blob_id IS NOT NULL {for update}`
		err = t.each(ctx, take, func(r rows) error { return r.Scan(&blob) }, id)
		if err != nil || blob == "" {
			return noFile(), err
		}
		t.hints = append(t.hints, engine.Hint{Task: id}) // its downloads
		if err := t.failExports(ctx, id); err != nil {
			return nil, err
		}
		if err := t.session.exec(ctx, `UPDATE stored_files SET blob_id = NULL, name = '' WHERE id = ?`, id); err != nil {
			return nil, err
		}
		const sweep = `DELETE FROM stored_files WHERE blob_id IS NULL AND (once_until IS NULL OR once_until <= ?)`
		if err := t.session.exec(ctx, sweep, t.at); err != nil {
			return nil, err
		}
		return nil, t.release(ctx, records{{blob}})
	})
}

// failExports ends the jobs that export the file at the moment.
func (t *tx) failExports(ctx context.Context, file engine.ID) error {
	var failures []failure
	const query = `SELECT tasks.id FROM tasks JOIN jobs ON jobs.id = tasks.job_id
		WHERE jobs.file_id = ? AND tasks.ended_at IS NULL ORDER BY tasks.id`
	err := t.each(ctx, query, func(r rows) error {
		f := failure{code: engine.Conflict, message: "The file was deleted while it was exported."}
		err := r.Scan(&f.task)
		failures = append(failures, f)
		return err
	}, file)
	if err != nil {
		return err
	}
	return t.fail(ctx, failures)
}

// exporting refuses the submissions about a stored file that is gone, or that is exported in the same way already, and
// returns the others. Who is about the same file waits here for the end of the other's transaction.
func (t *tx) exporting(ctx context.Context, all []*submit) (kept []*submit, err error) {
	type export struct {
		file engine.ID
		tag  string
	}
	here := map[export]bool{}
	for _, s := range all {
		e := export{s.job.Submission.File, plain(s.job.Submission.Tag)}
		if e.file == "" {
			kept = append(kept, s)
			continue
		}
		const take = `SELECT id FROM stored_files WHERE id = ? AND blob_id IS NOT NULL {for update}`
		exists, err := t.any(ctx, take, e.file)
		if err != nil {
			return nil, err
		}
		const query = `SELECT id FROM jobs WHERE file_id = ? AND tag = ? AND ended_at IS NULL`
		runs, err := t.any(ctx, query, e.file, e.tag)
		switch {
		case err != nil:
			return nil, err
		case !exists:
			s.err = engine.Errorf(engine.Conflict, "The file is being deleted.")
		case runs || here[e]:
			s.err = engine.Errorf(engine.Conflict, "The same export of this file runs already. Wait for its end.")
		default:
			here[e] = true
			kept = append(kept, s)
		}
	}
	return kept, nil
}
