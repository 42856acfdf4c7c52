package riverqueue

import (
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

func TestPayloads(t *testing.T) {
	me, other := &Bus{node: "me"}, &Bus{node: "other"}
	var sent []engine.Hint
	for i := range 1000 {
		h := engine.Hint{Job: engine.NewID()}
		if i%3 == 0 {
			h.Task = engine.NewID()
		}
		sent = append(sent, h)
	}
	var heard []engine.Hint
	for _, payload := range payloads("me", append(sent, sent[:10]...)) {
		if len(payload) > maxPayload {
			t.Errorf("a payload has %d bytes", len(payload))
		}
		heard = append(heard, other.hints(payload)...)
		if own := me.hints(payload); own != nil {
			t.Errorf("the sender hears %d hints of its own", len(own))
		}
	}
	if !slices.Equal(heard, sent) {
		t.Errorf("heard %d hints of %d", len(heard), len(sent))
	}
}

func FuzzHints(f *testing.F) {
	for _, seed := range []string{"", "me", "other a", "other a/b c", "  other  a/b/c / ", "\x00"} {
		f.Add(seed)
	}
	b := &Bus{node: "me"}
	f.Fuzz(func(t *testing.T, payload string) {
		hints := b.hints(payload)
		if words := len(strings.Fields(payload)); len(hints) > max(0, words-1) {
			t.Errorf("%d hints of %d words", len(hints), words)
		}
		for _, h := range hints {
			if strings.ContainsAny(string(h.Job+h.Task), " \n\t") || strings.Contains(string(h.Job), "/") {
				t.Errorf("the hint is %q", h)
			}
		}
	})
}
