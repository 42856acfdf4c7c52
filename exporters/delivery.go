package exporters

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

const (
	tries      = 3                // of one delivery in a row without a new byte; the engine has tries of its own
	patience   = 20 * time.Second // the longest Retry-After that is waited for here
	commitIdle = 10 * time.Minute // for which a destination may be silent when it has all bytes
)

// errIdle ends a try in which nothing moved for too long.
var errIdle = errors.New("the transfer stood still for too long")

// delivery is a Delivery with what Deliver knows of it.
type delivery struct {
	Delivery
	shipment   *shipment
	body       *body
	checkpoint *checkpoint
	share      *share
	committing atomic.Bool
	timer      atomic.Pointer[time.Timer] // ends the try under way when nothing moves
}

// persist tries until the file has arrived, another try would not help, or it is better to wait longer than a worker should.
// Tries count only as long as no new bytes get through.
func (d *delivery) persist(ctx context.Context) (Receipt, error) {
	for try, seen := 1, d.seen(); ; try++ {
		receipt, err := d.try(ctx)
		if err == nil {
			d.share.set(d.File.Size)
			return receipt, nil
		}
		if now := d.seen(); now > seen {
			try, seen = 1, now
		}
		wait, again := pause(err, try)
		if ctx.Err() != nil || !again {
			return Receipt{}, err
		}
		d.shipment.env.Log.Warn("a delivery failed; trying again", "file", d.File.ID, "in", wait, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return Receipt{}, context.Cause(ctx)
		}
	}
}

// pause returns how long to wait before the next try, or that there is none here.
func pause(err error, try int) (time.Duration, bool) {
	if !engine.Retryable(err) || try >= tries {
		return 0, false
	}
	var e *engine.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter, e.RetryAfter <= patience
	}
	base := 500 * time.Millisecond << (2 * (try - 1)) // 0.5 s, 2 s
	return base + rand.N(base/2), true
}

// seen returns how many bytes have been read in stretches.
func (d *delivery) seen() int64 {
	d.body.mu.Lock()
	defer d.body.mu.Unlock()
	return d.body.seen.bytes()
}

// try calls the driver once. The try ends when nothing moves.
func (d *delivery) try(ctx context.Context) (Receipt, error) {
	d.share.set(d.resumed())
	d.committing.Store(false)
	trying, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(d.idle(), func() { cancel(errIdle) })
	defer timer.Stop()
	d.timer.Store(timer)
	receipt, err := guarded(func() (Receipt, error) { return d.shipment.exporter.Export(trying, d.Delivery) })
	switch {
	case err == nil:
		return receipt, nil
	case ctx.Err() != nil:
		return Receipt{}, context.Cause(ctx)
	case errors.Is(context.Cause(trying), errIdle):
		return Receipt{}, engine.Wrap(err, engine.Timeout, "The destination took no byte for %s.", d.idle())
	}
	return Receipt{}, err
}

// resumed is how many bytes a driver that has saved a state need not send again.
func (d *delivery) resumed() int64 {
	if d.checkpoint.state == nil {
		return 0
	}
	return min(d.seen(), d.File.Size)
}

func (d *delivery) idle() time.Duration {
	if d.committing.Load() {
		return commitIdle
	}
	return d.shipment.run.Limits().Idle
}

// beat notes that something moved.
func (d *delivery) beat() {
	if timer := d.timer.Load(); timer != nil {
		timer.Reset(d.idle())
	}
}
