package exportertest

import (
	"fmt"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// proxied returns a proxy in front of the server; without a network the test is skipped.
func (s *suite) proxied(t *testing.T) *proxy {
	t.Helper()
	if s.Address() == "" {
		t.Skip("there is no network in between")
	}
	return newProxy(t, s.Address())
}

func (s *suite) away(t *testing.T) {
	p, r := s.proxied(t), s.rig(t)
	p.set(faults{refuse: 2})
	r.delivered(t, small, 1, s.name(), p.address())
}

func (s *suite) reset(t *testing.T) {
	p := s.proxied(t)
	for _, size := range []int64{small, s.large()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := s.rig(t)
			p.set(faults{resetAt: size / 2})
			r.delivered(t, size, 1, s.name(), p.address())
		})
	}
}

// mostLost bounds how many lost answers are tried for one size.
const mostLost = 12

func (s *suite) lostAnswers(t *testing.T) {
	p := s.proxied(t)
	for _, size := range []int64{small, s.large()} {
		r := s.rig(t)
		p.set(faults{})
		r.delivered(t, size, 1, s.name(), p.address())
		answers := p.counted()
		step := max(1, answers/mostLost)
		for nth := answers; nth > 0; nth -= step { // from the last, which answers the commit, on
			t.Run(fmt.Sprintf("%d bytes, answer %d of %d", size, nth, answers), func(t *testing.T) {
				r := s.rig(t)
				p.set(faults{loseNth: nth})
				r.arrived(t, size, int64(nth), s.name(), p.address())
				s.tolerateOpening(t)
				s.clean(t)
			})
		}
	}
}

// tolerateOpening lets something empty stay whose opening was answered to nobody, once, where the definition says so.
func (s *suite) tolerateOpening(t testing.TB) {
	left := s.left(t)
	if s.Definition().Promises.LostOpening == "" || s.lost || len(left) != 1 {
		return
	}
	s.lost, s.tolerated[left[0]] = true, true
}

func (s *suite) pieces(t *testing.T) {
	p, r := s.proxied(t), s.rig(t)
	p.set(faults{tinyBits: true})
	r.delivered(t, 10*small, 1, s.name(), p.address())
}

func (s *suite) cancel(t *testing.T) {
	p := s.proxied(t)
	for _, size := range []int64{small, s.large()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r, name := s.rig(t), s.name()
			p.set(faults{stallAt: size / 2})
			job := r.submit(t, made{Names: []string{"own.bin"}, Size: size}, s.Params(t, p.address(), name))
			<-p.whenStalled()
			p.heal()
			if _, err := r.Cancel(t.Context(), r.User, job.Tasks[1].ID); err != nil {
				t.Fatal(err)
			}
			if task := r.end(t, job.ID); task.Code != engine.Canceled {
				t.Errorf("the task ended %s (%s), want cancelled", task.Code, task.Message)
			}
			r.Stop(t) // returns when the exporter has
			s.absent(t, name)
			s.cleanAfterFailure(t)
		})
	}
}
