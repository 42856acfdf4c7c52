package riverqueue

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/localqueue"
	"github.com/gantry-engine/gantry/engine/sqlstore"
)

// Bus carries hints between the processes of a database, on one connection of its own. Within the process they do not
// take the detour.
type Bus struct {
	local *localqueue.Bus
	node  engine.ID
	url   string
	log   *slog.Logger

	stop context.CancelFunc
	done sync.WaitGroup
}

const (
	channel     = "gantry"
	maxPayload  = 7900 // bytes; PostgreSQL takes less than 8000 in a notification
	listenAgain = time.Second
)

// NewBus returns a bus on the database at the URL. Close it after the engine has stopped.
func NewBus(store *sqlstore.Store, url string, log *slog.Logger) *Bus {
	ctx, stop := context.WithCancel(context.Background())
	b := &Bus{local: localqueue.NewBus(), node: store.Node(), url: url, log: log, stop: stop}
	b.done.Go(func() { b.listen(ctx) })
	return b
}

// Close ends the connection.
func (b *Bus) Close() {
	b.stop()
	b.done.Wait()
}

// Publish implements engine.Bus. A batch is one notification, unless it touches hundreds of jobs: to notify takes a lock
// that all transactions share until they are durable.
func (b *Bus) Publish(ctx context.Context, tx engine.Tx, changed []engine.Hint) error {
	if len(changed) == 0 {
		return nil
	}
	if err := b.local.Publish(ctx, tx, changed); err != nil {
		return err
	}
	for _, payload := range payloads(b.node, changed) {
		if _, err := sqlstore.Transaction(tx).Exec(ctx, "SELECT pg_notify($1, $2)", channel, payload); err != nil {
			return err
		}
	}
	return nil
}

// payloads writes the sender and its hints, separated by spaces: a job, or a job and a task with a slash.
func payloads(node engine.ID, changed []engine.Hint) (all []string) {
	var out strings.Builder
	seen := map[engine.Hint]bool{}
	for _, h := range changed {
		if seen[h] {
			continue
		}
		seen[h] = true
		word := string(h.Job)
		if h.Task != "" {
			word += "/" + string(h.Task)
		}
		if out.Len()+1+len(word) > maxPayload {
			all = append(all, out.String())
			out.Reset()
		}
		if out.Len() == 0 {
			out.WriteString(string(node))
		}
		out.WriteString(" " + word)
	}
	return append(all, out.String())
}

// hints reads a payload; none if this process sent it.
func (b *Bus) hints(payload string) (hints []engine.Hint) {
	words := strings.Fields(payload)
	if len(words) == 0 || words[0] == string(b.node) {
		return nil
	}
	for _, word := range words[1:] {
		job, task, _ := strings.Cut(word, "/")
		hints = append(hints, engine.Hint{Job: engine.ID(job), Task: engine.ID(task)})
	}
	return hints
}

// Subscribe implements engine.Bus.
func (b *Bus) Subscribe(job engine.ID) (<-chan struct{}, func()) { return b.local.Subscribe(job) }

// Canceled implements engine.Bus.
func (b *Bus) Canceled(f func(engine.ID)) { b.local.Canceled(f) }

// listen hears what others say until ctx ends, over as many connections as that takes.
func (b *Bus) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := b.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		b.log.Warn("the connection that hears of changes broke; until it is back they are found by asking", "error", err)
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
		}
	}
}

func (b *Bus) hear(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		b.local.Deliver(b.hints(n.Payload))
	}
}
