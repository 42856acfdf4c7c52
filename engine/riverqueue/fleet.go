package riverqueue

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// fleet is what is known here of what all processes offer.
type fleet struct {
	own sqlstore.Catalog // what this process offers; empty if it runs nothing

	reading sync.Mutex                 // held while the tables are asked
	read    map[string]sqlstore.Offers // by digest

	mu     sync.Mutex
	offers sqlstore.Offers // of all together
}

// Announce implements engine.Fleet. It comes before Run, which repeats it.
func (q *Queue) Announce(ctx context.Context, lanes []engine.Lane) (err error) {
	offers := sqlstore.Offers{}
	for _, op := range q.catalog.All() {
		runs := slices.ContainsFunc(lanes, func(l engine.Lane) bool { return l.Name == op.Lane && l.Slots > 0 })
		if runs && op.Rows != nil {
			offers[op.Name] = append([]engine.Row{}, op.Rows()...) // none are an offer too
		}
	}
	if len(offers) > 0 {
		if q.fleet.own, err = offers.Catalog(); err != nil {
			return err
		}
	}
	return q.offer(ctx)
}

// offer says what this process can do, and learns what all others can. One that runs nothing offers nothing.
func (q *Queue) offer(ctx context.Context) error {
	if own := q.fleet.own; own.Digest != "" {
		if err := q.store.Offer(ctx, own, q.options.Strand); err != nil {
			return err
		}
	}
	return q.Refresh(ctx)
}

// Rows implements engine.Fleet.
func (q *Queue) Rows(operation string) []engine.Row {
	q.fleet.mu.Lock()
	defer q.fleet.mu.Unlock()
	return q.fleet.offers[operation]
}

// Refresh implements engine.Fleet. What an offer says never changes, so only new ones are read.
func (q *Queue) Refresh(ctx context.Context) error {
	f := &q.fleet
	f.reading.Lock()
	defer f.reading.Unlock()
	digests, err := q.store.Offered(ctx, q.options.Strand)
	if err != nil {
		return err
	}
	now := map[string]sqlstore.Offers{}
	changed := len(digests) != len(f.read)
	all := make([]sqlstore.Offers, 0, len(digests))
	for _, d := range digests {
		o, known := f.read[d]
		if !known {
			changed = true
			if o, err = q.store.Offers(ctx, d); err != nil {
				return err
			}
		}
		now[d] = o
		all = append(all, o)
	}
	if !changed {
		return nil
	}
	f.read = now
	merged := merge(all)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offers = merged
	return nil
}

// merge puts the offers together. Which engine is preferred for a pair of formats is said by the first that has the pair.
func merge(all []sqlstore.Offers) sqlstore.Offers {
	type key struct{ in, out, engine, version string }
	merged := sqlstore.Offers{}
	seen := map[string]map[key]bool{}
	for _, o := range all {
		for operation, rows := range o {
			if seen[operation] == nil {
				seen[operation], merged[operation] = map[key]bool{}, []engine.Row{}
			}
			for _, r := range rows {
				k := key{r.InputFormat, r.OutputFormat, r.Engine, r.EngineVersion}
				if !seen[operation][k] {
					seen[operation][k] = true
					merged[operation] = append(merged[operation], r)
				}
			}
		}
	}
	for _, rows := range merged {
		slices.SortStableFunc(rows, func(a, b engine.Row) int {
			return cmp.Or(cmp.Compare(a.InputFormat, b.InputFormat), cmp.Compare(a.OutputFormat, b.OutputFormat))
		})
		for i := range rows {
			rows[i].Alternative = i > 0 && rows[i].InputFormat == rows[i-1].InputFormat && rows[i].OutputFormat == rows[i-1].OutputFormat
		}
	}
	return merged
}
