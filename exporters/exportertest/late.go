package exportertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// late lets a delivery's last request arrive when the task is over and somebody else has written the object.
func (s *suite) late(t *testing.T) {
	if why := s.Definition().Promises.LateCommit; why != "" {
		t.Skip("not promised: " + why)
	}
	wire := &Wire{}
	with := *s
	with.env = wire.Env()
	for _, size := range []int64{small, s.large()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r, other, name := with.rig(t), s.rig(t), s.name()
			wire.Forget()
			r.delivered(t, size, 1, s.name(), s.Address())
			last := len(wire.Heads())
			if last == 0 {
				t.Skip("it makes no HTTP request that could be held back")
			}
			held, release := make(chan struct{}), make(chan struct{})
			wire.Always(heldBack(last, held, release))
			job := r.submit(t, made{Names: []string{"own.bin"}, Size: size, Seed: 2}, s.Params(t, s.Address(), name))
			<-held
			if _, err := r.Cancel(t.Context(), r.User, job.Tasks[1].ID); err != nil {
				t.Fatal(err)
			}
			other.arrived(t, small, 3, name, s.Address())
			close(release)
			if task := r.end(t, job.ID); task.Code != engine.Canceled {
				t.Errorf("the task ended %s (%s), want cancelled", task.Code, task.Message)
			}
			r.Stop(t) // returns when the exporter has
			wire.Always(nil)
			s.hasBytes(t, name, small, 3)
			s.cleanAfterFailure(t)
		})
	}
}

// heldBack keeps the request of that number, whose body has been read, until it is released, and sends it then.
func heldBack(number int, held chan<- struct{}, release <-chan struct{}) Tamper {
	var requests atomic.Int64
	return func(req *http.Request) (*http.Response, error) {
		if requests.Add(1) != int64(number) {
			return nil, nil
		}
		late := req.Clone(context.WithoutCancel(req.Context()))
		if req.Body != nil && req.Body != http.NoBody {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			late.Body = io.NopCloser(bytes.NewReader(body))
		}
		close(held)
		<-release
		return http.DefaultTransport.RoundTrip(late)
	}
}
