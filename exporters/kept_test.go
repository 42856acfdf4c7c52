package exporters_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
)

// shelf is a Checkpoint.
type shelf struct {
	state []byte
	saves int
	err   error
}

func (s *shelf) Load(context.Context) ([]byte, error) { return s.state, nil }

func (s *shelf) Save(ctx context.Context, state []byte) error {
	if err := errors.Join(s.err, ctx.Err()); err != nil {
		return err
	}
	s.state, s.saves = state, s.saves+1
	return nil
}

func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &shelf{}
		var k exporters.Kept[[]int]
		if err := k.Recall(t.Context(), at); err != nil || k.State != nil {
			t.Fatalf("of nothing it recalls %v, %v", k.State, err)
		}
		k.State = []int{0, 0, 0}
		if err := k.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		note := func(i int) {
			t.Helper()
			if err := k.Note(t.Context(), func(state *[]int) { (*state)[i] = 1 }); err != nil {
				t.Fatal(err)
			}
		}
		if note(0); at.saves != 2 {
			t.Errorf("the first step was not saved")
		}
		if note(1); at.saves != 2 {
			t.Errorf("right after a save it was saved again")
		}
		time.Sleep(3 * time.Second) // of the bubble's clock
		if note(2); at.saves != 3 {
			t.Errorf("after a while it was not saved")
		}
		var again exporters.Kept[[]int]
		if err := again.Recall(t.Context(), at); err != nil || !slices.Equal(again.State, []int{1, 1, 1}) {
			t.Errorf("it recalls %v, %v; want all", again.State, err)
		}
	})
}

func TestKeepAfterTheEnd(t *testing.T) {
	failed := errors.New("the connection broke")
	for name, test := range map[string]struct {
		failed, save error
		want         []error
	}{
		"saved":    {failed: failed, want: []error{failed}},
		"unsaved":  {failed: failed, save: errors.ErrUnsupported, want: []error{failed, errors.ErrUnsupported}},
		"lost":     {failed: failed, save: engine.ErrLeaseLost, want: []error{failed}},
		"fine":     {},
		"not ours": {save: engine.ErrLeaseLost, want: []error{engine.ErrLeaseLost}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			at := &shelf{err: test.save}
			var k exporters.Kept[int]
			if err := k.Recall(ctx, at); err != nil {
				t.Fatal(err)
			}
			cancel()
			err := k.Keep(ctx, test.failed)
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v in it", err, want)
				}
			}
			if test.want == nil && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if name == "lost" && errors.Is(err, engine.ErrLeaseLost) {
				t.Errorf("got %v, want the failure alone", err)
			}
			if test.save == nil && at.saves != 1 {
				t.Error("it was not saved")
			}
		})
	}
}

func TestEach(t *testing.T) {
	var mu sync.Mutex
	var did []int
	do := func(_ context.Context, i int) error {
		mu.Lock()
		defer mu.Unlock()
		did = append(did, i)
		return nil
	}
	if err := exporters.Each(t.Context(), 3, []int{4, 5, 6, 7}, do); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(did); !slices.Equal(did, []int{4, 5, 6, 7}) {
		t.Errorf("did %v, want each once", did)
	}
	if err := exporters.Each(t.Context(), 3, nil, do); err != nil || len(did) != 4 {
		t.Errorf("for no numbers: got %v after %v", err, did)
	}
}

func TestEachStopsAtTheFirstFailure(t *testing.T) {
	failed := errors.New("the third")
	err := exporters.Each(t.Context(), 2, []int{0, 1, 2, 3, 4, 5}, func(ctx context.Context, i int) error {
		if i == 3 {
			return failed
		}
		if i < 2 {
			return nil
		}
		if i > 4 {
			t.Errorf("%d was begun after a failure", i)
		}
		<-ctx.Done() // ends by the failure of another
		return context.Cause(ctx)
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want %v", err, failed)
	}
}
