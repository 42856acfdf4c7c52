package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// Offers are the rows of the operations that a process can run, by their names.
type Offers map[string][]engine.Row

// Catalog is what a process offers, as it is kept.
type Catalog struct{ Digest, text string }

// Catalog writes the offers down.
func (o Offers) Catalog() (Catalog, error) {
	b, err := json.Marshal(o) // sorted by name
	if err != nil {
		return Catalog{}, fmt.Errorf("write down what this process offers: %w", err)
	}
	sum := sha256.Sum256(b)
	return Catalog{Digest: hex.EncodeToString(sum[:]), text: string(b)}, nil
}

// offered is how often a node says anew what it offers, in the time for which that counts.
const offered = 10

// Offer says what a node offers. It is called again and again, and what nobody says for that long is forgotten.
func (s *Store) Offer(ctx context.Context, c Catalog, keep time.Duration) error {
	now := s.Now()
	known := false
	const fresh = `SELECT 1 FROM catalogs WHERE digest = ? AND seen_at > ?`
	err := s.read(ctx, fresh, func(rows) error { known = true; return nil }, c.Digest, micros(now.Add(-keep/offered)))
	if err != nil || known {
		return err
	}
	return s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		there := false // then the text, which may be long, need not be sent again
		const again = `UPDATE catalogs SET seen_at = ? WHERE digest = ? RETURNING digest`
		if err := t.each(ctx, again, func(rows) error { there = true; return nil }, micros(now), c.Digest); err != nil {
			return err
		}
		const insert = `INSERT INTO catalogs (digest, offers, seen_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
		if !there {
			if err := t.session.exec(ctx, insert, c.Digest, c.text, micros(now)); err != nil {
				return err
			}
		}
		const forget = `DELETE FROM catalogs WHERE seen_at < ? AND digest NOT IN (SELECT catalog FROM nodes)`
		return t.session.exec(ctx, forget, micros(now.Add(-keep)))
	})
}

// Offered returns the digests of what nodes offer that are there, or were within that time, in a fixed order.
func (s *Store) Offered(ctx context.Context, within time.Duration) (digests []string, err error) {
	const query = `SELECT digest FROM catalogs WHERE seen_at > ? OR digest IN (SELECT catalog FROM nodes) ORDER BY length(offers) DESC, digest`
	err = s.read(ctx, query, func(r rows) error {
		var d string
		err := r.Scan(&d)
		digests = append(digests, d)
		return err
	}, micros(s.Now().Add(-within)))
	return digests, err
}

// Offers returns what has the digest; nil if that is gone.
func (s *Store) Offers(ctx context.Context, digest string) (o Offers, err error) {
	err = s.read(ctx, `SELECT offers FROM catalogs WHERE digest = ?`, func(r rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &o)
	}, digest)
	return o, err
}

// Want is a sort of task: those of an operation that need the tool, or that any worker can try.
type Want struct{ Operation, Tool string }

// Kind is the want's name for a queue.
func (w Want) Kind() string { return engine.Kind(w.Operation, w.Tool) }

// Wanted returns the sorts of the tasks that are ready.
func (s *Store) Wanted(ctx context.Context) (wants []Want, err error) {
	err = s.read(ctx, `SELECT DISTINCT operation, tool FROM tasks WHERE state = 'ready'`, func(r rows) error {
		var w Want
		err := r.Scan(&w.Operation, &w.Tool)
		wants = append(wants, w)
		return err
	})
	return wants, err
}

// Absent notes which sorts of task no node can run, and returns those of which that has been so for longer than patience,
// whoever noted it first. Those not named again are forgotten.
func (s *Store) Absent(ctx context.Context, wants []Want, patience time.Duration) (overdue []Want, err error) {
	noted := false
	err = s.read(ctx, `SELECT 1 FROM absences LIMIT 1`, func(rows) error { noted = true; return nil })
	if err != nil || !noted && len(wants) == 0 {
		return nil, err
	}
	var r records
	for _, w := range wants {
		r = append(r, []any{w.Operation, w.Tool})
	}
	var found []Want
	err = s.other(ctx, 1, func(ctx context.Context, t *tx) error {
		found = nil
		const forget = `DELETE FROM absences WHERE NOT EXISTS (SELECT 1 FROM {operation text, tool text} AS r
			WHERE r.operation = absences.operation AND r.tool = absences.tool)`
		if err := t.session.exec(ctx, forget, r); err != nil {
			return err
		}
		const note = `INSERT INTO absences (operation, tool, since)
			SELECT operation, tool, ? FROM {operation text, tool text} AS r WHERE true ON CONFLICT DO NOTHING`
		if err := t.session.exec(ctx, note, t.at, r); err != nil {
			return err
		}
		const old = `SELECT operation, tool FROM absences WHERE since <= ?`
		return t.each(ctx, old, func(r rows) error {
			var w Want
			err := r.Scan(&w.Operation, &w.Tool)
			found = append(found, w)
			return err
		}, t.at-patience.Microseconds())
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

const refuseAtOnce = 1000 // tasks ended in one transaction

// Refuse ends ready tasks of the sort, for the reason given: many at once, and the rest at the next call.
func (s *Store) Refuse(ctx context.Context, w Want, reason *engine.Error) error {
	const query = `SELECT id FROM tasks WHERE state = 'ready' AND operation = ? AND tool = ? LIMIT ?`
	return s.other(ctx, batchWeight, func(ctx context.Context, t *tx) error {
		var failures []failure
		err := t.each(ctx, query, func(r rows) error {
			f := failure{code: reason.Code, message: reason.Message}
			err := r.Scan(&f.task)
			failures = append(failures, f)
			return err
		}, w.Operation, w.Tool, refuseAtOnce)
		if err != nil {
			return err
		}
		return t.fail(ctx, failures)
	})
}
