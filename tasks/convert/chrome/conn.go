package chrome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// How messages of the DevTools protocol go over a pipe. The largest is a picture in base64.
const (
	endOfMessage = 0
	maxMessage   = 256 << 20
)

// message is one of the protocol, in either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *fault          `json:"error,omitempty"`
}

// fault is how Chromium refuses a call.
type fault struct {
	Message string `json:"message"`
}

// Error implements error.
func (f *fault) Error() string { return f.Message }

// lastCall ends a conversation: with its answer the pipe is silent, and the worker can be lent again.
const lastCall = 1 << 30

// conn is the conversation with a worker during one use. It is for one goroutine.
type conn struct {
	worker   *toolbox.Worker
	calls    int
	messages chan message
	failed   chan error // has one once messages ends early
	on       func(message) error
}

// within has a conversation with a worker.
func within(ctx context.Context, w *toolbox.Worker, talk func(context.Context, *conn) error) error {
	c := &conn{worker: w, messages: make(chan message), failed: make(chan error, 1)}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.failed <- c.listen(ctx)
	}()
	err := talk(ctx, c)
	if err == nil {
		err = c.hangUp(ctx)
	}
	cancel()
	<-done
	return err
}

// listen passes on what the worker says, until it answers the last call. It must not stop within a message.
func (c *conn) listen(ctx context.Context) error {
	for {
		raw, err := c.worker.Receive(ctx)
		if err != nil {
			return err
		}
		var m message
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("read what Chromium says: %w", err)
		}
		if m.ID == lastCall {
			return nil
		}
		select {
		case c.messages <- m:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hangUp makes sure that nothing of this conversation is left in the pipe.
func (c *conn) hangUp(ctx context.Context) error {
	if err := c.send(ctx, message{ID: lastCall, Method: "Browser.getVersion"}); err != nil {
		return err
	}
	for {
		select {
		case <-c.messages:
		case err := <-c.failed:
			c.failed <- nil
			return err
		}
	}
}

func (c *conn) send(ctx context.Context, m message) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("speak with Chromium: %w", err)
	}
	return c.worker.Send(ctx, append(raw, endOfMessage))
}

// tell calls a method whose answer does not matter.
func (c *conn) tell(ctx context.Context, session, method string, params any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("speak with Chromium: %w", err)
	}
	c.calls++
	return c.send(ctx, message{ID: c.calls, Session: session, Method: method, Params: raw})
}

// call calls a method and waits for its answer; events come to on meanwhile. A *fault is Chromium's refusal.
func (c *conn) call(ctx context.Context, session, method string, params, result any) error {
	if params == nil {
		params = struct{}{}
	}
	if err := c.tell(ctx, session, method, params); err != nil {
		return err
	}
	id, answer := c.calls, message{}
	err := c.until(ctx, nil, func(m message) bool {
		answer = m
		return m.ID == id
	})
	if err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %w", method, answer.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("read the answer to %s: %w", method, err)
	}
	return nil
}

// errOver is what until returns when its timer came first.
var errOver = errors.New("time is over")

// until handles what comes until one message is the one, or over has something; that is errOver.
func (c *conn) until(ctx context.Context, over <-chan time.Time, is func(message) bool) error {
	for {
		select {
		case m := <-c.messages:
			if m.ID == 0 && c.on != nil {
				if err := c.on(m); err != nil {
					return err
				}
			}
			if is(m) {
				return nil
			}
		case <-over:
			return errOver
		case err := <-c.failed:
			c.failed <- err
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
