package riverqueue

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newGate() *gate {
	g := &gate{}
	g.free = sync.NewCond(&g.mu)
	return g
}

// enters starts an entry and returns what it comes to: nothing as long as it is held.
func enters(g *gate, alone bool) *string {
	got := ""
	go func() {
		if g.enter(alone, time.Minute) {
			got = "in"
		} else {
			got = "sent away"
		}
	}()
	synctest.Wait()
	return &got
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		first, second := enters(g, false), enters(g, false)
		lone := enters(g, true)
		late := enters(g, false)
		if *first != "in" || *second != "in" || *lone != "" || *late != "" {
			t.Fatalf("got %q %q, alone %q, after it %q", *first, *second, *lone, *late)
		}
		g.leave(false)
		synctest.Wait()
		if *lone != "" || !g.barred() {
			t.Fatalf("with one inside the lone one is %q", *lone)
		}
		g.leave(false)
		synctest.Wait()
		if *lone != "in" || *late != "" {
			t.Fatalf("alone %q, after it %q", *lone, *late)
		}
		g.leave(true)
		synctest.Wait()
		if *late != "in" || g.barred() {
			t.Fatalf("after the lone one has left: %q", *late)
		}
	})
}

func TestGateSendsAwayWhoIsHeldTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		enters(g, true)
		held, lone := enters(g, false), enters(g, true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if *held != "sent away" || *lone != "" {
			t.Errorf("got %q, alone %q", *held, *lone)
		}
		g.open()
		synctest.Wait()
		if *lone != "in" {
			t.Errorf("a process that stops holds %q", *lone)
		}
	})
}
