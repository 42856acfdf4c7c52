package riverqueue

import (
	"time"

	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// clock makes River go by the database's clock, which all processes share: its own may be hours off. River names the hook
// after tests, and has no other.
type clock struct{ store *sqlstore.Store }

// Now is for the dates and horizons that River makes itself.
func (c clock) Now() time.Time { return c.store.DatabaseNow() }

// NowOrNil leaves it to the database where River asks that.
func (clock) NowOrNil() *time.Time { return nil }

// inserting is the clock for inserts, which River dates by the process.
type inserting struct{ clock }

// early dates inserts back, since what is due a millisecond after the fetch that it is announced for would be left lying.
const early = time.Second

func (c inserting) NowOrNil() *time.Time {
	now := c.store.DatabaseNow().Add(-early).UTC()
	return &now
}
