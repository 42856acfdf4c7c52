package exporters

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/gantry-engine/gantry/engine"
)

// maxState is what a driver may save of one delivery.
const maxState = 1 << 20

// record is what is kept of a delivery: how far it is, or that it arrived.
type record struct {
	SHA256  string   `json:"sha256"`
	Size    int64    `json:"size"`
	Name    string   `json:"name"`
	Seen    coverage `json:"seen,omitempty"`
	State   []byte   `json:"state,omitempty"` // the driver's
	Receipt *Receipt `json:"receipt,omitempty"`
}

func recordOf(f engine.File, name string) record {
	return record{SHA256: f.SHA256, Size: f.Size, Name: name}
}

func (r record) isOf(f engine.File, name string) bool {
	return r.SHA256 == f.SHA256 && r.Size == f.Size && r.Name == name
}

func (r record) note(number int) (engine.Note, error) {
	state, err := json.Marshal(r)
	return engine.Note{Number: number, State: state, Done: r.Receipt != nil}, err
}

// checkpoint is the Checkpoint of one delivery.
type checkpoint struct {
	run    *engine.Run
	number int
	name   string
	body   *body
	pulse  func()

	mu    sync.Mutex
	state []byte
}

// Load implements Checkpoint.
func (c *checkpoint) Load(context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, nil
}

// Save implements Checkpoint. Calls that come at once are kept in their order.
func (c *checkpoint) Save(ctx context.Context, state []byte) error {
	if len(state) > maxState {
		return fmt.Errorf("save a checkpoint: %d bytes, where %d may be", len(state), maxState)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := recordOf(c.body.file, c.name)
	r.State = state
	c.body.mu.Lock()
	r.Seen = append(coverage(nil), c.body.seen...)
	c.body.mu.Unlock()
	note, err := r.note(c.number)
	if err != nil {
		return err
	}
	if err := c.run.Keep(ctx, note); err != nil {
		return fmt.Errorf("save a checkpoint: %w", err)
	}
	c.state = state
	c.pulse()
	return nil
}

// DiscardLeftover calls Discard for what the engine kept of a delivery.
func (def Definition) DiscardLeftover(ctx context.Context, env Env, l engine.Leftover, params any, kept []byte) error {
	var r record
	if err := json.Unmarshal(kept, &r); err != nil {
		return fmt.Errorf("read a checkpoint: %w", err)
	}
	env.Task, env.Owner = l.Task, l.User
	return def.Discard(ctx, env, params, r.State)
}
