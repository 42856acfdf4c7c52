package sftp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
)

// odd is a server in this process, for what OpenSSH cannot be made to do. Fields are set before it is dialled.
type odd struct {
	t      *testing.T
	config ssh.ServerConfig
	fault  func(call, path string, n int) error // before the n-th call of that kind; of stat: one byte too few; of read: swapped
	mu     sync.Mutex
	files  map[string][]byte
	calls  []string
	counts map[string]int
	conns  int
	server net.Listener
}

// newOdd starts a server that lets test in with the password test. It offers no extensions.
func newOdd(t *testing.T, set func(*odd)) *odd {
	t.Helper()
	o := &odd{t: t, files: map[string][]byte{}, counts: map[string]int{}}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o.config.AddHostKey(signer)
	o.config.PasswordCallback = func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if c.User() == "test" && string(password) == "test" {
			return nil, nil //nolint:nilnil // as the library wants it
		}
		return nil, errors.New("no")
	}
	if set != nil {
		set(o)
	}
	if err := library.SetSFTPExtensions(); err != nil {
		t.Fatal(err)
	}
	if o.server, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { o.accept(); close(done) }()
	t.Cleanup(func() { o.server.Close(); <-done })
	return o
}

func (o *odd) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := o.server.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns++
		o.mu.Unlock()
		wg.Go(func() { o.serve(conn) })
	}
}

func (o *odd) serve(conn net.Conn) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, &o.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		}()
		_ = library.NewRequestServer(channel, library.Handlers{FileGet: o, FilePut: o, FileCmd: o, FileList: o}).Serve()
		channel.Close()
	}
}

// begin counts a call and returns its fault.
func (o *odd) begin(call, path string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, call)
	o.counts[call]++
	if o.fault == nil {
		return nil
	}
	return o.fault(call, path, o.counts[call])
}

// Fileread implements the library's FileReader.
func (o *odd) Fileread(r *library.Request) (io.ReaderAt, error) {
	swapped := o.begin("read", r.Filepath) != nil
	o.mu.Lock()
	defer o.mu.Unlock()
	if swapped {
		return bytes.NewReader(o.files["/swapped"]), nil
	}
	return bytes.NewReader(o.files[r.Filepath]), nil
}

// Filewrite implements the library's FileWriter. Who asks to read as well is refused (EXP-SF-05).
func (o *odd) Filewrite(r *library.Request) (io.WriterAt, error) {
	if r.Pflags().Read {
		return nil, library.ErrSSHFxPermissionDenied
	}
	if err := o.begin("open", r.Filepath); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[r.Filepath] = nil
	return &oddFile{o, r.Filepath}, nil
}

type oddFile struct {
	*odd
	path string
}

func (f *oddFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.begin("write", f.path); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	content := f.files[f.path]
	if missing := int(at) + len(p) - len(content); missing > 0 {
		content = append(content, make([]byte, missing)...)
	}
	copy(content[at:], p)
	f.files[f.path] = content
	return len(p), nil
}

func (f *oddFile) Close() error { return f.begin("close", f.path) }

// Filecmd implements the library's FileCmder. A rename never replaces.
func (o *odd) Filecmd(r *library.Request) error {
	if err := o.begin(strings.ToLower(r.Method), r.Filepath); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	content, there := o.files[r.Filepath]
	switch r.Method {
	case "Rename":
		if _, taken := o.files[r.Target]; taken || !there {
			return library.ErrSSHFxFailure
		}
		o.files[r.Target] = content
		delete(o.files, r.Filepath)
	case "Remove":
		delete(o.files, r.Filepath)
	}
	return nil
}

// Filelist implements the library's FileLister.
func (o *odd) Filelist(r *library.Request) (library.ListerAt, error) {
	short := o.begin("stat", r.Filepath) != nil
	o.mu.Lock()
	defer o.mu.Unlock()
	content, there := o.files[r.Filepath]
	if !there {
		return nil, os.ErrNotExist
	}
	if short {
		content = content[1:]
	}
	return oddInfo{r.Filepath, int64(len(content))}, nil
}

type oddInfo struct {
	name string
	size int64
}

func (i oddInfo) ListAt(to []os.FileInfo, _ int64) (int, error) { to[0] = i; return 1, io.EOF }
func (i oddInfo) Name() string                                  { return i.name }
func (i oddInfo) Size() int64                                   { return i.size }
func (i oddInfo) Mode() os.FileMode                             { return 0o644 }
func (i oddInfo) ModTime() time.Time                            { return time.Time{} }
func (i oddInfo) IsDir() bool                                   { return false }
func (i oddInfo) Sys() any                                      { return nil }

func (o *odd) params(more map[string]any) map[string]any {
	host, port, _ := net.SplitHostPort(o.server.Addr().String())
	number, _ := strconv.Atoi(port)
	return with(map[string]any{"host": host, "port": number, "username": "test", "password": "test", "file": "file"}, more)
}

func (o *odd) content() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	got := map[string]string{}
	for name, content := range o.files {
		got[name] = string(content)
	}
	return got
}

// TestSeed runs the seed's example as printed: only where myserver.com leads is ours to say.
func TestSeed(t *testing.T) {
	o := newOdd(t, nil)
	lent := env()
	var asked []string
	dial := lent.Dial
	lent.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = append(asked, address)
		return dial(ctx, network, o.server.Addr().String())
	}
	e := engineFor(t, lent)
	f := finished(t, send(t, e, "seed", map[string]any{"host": "myserver.com", "username": "test", "password": "test", "file": "path/myfile.ext"}))
	if o.content()["/path/myfile.ext"] != "seed" || f.Name != "data.txt" || !slices.Equal(asked, []string{"myserver.com:22"}) {
		t.Errorf("got %v and %+v after calls to %q", o.content(), f, asked)
	}
}

// TestEgress holds that connections are made under the egress policy alone.
func TestEgress(t *testing.T) {
	o, lent := newOdd(t, nil), env()
	lent.Dial = egress.New(nil).DialContext
	task := send(t, engineFor(t, lent), "x", o.params(nil))
	if task.Code != engine.Denied || o.conns != 0 {
		t.Errorf("the export ended %q (%s) after %d connections", task.Code, task.Message, o.conns)
	}
}

// TestKeyboardInteractive holds the other half of EXP-SF-12: servers that ask for the password rather than take it.
func TestKeyboardInteractive(t *testing.T) {
	e := engineFor(t, env())
	o := newOdd(t, func(o *odd) {
		o.config.PasswordCallback = nil
		o.config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if _, err := ask("", "welcome", nil, nil); err != nil { // some servers begin without a question
				return nil, err
			}
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 || answers[0] != "test" {
				return nil, errors.New("no")
			}
			return nil, nil //nolint:nilnil // as the library wants it
		}
	})
	finished(t, send(t, e, "x", o.params(nil)))
	if task := send(t, e, "x", o.params(map[string]any{"password": "wrong"})); task.Code != engine.Unauthorized {
		t.Errorf("with a wrong password the export ended %q: %s", task.Code, task.Message)
	}
}

// TestLegacy holds EXP-SF-11: old algorithms are used only where that is asked for.
func TestLegacy(t *testing.T) {
	e := engineFor(t, env())
	o := newOdd(t, func(o *odd) {
		o.config.KeyExchanges, o.config.Ciphers = []string{"diffie-hellman-group1-sha1"}, []string{"aes128-cbc"}
		o.config.MACs = []string{"hmac-sha1"}
	})
	task := send(t, e, "x", o.params(nil))
	if task.Code != engine.Invalid || !strings.Contains(task.Message, "legacy_algorithms") {
		t.Errorf("the export ended %q: %s", task.Code, task.Message)
	}
	finished(t, send(t, e, "x", o.params(map[string]any{"legacy_algorithms": true})))
}

// TestNothingElse holds EXP-SF-04, EXP-SF-05, EXP-SF-15 and EXP-SF-18: of a delivery a server sees these calls and no others.
func TestNothingElse(t *testing.T) {
	o := newOdd(t, nil)
	finished(t, send(t, engineFor(t, env()), "x", o.params(nil)))
	if want := []string{"open", "write", "close", "stat", "rename"}; !slices.Equal(o.calls, want) {
		t.Errorf("the server was asked to %q, want %q", o.calls, want)
	}
}

// TestFaults holds what becomes of the old file, and of the temporary one, when the server fails (EXP-SF-02, EXP-SF-06, EXP-SF-07,
// EXP-SF-08, EXP-SF-19).
func TestFaults(t *testing.T) {
	e := engineFor(t, env())
	large := strings.Repeat("x", 300_000)
	always := func(call string, err error) func(string, string, int) error {
		return func(got, _ string, _ int) error {
			if got == call {
				return err
			}
			return nil
		}
	}
	once := func(call string, nth int) func(string, string, int) error {
		return func(got, _ string, n int) error {
			if got == call && n == nth {
				return library.ErrSSHFxFailure
			}
			return nil
		}
	}
	temporary := func(path string) bool { return strings.HasSuffix(path, ".part") }
	for _, c := range []struct {
		name  string
		fault func(call, path string, n int) error
		code  engine.Code
		says  string
		want  string
	}{
		{"none", nil, "", "", large},
		{"write, once", once("write", 3), "", "", large},
		{"close, once", once("close", 1), "", "", large},
		{"a size that is not what was written, once", once("stat", 1), "", "", large},
		{"open", always("open", library.ErrSSHFxPermissionDenied), engine.Denied, "does not allow this user to create", "old"},
		{"the file does not take the place of the old one", func(call, path string, _ int) error {
			if call == "rename" && temporary(path) {
				return library.ErrSSHFxPermissionDenied
			}
			return nil
		}, engine.Denied, "set in_place", "old"},
		{"the old file cannot be moved aside", func(call, path string, _ int) error {
			if call == "rename" && !temporary(path) {
				return library.ErrSSHFxPermissionDenied
			}
			return nil
		}, engine.Denied, "move the one aside", "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOdd(t, nil)
			o.files["/file"] = []byte("old")
			o.fault = c.fault
			task := send(t, e, large, o.params(nil))
			if task.Code != c.code || !strings.Contains(task.Message, c.says) {
				t.Errorf("the export ended %q: %s", task.Code, task.Message)
			}
			if again := o.counts["open"]; strings.Contains(c.name, "once") && again != 2 {
				t.Errorf("the file was sent %d times, want 2", again)
			}
			if got := o.content(); len(got) != 1 || got["/file"] != c.want {
				t.Errorf("left %d files, of which the one has %d bytes, want %d", len(got), len(got["/file"]), len(c.want))
			}
		})
	}
}

// TestSwap holds that no file from outside of a root comes, whichever opening of the file meets a link out that no look does.
func TestSwap(t *testing.T) {
	reading := sftp.Definition().Reading
	for nth := range 4 {
		t.Run(strconv.Itoa(nth), func(t *testing.T) {
			o := newOdd(t, nil)
			o.files["/file"], o.files["/swapped"] = []byte("inside"), []byte("secret")
			o.fault = func(call, _ string, n int) error {
				if call == "read" && n == nth {
					return library.ErrSSHFxFailure
				}
				return nil
			}
			params, problems := reading.Params.Decode([]byte(object(t, o.params(map[string]any{"root": "/"}))))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			source, err := reading.Open(t.Context(), env(), params)
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			var got []byte
			r, err := source.Open(t.Context(), exporters.Object{Name: "file"}, 0)
			if err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			switch {
			case nth == 0 && (err != nil || string(got) != "inside"):
				t.Errorf("got %q and %v", got, err)
			case nth > 0 && engine.CodeOf(err) != engine.Conflict:
				t.Errorf("got %q and %v, want %s", got, err, engine.Conflict)
			}
		})
	}
}

// TestConnections holds EXP-SF-16: many files share few connections.
func TestConnections(t *testing.T) {
	o := newOdd(t, nil)
	e := engineFor(t, env())
	var tasks []engine.TaskSpec
	var names []string
	for i := range 40 {
		name := "make" + strconv.Itoa(i)
		names = append(names, name)
		tasks = append(tasks, engine.TaskSpec{Name: name, Operation: "import/raw",
			Params: []byte(object(t, map[string]any{"file": name, "filename": name}))})
	}
	tasks = append(tasks, engine.TaskSpec{Name: "export", Operation: "export/sftp", Input: names,
		Params: []byte(object(t, o.params(map[string]any{"file": nil, "path": "many"})))})
	job := e.MustEnd(t, e.MustSubmit(t, tasks...).ID)
	if job.Status != engine.StatusFinished || len(o.content()) != 40 || o.conns > 4 {
		t.Errorf("the job ended %s with %d files over %d connections", job.Status, len(o.content()), o.conns)
	}
}
