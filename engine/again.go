package engine

import (
	"context"
	"slices"
)

// again stores a new stand-alone task with what the old one was asked for. The parameters come from the sealed payload,
// since the redacted copy lacks the secrets.
func (e *Engine) again(ctx context.Context, old Task) (Task, error) {
	if err := e.room(ctx); err != nil {
		return Task{}, err
	}
	sealed, arrived, err := e.Store.Reader.Payload(ctx, old.ID)
	if err != nil {
		return Task{}, err
	}
	op, ok := e.Catalog.Find(old.Operation)
	if !ok {
		return Task{}, Errorf(Invalid, "This server cannot run the operation %q any more.", old.Operation)
	}
	raw, err := e.Sealer.Unseal(sealed, string(old.ID))
	if err != nil {
		return Task{}, lostKey(err)
	}
	inputs, needs, err := e.oldInputs(ctx, old.ID)
	if err != nil {
		return Task{}, err
	}
	t := NewTask{ID: NewID(), Operation: op.Name, Spelling: old.Operation, Lane: op.Lane, Inputs: inputs, Needs: needs,
		Awaits: op.Outside, Redacted: old.Payload, RetryOf: old.ID}
	if !op.Outside {
		t.Arrived = arrived
	} else {
		t.UploadUntil = e.now().Add(e.Limits.UploadForm)
	}
	if t.Payload, err = e.Sealer.Seal(raw, string(t.ID)); err != nil {
		return Task{}, err
	}
	job := NewJob{ID: NewID(), User: old.User, Submission: Submission{Hidden: true}, Tasks: []NewTask{t}, CreatedAt: e.now()}
	if _, err := e.Store.Graph.Submit(ctx, job); err != nil {
		return Task{}, err
	}
	return job.asSubmitted().Tasks[0], nil
}

// oldInputs returns what the task depends on. An input that is gone cannot be read again.
func (e *Engine) oldInputs(ctx context.Context, task ID) (inputs, needs []ID, err error) {
	read, err := e.Store.Reader.Inputs(ctx, task)
	if err != nil {
		return nil, nil, err
	}
	for _, in := range read {
		switch {
		case in.Task == "":
		case in.Gone:
			return nil, nil, Errorf(Conflict, "An input of the task was deleted or has expired. Submit the job again.")
		case in.Need:
			needs = append(needs, in.Task)
		default:
			inputs = append(inputs, in.Task)
		}
	}
	return slices.Clip(inputs), slices.Clip(needs), nil
}
