package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/gantry-engine/gantry/engine"
)

// Settle implements engine.Graph.
func (s *Store) Settle(ctx context.Context, end engine.Settlement) error {
	e := &settlement{Settlement: end}
	return s.do(ctx, func(b *batch) {
		b.settles = append(b.settles, e)
		b.expect(&e.err, 1)
	})
}

// Postpone implements engine.Graph.
func (s *Store) Postpone(ctx context.Context, back engine.Postponement) error {
	e := &postponement{Postponement: back}
	return s.do(ctx, func(b *batch) {
		b.postpones = append(b.postpones, e)
		b.expect(&e.err, 1)
	})
}

const settleSQL = `UPDATE tasks SET state = r.state, code = r.code, message = r.message, engine = r.engine,
	engine_version = r.version, metadata = r.metadata, output = r.output, percent = 100, node = NULL,
	ignored = CASE WHEN r.state = 'error' THEN tasks.ignore_error ELSE 0 END, ended_at = ?, expires_at = ?
FROM {id id, attempt int, state text, code text, message text, engine text, version text, metadata text, output text, was text} AS r
WHERE tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = r.was
RETURNING tasks.id, tasks.attempt, tasks.job_id, tasks.state, tasks.ignored`

// settle ends attempts. The WHERE clause is the fence: a late or doubled end changes nothing.
func (t *tx) settle(ctx context.Context, b *batch) error {
	if len(b.settles) == 0 {
		return nil
	}
	if err := t.checkReferences(ctx, b.settles); err != nil {
		return err
	}
	if err := t.checkKeepers(ctx, b.settles); err != nil {
		return err
	}
	var r records
	open := map[engine.Ref]*settlement{}
	for _, s := range b.settles {
		s.err = engine.ErrStale
		if _, twice := open[s.Ref]; !twice {
			open[s.Ref] = s
			r = append(r, s.record())
		}
	}
	var kept []*settlement
	err := t.each(ctx, settleSQL, func(r rows) error {
		var ref engine.Ref
		var job engine.ID
		var state string
		var ignored int
		if err := r.Scan(&ref.Task, &ref.Attempt, &job, &state, &ignored); err != nil {
			return err
		}
		open[ref].err = nil
		kept = append(kept, open[ref])
		t.settled = append(t.settled, ref)
		t.end(job, ended{id: ref.Task, ok: state == "finished", ignored: ignored == 1})
		return nil
	}, t.at, t.expires(), r)
	if err != nil {
		return err
	}
	if err := t.settleNotes(ctx, kept); err != nil {
		return err
	}
	return t.keepFiles(ctx, b.settles, kept)
}

func (s *settlement) record() []any {
	state, code, message := "finished", any(nil), text(s.Result.Message)
	if s.Err != nil {
		state, code, message = "error", string(s.Err.Code), text(s.Err.Message)
	}
	var metadata, output any
	if s.Result.Metadata != nil {
		m, _ := json.Marshal(s.Result.Metadata)
		metadata = plain(string(m))
	}
	if s.Result.Output != nil {
		output = plain(*s.Result.Output)
	}
	return []any{s.Ref.Task, s.Ref.Attempt, state, code, message, text(s.Result.Engine), text(s.Result.Version), metadata, output, processing}
}

// checkReferences fails the settlements that refer to a blob which neither they made nor lives any more.
func (t *tx) checkReferences(ctx context.Context, settles []*settlement) error {
	var all []engine.BlobID
	wanted := map[*settlement][]engine.BlobID{}
	for _, s := range settles {
		made := map[engine.BlobID]bool{}
		for _, b := range s.Created {
			made[b] = true
		}
		for _, f := range s.Result.Files {
			if f.Blob != "" && !made[f.Blob] {
				wanted[s] = append(wanted[s], f.Blob)
				all = append(all, f.Blob)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	live, err := t.live(ctx, all)
	for s, blobs := range wanted {
		for _, b := range blobs {
			if !live[b] {
				s.Err = engine.Errorf(engine.InputFailed, "An input was deleted while the task ran.")
				s.Result.Files = nil
			}
		}
	}
	return err
}

// checkKeepers fails the settlements of which the files are to be kept in an organisation that is gone.
func (t *tx) checkKeepers(ctx context.Context, settles []*settlement) error {
	var wanted []engine.ID
	for _, s := range settles {
		if s.Result.KeepIn != "" && s.Err == nil {
			wanted = append(wanted, s.Result.KeepIn)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	known, err := t.organisations(ctx, wanted)
	for _, s := range settles {
		if in := s.Result.KeepIn; in != "" && s.Err == nil && !known[in] {
			s.Err, s.Result.Files = engine.Errorf(engine.NotFound, "The organisation was deleted."), nil
		}
	}
	return err
}

// live tells which of the blobs may be referred to: those that are known and not about to go.
func (t *tx) live(ctx context.Context, blobs []engine.BlobID) (map[engine.BlobID]bool, error) {
	live := map[engine.BlobID]bool{}
	const query = `SELECT id FROM blobs WHERE dying = 0 AND id IN (SELECT id FROM {id id} AS r) ORDER BY id {for share}`
	err := t.each(ctx, query, func(r rows) error {
		var id engine.BlobID
		err := r.Scan(&id)
		live[id] = true
		return err
	}, idRecords(blobs))
	return live, err
}

// keepFiles stores the files of what settled. Bytes that were made for nothing are marked for removal.
func (t *tx) keepFiles(ctx context.Context, all, kept []*settlement) error {
	var blobs, files, stored records
	used := map[engine.BlobID]bool{}
	for _, s := range kept {
		for pos, f := range s.Result.Files {
			files = append(files, fileRecord(s.Ref.Task, f, 0, pos))
			used[f.Blob] = true
			if s.Result.KeepIn != "" && s.Err == nil {
				stored = append(stored, storedRecord(engine.StoredFile{File: f, Organisation: s.Result.KeepIn, ContentType: f.MIME}, t.at))
			}
		}
	}
	for _, s := range all {
		for _, b := range s.Created {
			blobs = append(blobs, []any{b, bit(!used[b])})
		}
	}
	if len(blobs) > 0 {
		if err := t.session.exec(ctx, blobsSQL, blobs); err != nil {
			return err
		}
	}
	if len(stored) > 0 {
		if _, err := t.any(ctx, storedSQL, stored); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	return t.session.exec(ctx, filesSQL, files)
}

const readyColumns = `tasks.id, tasks.attempt, tasks.job_id, tasks.operation, tasks.tool, tasks.lane, tasks.priority, tasks.losses`

const lossesAlone = 2 // from this many losses on a task runs alone

func scanReady(r rows, into ...any) (engine.Ready, error) {
	ready := engine.Ready{Follows: true}
	var losses int
	err := r.Scan(append([]any{&ready.Ref.Task, &ready.Ref.Attempt, &ready.Job, &ready.Operation, &ready.Tool, &ready.Lane, &ready.Priority, &losses}, into...)...)
	ready.Alone = losses >= lossesAlone
	return ready, err
}

const postponeSQL = `UPDATE tasks SET state = CASE WHEN r.not_before IS NULL THEN 'ready' ELSE 'postponed' END,
	not_before = r.not_before, tries = tasks.tries + r.try, message = coalesce(r.message, tasks.message), tool = coalesce(r.tool, tasks.tool),
	node = NULL
FROM {id id, attempt int, not_before int, try int, message text, tool text, was text} AS r
WHERE tasks.id = r.id AND tasks.attempt = r.attempt AND tasks.state = r.was
RETURNING ` + readyColumns + `, tasks.state`

// postpone gives attempts back.
func (t *tx) postpone(ctx context.Context, b *batch) error {
	if len(b.postpones) == 0 {
		return nil
	}
	var r records
	open := map[engine.Ref]*postponement{}
	for _, p := range b.postpones {
		p.err = engine.ErrStale
		if _, twice := open[p.Ref]; !twice {
			open[p.Ref] = p
			r = append(r, []any{p.Ref.Task, p.Ref.Attempt, micros(p.NotBefore), bit(p.Try), text(p.Message), text(p.Tool), processing})
		}
	}
	return t.each(ctx, postponeSQL, func(r rows) error {
		var state string
		ready, err := scanReady(r, &state)
		if err != nil {
			return err
		}
		open[ready.Ref].err = nil
		t.settled = append(t.settled, ready.Ref)
		if state == "ready" {
			t.ready = append(t.ready, ready)
		}
		return nil
	}, r)
}
