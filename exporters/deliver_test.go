package exporters_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
)

// fake is a destination in memory whose Export a test may replace.
type fake struct {
	export func(ctx context.Context, d exporters.Delivery, call int) (exporters.Receipt, error)

	mu      sync.Mutex
	calls   map[string]int
	objects map[string][]byte
}

func (f *fake) Export(ctx context.Context, d exporters.Delivery) (exporters.Receipt, error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls, f.objects = map[string]int{}, map[string][]byte{}
	}
	f.calls[d.Name]++
	call := f.calls[d.Name]
	f.mu.Unlock()
	if f.export != nil {
		if receipt, err := f.export(ctx, d, call); err != nil {
			return receipt, err
		}
	}
	r, err := d.Open(ctx)
	if err != nil {
		return exporters.Receipt{}, err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return exporters.Receipt{}, err
	}
	f.mu.Lock()
	f.objects[d.Name] = content
	f.mu.Unlock()
	return exporters.Receipt{Facts: map[string]string{"etag": "e"}}, nil
}

func (f *fake) Close() error { return nil }

type fakeParams struct {
	Name   string `json:"name" rule:"role=name"`
	Prefix string `json:"prefix" rule:"role=prefix"`
}

// deliver exports files of a few bytes to f, changed as change says, and returns how that ended.
func deliver(t *testing.T, f *fake, params string, names []string, change func(*exporters.Definition, *engine.Limits)) (engine.Task, string) {
	t.Helper()
	def := exporters.Define("fake", "For tests.", fakeParams{},
		func(context.Context, exporters.Env, fakeParams) (exporters.Exporter, error) { return f, nil })
	limits := engine.DefaultLimits()
	limits.FreeSpace = 0
	if change != nil {
		change(&def, &limits)
	}
	makes := engine.Define("test/make", "Makes files.", engine.LaneNet, struct{}{},
		engine.HandlerFunc[struct{}](func(ctx context.Context, run *engine.Run, _ struct{}) (result engine.Result, err error) {
			for _, name := range names {
				file, err := run.Create(ctx, name, strings.NewReader("content of "+name))
				if err != nil {
					return result, err
				}
				result.Files = append(result.Files, file)
			}
			return result, nil
		}))
	makes.Source = true
	exports := engine.Operation{Name: "export/fake", Lane: engine.LaneNet, Params: def.Params,
		Run: func(ctx context.Context, run *engine.Run, params any) (engine.Result, error) {
			files, err := run.Files(ctx)
			if err != nil {
				return engine.Result{}, err
			}
			return exporters.Deliver(ctx, run, def, exporters.Env{Task: run.Task, Log: run.Log}, params, files)
		}}
	var log bytes.Buffer
	s := enginetest.New(t, enginetest.Config{Operations: []engine.Operation{makes, exports}, Limits: limits, Log: &log})
	s.Start(t)
	job := s.MustSubmit(t, enginetest.Task("make", "test/make", ""), enginetest.Task("export", "export/fake", params, "make"))
	task := enginetest.Named(t, s.MustEnd(t, job.ID), "export")
	s.Stop(t)
	return task, log.String()
}

func TestDeliverTriesAgain(t *testing.T) {
	for name, failure := range map[string]error{
		"unavailable":  engine.Errorf(engine.Unavailable, "away"),
		"rate limited": &engine.Error{Code: engine.RateLimited, Message: "slow down", RetryAfter: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{export: func(_ context.Context, _ exporters.Delivery, call int) (exporters.Receipt, error) {
				if call == 1 {
					return exporters.Receipt{}, failure
				}
				return exporters.Receipt{}, nil
			}}
			task, log := deliver(t, f, `{}`, []string{"a"}, nil)
			if task.Status != engine.StatusFinished || f.calls["a"] != 2 {
				t.Errorf("ended %s (%s) after %d calls, want two\n%s", task.Status, task.Message, f.calls["a"], log)
			}
		})
	}
}

func TestDeliverRefusesNames(t *testing.T) {
	for params, want := range map[string]string{
		`{"name": "123456789"}`:                         `"own.txt" cannot be exported as "123456789": it has 9 bytes, and Shelf takes 8 at most. Change name.`,
		`{"prefix": "12"}`:                              `"own.txt" cannot be exported as "12own.txt": it has 9 bytes, and Shelf takes 8 at most. Change prefix, or the name of the file.`,
		`{"prefix": "` + strings.Repeat("n", 70) + `"}`: `"own.txt" cannot be exported as "` + strings.Repeat("n", 60) + `"… (77 bytes): it has 77 bytes`,
	} {
		f := &fake{}
		task, _ := deliver(t, f, params, []string{"own.txt"}, func(d *exporters.Definition, _ *engine.Limits) {
			d.Clean = exporters.FlatNames("Shelf", 8, nil)
		})
		if task.Code != engine.Invalid || !strings.HasPrefix(task.Message, want) || len(f.calls) > 0 {
			t.Errorf("%s: ended %s: %s", params, task.Code, task.Message)
		}
	}
}

func TestDeliverEndsWhatStandsStill(t *testing.T) {
	f := &fake{export: func(ctx context.Context, _ exporters.Delivery, call int) (exporters.Receipt, error) {
		if call > 1 {
			return exporters.Receipt{}, nil
		}
		<-ctx.Done()
		return exporters.Receipt{}, fmt.Errorf("write: %w", ctx.Err())
	}}
	task, log := deliver(t, f, `{}`, []string{"a"}, func(_ *exporters.Definition, l *engine.Limits) { l.Idle = 20 * time.Millisecond })
	if task.Status != engine.StatusFinished || !strings.Contains(log, "took no byte") {
		t.Errorf("ended %s (%s)\n%s", task.Status, task.Message, log)
	}
}

func TestDeliverDoesNotTryWhatIsHopeless(t *testing.T) {
	f := &fake{export: func(context.Context, exporters.Delivery, int) (exporters.Receipt, error) {
		return exporters.Receipt{}, engine.Errorf(engine.Denied, "The key may not write.")
	}}
	task, _ := deliver(t, f, `{}`, []string{"a"}, nil)
	if task.Code != engine.Denied || task.Message != "The key may not write." || f.calls["a"] != 1 {
		t.Errorf("ended %s (%s) after %d calls", task.Code, task.Message, f.calls["a"])
	}
}

func TestDeliverNamesTheFile(t *testing.T) {
	f := &fake{export: func(_ context.Context, d exporters.Delivery, _ int) (exporters.Receipt, error) {
		if d.Name == "b" {
			return exporters.Receipt{}, engine.Errorf(engine.Denied, "no")
		}
		return exporters.Receipt{}, nil
	}}
	task, _ := deliver(t, f, `{}`, []string{"a", "b"}, func(def *exporters.Definition, _ *engine.Limits) { def.Parallel = 1 })
	if task.Message != "b: no" || task.Result == nil || len(task.Result.Files) != 1 || task.Result.Files[0].Name != "a" {
		t.Errorf("ended with %q and %+v", task.Message, task.Result)
	}
}

// TestDeliverSurvivesAPanic wants a panic of a driver to fail its delivery, and not the process.
func TestDeliverSurvivesAPanic(t *testing.T) {
	f := &fake{export: func(_ context.Context, d exporters.Delivery, _ int) (exporters.Receipt, error) {
		if d.Name == "bad" {
			panic("driver")
		}
		return exporters.Receipt{}, engine.Errorf(engine.Denied, "no")
	}}
	task, log := deliver(t, f, `{}`, []string{"good", "bad"}, nil)
	if task.Code != engine.Denied || strings.Contains(log, "task failed unexpectedly") {
		t.Errorf("ended %s (%s)\n%s", task.Code, task.Message, log)
	}
}

func TestDeliverRefusesBeforeAByteIsSent(t *testing.T) {
	for _, test := range []struct {
		name, params string
		names        []string
		change       func(*exporters.Definition, *engine.Limits)
		want         string
	}{
		{"one name for several", `{"name": "x"}`, []string{"a", "b"}, nil, "Put %d into the name"},
		{"two files of one name", `{}`, []string{"a", "a"}, nil, "Set archive_multiple_files"},
		{"names that differ in case", `{}`, []string{"a", "A"},
			func(def *exporters.Definition, _ *engine.Limits) { def.Fold = exporters.FoldCase }, "Both"},
		{"room for one", `{}`, []string{"a", "b"},
			func(def *exporters.Definition, _ *engine.Limits) { def.Single = true }, "room for one"},
		{"a name that cannot be", `{}`, []string{"a"}, func(def *exporters.Definition, _ *engine.Limits) {
			def.Clean = func(string) (string, error) { return "", errors.New("it is reserved") }
		}, "it is reserved"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{}
			task, _ := deliver(t, f, test.params, test.names, test.change)
			if task.Code != engine.Invalid || !strings.Contains(task.Message, test.want) || len(f.calls) != 0 {
				t.Errorf("ended %s (%s) after %d calls, want %q", task.Code, task.Message, len(f.calls), test.want)
			}
		})
	}
}

func TestDeliverShowsWhatArrived(t *testing.T) {
	f := &fake{}
	task, _ := deliver(t, f, `{"prefix": "out/"}`, []string{"a", "b", "c"}, nil)
	if task.Status != engine.StatusFinished || task.Percent != 100 {
		t.Errorf("ended %s at %d", task.Status, task.Percent)
	}
	if got := task.Result.Files[1]; got.Facts["key"] != "out/b" || got.Facts["etag"] != "e" || got.Blob != "" || got.Link {
		t.Errorf("the result has %+v", got)
	}
}
