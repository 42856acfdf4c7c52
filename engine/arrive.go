package engine

import (
	"context"
	"io"
)

// Upload is an open upload form.
type Upload struct {
	Task   Task
	Params any // of the operation, decoded
}

// Uploadable returns the task if its upload form can still be used: NotFound if there is none, Conflict if its file has
// arrived already, UploadExpired if the form has expired.
func (e *Engine) Uploadable(ctx context.Context, task ID) (Upload, error) {
	t, err := e.Store.Reader.Task(ctx, task)
	if err != nil {
		return Upload{}, err
	}
	switch {
	case t.Code == UploadExpired, t.AwaitsUpload && !e.now().Before(t.UploadUntil):
		return Upload{}, uploadExpired()
	case t.UploadUntil.IsZero():
		return Upload{}, noTask()
	case !t.AwaitsUpload:
		return Upload{}, Errorf(Conflict, "The file of this upload has arrived already, or the task has ended. Make a new import/upload task.")
	}
	return Upload{Task: t, Params: e.uploadParams(ctx, t)}, nil
}

func uploadExpired() error {
	return Errorf(UploadExpired, "The upload form has expired. Make a new import/upload task.")
}

func (e *Engine) uploadParams(ctx context.Context, t Task) any {
	op, ok := e.Catalog.Find(t.Operation)
	sealed, _, err := e.Store.Reader.Payload(ctx, t.ID)
	if !ok || err != nil {
		return nil
	}
	raw, err := e.Sealer.Unseal(sealed, string(t.ID))
	if err != nil {
		return nil
	}
	params, _ := op.Params.Decode(raw)
	return params
}

// Arrive stores the file that a task waits for and lets the task go on. Of two at once the first wins; the second is a
// Conflict and changes nothing. An error of r leaves nothing behind, and the form can be used again.
func (e *Engine) Arrive(ctx context.Context, task ID, name string, r io.Reader) error {
	if _, err := e.Uploadable(ctx, task); err != nil {
		return err
	}
	if err := e.room(ctx); err != nil {
		return err
	}
	f, err := e.Files.Create(ctx, CleanName(name), &boundedReader{src: r, left: e.Limits.Transfer})
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the sender may go after the last byte; only the outcome says whether the file is needed
	if err := e.Store.Graph.Arrive(ctx, task, f); err != nil {
		if rerr := e.Files.Remove(ctx, f.Blob); rerr != nil {
			e.Log.Warn("an upload that came too late stays until a later sweep", "task", task, "error", rerr)
		}
		if _, why := e.Uploadable(ctx, task); why != nil {
			return why // more exactly: the form has expired, or the task is gone
		}
		return err
	}
	return nil
}
