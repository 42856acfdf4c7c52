package exportertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters"
)

// suite is a harness with what the tests share.
type suite struct {
	Harness
	env       exporters.Env // zero: one without an egress policy
	count     int
	tolerated map[string]bool // what is left and may be: of earlier tests, and of one opening
	lost      bool            // that opening has been
}

// rig is an engine with the exporter under test, for one sub-test.
type rig struct {
	*enginetest.Server
	suite  *suite
	files  *faultyFiles
	log    *lockedBuffer
	leaked map[string]bool // secrets of the parameters that were used
}

func (s *suite) operation() string { return "export/" + s.Definition().Kind }

// newSuite returns the suite for a driver. What is left at the server now is none of its business.
func newSuite(t testing.TB, h Harness) *suite {
	t.Helper()
	s := &suite{Harness: h, tolerated: map[string]bool{}}
	for _, name := range h.Unfinished(t) {
		s.tolerated[name] = true
	}
	return s
}

// rig starts an engine in a folder of its own.
func (s *suite) rig(t *testing.T) *rig {
	t.Helper()
	r := s.rigIn(t, t.TempDir())
	r.Start(t)
	return r
}

// rigIn makes an engine in the folder, which does not run yet.
func (s *suite) rigIn(t testing.TB, dir string) *rig {
	t.Helper()
	r := &rig{suite: s, log: &lockedBuffer{}, leaked: map[string]bool{}}
	env := s.env
	policy := egress.Unrestricted()
	if env.HTTP == nil {
		env.HTTP = policy.Client(egress.ClientOptions{})
	}
	if env.Dial == nil {
		env.Dial = policy.DialContext
	}
	r.Server = enginetest.New(t, enginetest.Config{Dir: dir, Operations: []engine.Operation{maker(), delivery(s.Definition(), env)}, Log: r.log})
	r.files = &faultyFiles{Files: r.Files}
	r.Files = r.files
	r.Drain = 0
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { r.runClock(ctx); close(ran) }()
	t.Cleanup(func() {
		stop()
		<-ran
		env.HTTP.CloseIdleConnections()
		r.checkSecrets(t, "the log", r.log.String())
	})
	return r
}

// runClock lets the engine's clock run fast, so that what is postponed comes soon.
func (r *rig) runClock(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.Clock.Advance(time.Second)
		case <-ctx.Done():
			return
		}
	}
}

// delivery is the operation of a definition as tasks/export makes it, without archives.
func delivery(def exporters.Definition, env exporters.Env) engine.Operation {
	op := engine.Operation{Name: "export/" + def.Kind, Summary: def.Summary, Lane: engine.LaneNet, Params: def.Params,
		Run: func(ctx context.Context, run *engine.Run, params any) (engine.Result, error) {
			files, err := run.Files(ctx)
			if err != nil {
				return engine.Result{}, err
			}
			lent := env
			lent.Task, lent.Owner, lent.Attempt, lent.Log = run.Task, run.User, run.Attempt, run.Log
			return exporters.Deliver(ctx, run, def, lent, params, files)
		}}
	op.Check = func(params any, _ []engine.File) []param.Problem {
		problems := def.CheckName(params)
		if def.Validate != nil {
			problems = append(problems, def.Validate(params)...)
		}
		return problems
	}
	if def.Discard != nil {
		op.Discard = func(ctx context.Context, l engine.Leftover, params any, state []byte) error {
			lent := env
			lent.Log = discardLog
			return def.DiscardLeftover(ctx, lent, l, params, state)
		}
	}
	return op
}

// made are files to be made.
type made struct {
	Names []string `json:"names"`
	Size  int64    `json:"size"`
	Seed  int64    `json:"seed"`
	Text  string   `json:"text"`
}

// maker is the operation that makes the files to be delivered.
func maker() engine.Operation {
	op := engine.Define("test/make", "Makes files.", engine.LaneNet, made{},
		engine.HandlerFunc[made](func(ctx context.Context, run *engine.Run, p made) (engine.Result, error) {
			var result engine.Result
			for i, name := range p.Names {
				src := io.Reader(strings.NewReader(p.Text))
				if p.Text == "" {
					src = content(p.Size, p.Seed+int64(i))
				}
				f, err := run.Create(ctx, name, src)
				if err != nil {
					return result, err
				}
				result.Files = append(result.Files, f)
			}
			return result, nil
		}))
	op.Source = true
	return op
}

// content is size random bytes, the same for the same seed.
func content(size, seed int64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed)+1)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// digest is the SHA-256 of the content of that size and seed.
func digest(t testing.TB, size, seed int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, content(size, seed)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// name returns a name that no other test uses.
func (s *suite) name() string {
	s.count++
	return fmt.Sprintf("t%d-%d/object.bin", time.Now().UnixNano(), s.count)
}

// submit stores a job that makes files and exports them.
func (r *rig) submit(t testing.TB, m made, params map[string]any) engine.Job {
	t.Helper()
	r.remember(params)
	return r.MustSubmit(t, enginetest.Task("make", "test/make", JSON(t, m)),
		enginetest.Task("export", r.suite.operation(), JSON(t, params), "make"))
}

// export makes and exports files and returns the export's end.
func (r *rig) export(t testing.TB, m made, params map[string]any) engine.Task {
	t.Helper()
	return r.end(t, r.submit(t, m, params).ID)
}

// end returns the export of a job when that has ended.
func (r *rig) end(t testing.TB, job engine.ID) engine.Task {
	t.Helper()
	task := enginetest.Named(t, r.MustEnd(t, job), "export")
	r.checkSecrets(t, "the task's message", task.Message)
	r.checkSecrets(t, "the task", JSON(t, task))
	return task
}

// delivered exports one file of random bytes and checks that it arrived.
func (r *rig) delivered(t testing.TB, size, seed int64, name, address string) {
	t.Helper()
	r.arrived(t, size, seed, name, address)
	r.suite.clean(t)
}

// arrived is delivered without a look at what is left.
func (r *rig) arrived(t testing.TB, size, seed int64, name, address string) {
	t.Helper()
	task := r.export(t, made{Names: []string{"own.bin"}, Size: size, Seed: seed}, r.suite.Params(t, address, name))
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export of %d bytes ended %s: %s\n%s", size, task.Code, task.Message, r.log.String())
	}
	r.suite.hasBytes(t, name, size, seed)
}

// holds checks that the object has these bytes, and that nothing else is left.
func (s *suite) holds(t testing.TB, name string, size, seed int64) {
	t.Helper()
	s.hasBytes(t, name, size, seed)
	s.clean(t)
}

func (s *suite) hasBytes(t testing.TB, name string, size, seed int64) {
	t.Helper()
	got, ok := s.Read(t, name)
	if !ok {
		t.Fatalf("there is no object %q", name)
	}
	sum := sha256.Sum256(got.Bytes)
	if int64(len(got.Bytes)) != size || hex.EncodeToString(sum[:]) != digest(t, size, seed) {
		t.Errorf("object %q has %d bytes that are not the %d of the file", name, len(got.Bytes), size)
	}
}

// clean checks that nothing unfinished is left.
func (s *suite) clean(t testing.TB) {
	t.Helper()
	if left := s.left(t); len(left) > 0 {
		t.Errorf("left unfinished at the destination: %q", left)
		s.tolerateRest(t) // once is enough
	}
}

// cleanAfterFailure checks that a delivery that failed has left nothing, unless the definition says that it may.
func (s *suite) cleanAfterFailure(t testing.TB) {
	t.Helper()
	if s.Definition().Promises.NoAbort != "" {
		s.tolerateRest(t)
	}
	s.clean(t)
}

// tolerateRest lets stay what is left now.
func (s *suite) tolerateRest(t testing.TB) {
	t.Helper()
	for _, name := range s.left(t) {
		s.tolerated[name] = true
	}
}

// left lists what is left and may not be.
func (s *suite) left(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(s.Unfinished(t), func(name string) bool { return s.tolerated[name] })
}

// absent checks that there is no object of that name.
func (s *suite) absent(t testing.TB, name string) {
	t.Helper()
	if got, ok := s.Read(t, name); ok {
		t.Errorf("there is an object %q with %d bytes", name, len(got.Bytes))
	}
}

// remember notes the secrets of parameters.
func (r *rig) remember(params map[string]any) {
	for _, f := range r.suite.Definition().Params.Fields() {
		value, ok := params[f.Name].(string)
		if ok && f.Secret && len(value) >= 6 {
			r.leaked[value] = true
		}
	}
}

func (r *rig) checkSecrets(t testing.TB, where, text string) {
	t.Helper()
	for secret := range r.leaked {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows a secret", where)
		}
	}
}

// JSON returns the value as JSON.
func JSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// faultyFiles are files that turn out shorter or longer than they are said to be.
type faultyFiles struct {
	engine.Files
	mu     sync.Mutex
	cut    func(size int64) int64 // bytes that there are; nil: all
	only   int64                  // files of this size alone; 0: all
	opened map[engine.BlobID]int
}

// Open implements engine.Files.
func (f *faultyFiles) Open(ctx context.Context, blob engine.BlobID) (io.ReadSeekCloser, error) {
	src, err := f.Files.Open(ctx, blob)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened == nil {
		f.opened = map[engine.BlobID]int{}
	}
	f.opened[blob]++
	if err != nil || f.cut == nil {
		return src, err
	}
	size, err := src.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = src.Seek(0, io.SeekStart)
	}
	if err != nil || f.only != 0 && size != f.only {
		return src, err
	}
	return &cutFile{src: src, size: f.cut(size)}, nil
}

// set makes files have so many bytes; nil makes them right again.
func (f *faultyFiles) set(cut func(size int64) int64, only int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut, f.only = cut, only
}

// cutFile has size bytes, with zeros behind what there is.
type cutFile struct {
	src      io.ReadSeekCloser
	size, at int64
}

func (c *cutFile) Read(p []byte) (int, error) {
	if c.at >= c.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.size-c.at)]
	n, err := c.src.Read(p)
	if err == io.EOF && n == 0 { //nolint:errorlint // only the bare EOF is an end
		clear(p)
		n, err = len(p), nil
	}
	c.at += int64(n)
	return n, err
}

func (c *cutFile) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset, whence = c.size+offset, io.SeekStart
	}
	at, err := c.src.Seek(offset, whence)
	c.at = at
	return at, err
}

func (c *cutFile) Close() error { return c.src.Close() }

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
