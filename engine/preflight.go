package engine

import (
	"context"
	"encoding/json"
	"time"
)

// Finding is one line of what a preflight found.
type Finding struct {
	OK   bool
	Text string // what is right, or what is not and what to do about it; never with a secret
}

// preflightTime bounds a preflight.
const preflightTime = time.Minute

// Preflight tries what a task of the operation would need with these parameters, and leaves nothing behind. Mistakes in them
// are reported as Submit would. An operation that calls nobody is NotFound.
func (e *Engine) Preflight(ctx context.Context, user UserID, operation string, raw json.RawMessage) ([]Finding, error) {
	op, ok := e.Catalog.Find(operation)
	if !ok || op.Preflight == nil {
		return nil, Errorf(NotFound, "%q has nothing that can be tried beforehand.", shortened(operation))
	}
	raw, problems, err := e.connected(ctx, user, op, raw)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, InvalidParams(problems)
	}
	params, problems := op.Params.Decode(raw)
	if len(problems) == 0 && op.Check != nil {
		problems = op.Check(params, nil)
	}
	if len(problems) > 0 {
		return nil, InvalidParams(problems)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, preflightTime, Errorf(Timeout, "There was no answer within %s.", preflightTime))
	defer cancel()
	return op.Preflight(ctx, user, params), nil
}
