package sftp_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/egress"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/sftp"
	"github.com/gantry-engine/gantry/tasks/export"
	"github.com/gantry-engine/gantry/tasks/imports"
)

// env reaches every address.
func env() exporters.Env {
	policy := egress.Unrestricted()
	return exporters.Env{HTTP: policy.Client(egress.ClientOptions{}), Dial: policy.DialContext, Log: slog.New(slog.DiscardHandler)}
}

// engineFor starts an engine that can export to SFTP servers and import from them.
func engineFor(t *testing.T, env exporters.Env) *enginetest.Server {
	t.Helper()
	t.Cleanup(env.HTTP.CloseIdleConnections)
	definitions := []exporters.Definition{sftp.Definition()}
	operations := append(imports.All(env.HTTP), export.Operations(definitions, env)...)
	return enginetest.Start(t, append(operations, imports.Sources(definitions, env)...)...)
}

// send exports one file with that content, called data.txt.
func send(t *testing.T, e *enginetest.Server, content string, params map[string]any) engine.Task {
	t.Helper()
	job := e.MustSubmit(t, enginetest.Task("import", "import/raw", object(t, map[string]any{"file": content, "filename": "data.txt"})),
		enginetest.Task("export", "export/sftp", object(t, params), "import"))
	return enginetest.Named(t, e.MustEnd(t, job.ID), "export")
}

func object(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// with returns the parameters with others in their place; nil takes one away.
func with(params, others map[string]any) map[string]any {
	params = maps.Clone(params)
	for name, value := range others {
		params[name] = value
		if value == nil {
			delete(params, name)
		}
	}
	return params
}

func finished(t *testing.T, task engine.Task) engine.File {
	t.Helper()
	if task.Status != engine.StatusFinished || task.Result == nil || len(task.Result.Files) == 0 {
		t.Fatalf("the task ended %s: %s", task.Code, task.Message)
	}
	return task.Result.Files[0]
}

func (s sshd) content(t *testing.T, name string) string {
	t.Helper()
	o, ok := s.Read(t, name)
	if !ok {
		t.Fatalf("there is no file %q", name)
	}
	return string(o.Bytes)
}

// TestLogin holds EXP-SF-12: every kind of key, in every form in which it reaches us, and what is said about those that fail.
func TestLogin(t *testing.T) {
	s, e := newSSHD(t, "plain"), engineFor(t, env())
	key := func(name string) string {
		text, err := os.ReadFile(filepath.Join(s.values["SFTP_KEYS_DIR"], name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	phrase := s.values["SFTP_KEY_PASSPHRASE"]
	for _, c := range []struct {
		name   string
		params map[string]any
		want   engine.Code
		says   string
	}{
		{"password", map[string]any{"password": s.values["SFTP_PASSWORD"]}, "", ""},
		{"wrong password", map[string]any{"password": "canary-wrong"}, engine.Unauthorized, `user "plain" in with this password`},
		{"OpenSSH ed25519", map[string]any{"private_key": key("ed25519")}, "", ""},
		{"OpenSSH RSA", map[string]any{"private_key": key("rsa")}, "", ""},
		{"PEM RSA", map[string]any{"private_key": key("rsa_pem")}, "", ""},
		{"PKCS8 ECDSA", map[string]any{"private_key": key("ecdsa_pkcs8")}, "", ""},
		{"encrypted OpenSSH", map[string]any{"private_key": key("ed25519_encrypted"), "passphrase": phrase}, "", ""},
		{"encrypted PEM", map[string]any{"private_key": key("rsa_pem_encrypted"), "passphrase": phrase}, "", ""},
		{"encrypted PKCS8", map[string]any{"private_key": key("rsa_pkcs8_encrypted"), "passphrase": phrase}, "", ""},
		{"wrong passphrase", map[string]any{"private_key": key("rsa_pkcs8_encrypted"), "passphrase": "canary-x"}, engine.Invalid, "the passphrase is not its own"},
		{"wrong OpenSSH passphrase", map[string]any{"private_key": key("ed25519_encrypted"), "passphrase": "canary-x"}, engine.Invalid, "the passphrase is not its own"},
		{"no passphrase", map[string]any{"private_key": key("ed25519_encrypted")}, engine.Invalid, "the passphrase parameter has to be given"},
		{"no PKCS8 passphrase", map[string]any{"private_key": key("rsa_pkcs8_encrypted")}, engine.Invalid, "the passphrase parameter has to be given"},
		{"CRLF", map[string]any{"private_key": strings.ReplaceAll(key("ed25519"), "\n", "\r\n")}, "", ""},
		{"literal line breaks", map[string]any{"private_key": strings.ReplaceAll(key("ed25519"), "\n", `\n`)}, "", ""},
		{"no last line break", map[string]any{"private_key": strings.TrimSpace(key("ed25519"))}, "", ""},
		{"a key that is not let in", map[string]any{"private_key": key("unauthorized")}, engine.Unauthorized, "this private key"},
		{"such a key, and the password", map[string]any{"private_key": key("unauthorized"), "password": s.values["SFTP_PASSWORD"]}, "", ""},
		{"no key", map[string]any{"private_key": "canary-key"}, engine.Invalid, "neither an OpenSSH nor a PEM"},
		{"PuTTY", map[string]any{"private_key": "PuTTY-User-Key-File-3: canary"}, engine.Invalid, "PuTTYgen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			params := with(with(s.Params(t, s.Address(), "login/"+c.name), map[string]any{"password": nil}), c.params)
			task := send(t, e, c.name, params)
			if task.Code != c.want || !strings.Contains(task.Message, c.says) {
				t.Fatalf("the export ended %q: %s", task.Code, task.Message)
			}
			if strings.Contains(object(t, task), "canary") {
				t.Error("the task shows a secret")
			}
			if c.want == "" && s.content(t, "login/"+c.name) != c.name {
				t.Error("the file does not have its bytes")
			}
		})
	}
}

// TestHostKey holds EXP-SF-10: only the pinned key is accepted, whichever of its keys the server would rather show.
func TestHostKey(t *testing.T) {
	s, e := newSSHD(t, "plain"), engineFor(t, env())
	other := "SHA256:" + strings.Repeat("A", 43)
	for _, c := range []struct {
		name, key string
		want      engine.Code
		says      string // of the receipt, or the message
	}{
		{"none", "", "", s.values["SFTP_HOST_KEY_SHA256_ED25519"]},
		{"ed25519", s.values["SFTP_HOST_KEY_SHA256_ED25519"], "", s.values["SFTP_HOST_KEY_SHA256_ED25519"]},
		{"ecdsa", s.values["SFTP_HOST_KEY_SHA256_ECDSA"], "", s.values["SFTP_HOST_KEY_SHA256_ECDSA"]},
		{"rsa", s.values["SFTP_HOST_KEY_SHA256_RSA"], "", s.values["SFTP_HOST_KEY_SHA256_RSA"]},
		{"with its padding", s.values["SFTP_HOST_KEY_SHA256_RSA"] + "=", "", s.values["SFTP_HOST_KEY_SHA256_RSA"]},
		{"in full", s.values["SFTP_HOST_KEY"], "", s.values["SFTP_HOST_KEY_SHA256_RSA"]},
		{"another one", other, engine.Denied, other},
		{"neither", "MD5:00:11", engine.Invalid, "host_key is neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := send(t, e, "x", with(s.Params(t, s.Address(), "hostkey/"+c.name), map[string]any{"host_key": c.key}))
			if task.Code != c.want {
				t.Fatalf("the export ended %q: %s", task.Code, task.Message)
			}
			if c.want != "" && !strings.Contains(task.Message, c.says) {
				t.Errorf("got %q, want %q in it", task.Message, c.says)
			}
			if c.want == "" && finished(t, task).Facts["host_key"] != c.says {
				t.Errorf("the receipt names the key %q, want %q", finished(t, task).Facts["host_key"], c.says)
			}
		})
	}
}

// TestPaths holds EXP-SF-13: where a file goes, and what the receipt says of that; EXP-SF-09 for the folders.
func TestPaths(t *testing.T) {
	s, e := newSSHD(t, "plain"), engineFor(t, env())
	for _, c := range []struct {
		name   string
		params map[string]any
		want   string // below the login folder
	}{
		{"file", map[string]any{"file": "p/a.txt"}, "p/a.txt"},
		{"path", map[string]any{"path": "p/folder"}, "p/folder/data.txt"},
		{"path with a slash", map[string]any{"path": "p/slash/"}, "p/slash/data.txt"},
		{"both", map[string]any{"path": "p/x", "file": "p/b.txt"}, "p/b.txt"},
		{"neither", nil, "data.txt"},
		{"from the login folder", map[string]any{"file": "~/p/c.txt"}, "p/c.txt"},
		{"from the root", map[string]any{"file": s.home + "/p/d.txt"}, "p/d.txt"},
		{"many new folders", map[string]any{"file": "p/1/2/3/4/5/e.txt"}, "p/1/2/3/4/5/e.txt"},
		{"dots", map[string]any{"file": "p/./q/../f.txt"}, "p/f.txt"},
		{"a backslash", map[string]any{"file": `p\g.txt`}, `p\g.txt`},
		{"the longest name", map[string]any{"file": "p/" + strings.Repeat("ü", 127)}, "p/" + strings.Repeat("ü", 127)},
		{"a URL's marks", map[string]any{"file": "p/h#1?x=2 ü.txt"}, "p/h#1?x=2 ü.txt"},
		{"a number", map[string]any{"file": "p/%03d-100%.txt"}, "p/001-100%.txt"},
		{"a shell's words", map[string]any{"file": "p/$(touch x) `id`; rm -rf *"}, "p/$(touch x) `id`; rm -rf *"}, // EXP-SF-15
	} {
		t.Run(c.name, func(t *testing.T) {
			f := finished(t, send(t, e, c.name, with(s.Params(t, s.Address(), ""), c.params)))
			if got := s.content(t, c.want); got != c.name {
				t.Errorf("got %q, want %q", got, c.name)
			}
			if want := (&url.URL{Scheme: "sftp", Host: s.Address(), Path: filepath.Join(s.home, c.want)}).String(); f.Facts["location"] != want {
				t.Errorf("got the location %q, want %q", f.Facts["location"], want)
			}
		})
	}
	t.Run("a folder has that name", func(t *testing.T) {
		if task := send(t, e, "x", s.Params(t, s.Address(), "p/folder")); task.Code != engine.Conflict {
			t.Errorf("the export ended %q: %s", task.Code, task.Message)
		}
	})
	t.Run("a file stands for a folder", func(t *testing.T) {
		task := send(t, e, "x", s.Params(t, s.Address(), "p/a.txt/b"))
		if task.Code != engine.Invalid || !strings.Contains(task.Message, "may be a file") {
			t.Errorf("the export ended %q: %s", task.Code, task.Message)
		}
	})
	for name, long := range map[string]string{
		"a part that is too long":   "p/new/" + strings.Repeat("ü", 128),
		"a folder that is too long": strings.Repeat("n", 256) + "/a.txt",
		"a path that is too long":   strings.Repeat("n/", 3000) + "a.txt",
	} {
		t.Run(name, func(t *testing.T) {
			task := send(t, e, "x", s.Params(t, s.Address(), long))
			if task.Code != engine.Invalid || !strings.Contains(task.Message, "255 bytes") || strings.Contains(task.Message, long[:200]) {
				t.Errorf("the export ended %q: %s", task.Code, task.Message)
			}
			if _, err := os.Stat(filepath.Join(s.home, "p/new")); err == nil {
				t.Error("a folder was made for a name that cannot be")
			}
		})
	}
	if left := s.Unfinished(t); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// TestDenied holds what users who may not write are told.
func TestDenied(t *testing.T) {
	e := engineFor(t, env())
	reader := newSSHD(t, "reader")
	if task := send(t, e, "x", reader.Params(t, reader.Address(), "upload/a")); task.Code != engine.Denied {
		t.Errorf("reader: the export ended %q: %s", task.Code, task.Message)
	}
	caged := newSSHD(t, "pipeline")
	if task := send(t, e, "x", caged.Params(t, caged.Address(), "/new/a")); task.Code != engine.Denied {
		t.Errorf("outside of its folder: the export ended %q: %s", task.Code, task.Message)
	}
	f := finished(t, send(t, e, "caged", caged.Params(t, caged.Address(), "/upload/deep/a")))
	content, err := os.ReadFile(filepath.Join(caged.values["SFTP_ROOT_DIR"], "upload/deep/a"))
	if err != nil || string(content) != "caged" || !strings.HasSuffix(f.Facts["location"], "/upload/deep/a") {
		t.Errorf("got %q at %s, %v", content, f.Facts["location"], err)
	}
}

// TestDropBox holds EXP-SF-03 and EXP-SF-04: a server that lets nobody rename, look, or set anything takes files in place.
func TestDropBox(t *testing.T) {
	s, e := newSSHD(t, "drop"), engineFor(t, env())
	for i, content := range []string{"first", "a second, longer one", "3"} {
		params := with(s.Params(t, s.Address(), "box/in/file"), map[string]any{"in_place": true})
		finished(t, send(t, e, content, params))
		if got := s.content(t, "box/in/file"); got != content {
			t.Errorf("export %d left %q, want %q", i, got, content)
		}
	}
	task := send(t, e, "x", s.Params(t, s.Address(), "box/in/other"))
	if task.Code != engine.Denied || !strings.Contains(task.Message, "in_place") {
		t.Errorf("without in_place the export ended %q: %s", task.Code, task.Message)
	}
}

// TestDiscard holds what becomes of each way in which a delivery can have ended (EXP-ALL-04, EXP-SF-06, EXP-SF-17).
func TestDiscard(t *testing.T) {
	s := newSSHD(t, "plain")
	def := sftp.Definition()
	const part, old = ".file.id.part", ".file.id.old"
	for name, c := range map[string]struct {
		state string
		have  map[string]string
		want  map[string]string
	}{
		"nothing":                  {`"temp":".file.id.part","aside":".file.id.old"`, nil, nil},
		"half a file":              {`"temp":".file.id.part","aside":".file.id.old"`, map[string]string{part: "ne", "file": "old"}, map[string]string{"file": "old"}},
		"the old one aside":        {`"temp":".file.id.part","aside":".file.id.old"`, map[string]string{part: "new", old: "old"}, map[string]string{"file": "old"}},
		"the new one in its place": {`"temp":".file.id.part","aside":".file.id.old"`, map[string]string{"file": "new", old: "old"}, map[string]string{"file": "new"}},
		"half in place":            {``, map[string]string{"file": "ne"}, nil},
		"whole in place":           {``, map[string]string{"file": "new"}, map[string]string{"file": "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(s.home, "discard", name)
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // the server runs as another user
				t.Fatal(err)
			}
			for file, content := range c.have {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o666); err != nil { //nolint:gosec // as above
					t.Fatal(err)
				}
			}
			state := `{"final":"file","size":3`
			if c.state != "" {
				state += "," + c.state
			}
			state = strings.NewReplacer(`"file"`, `"discard/`+name+`/file"`, `".file`, `"discard/`+name+`/.file`).Replace(state + "}")
			params, problems := def.Params.Decode([]byte(object(t, s.Params(t, s.Address(), "x"))))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for range 2 { // it bears repeating
				if err := def.Discard(t.Context(), env(), params, []byte(state)); err != nil {
					t.Fatal(err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, entry := range entries {
				content, _ := os.ReadFile(filepath.Join(dir, entry.Name()))
				got[entry.Name()] = string(content)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("left %v, want %v", got, c.want)
			}
		})
	}
}

// TestImport reads what was written: one file, by pattern, by folder, and what is missing.
func TestImport(t *testing.T) {
	s, e := newSSHD(t, "plain"), engineFor(t, env())
	root := filepath.Join(s.home, "import")
	large := strings.Repeat("0123456789abcdef", 200_000) // 3.2 MB
	for name, content := range map[string]string{"a.txt": "A", "b.txt": "B", "c.bin": large, "sub/deep/d.txt": "D", "sub.txt": "S",
		".a.txt.0190a1b2-0000-7000-8000-000000000000-0.part": "half", "[x].txt": "X", "empty": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil { //nolint:gosec // the server runs as another user
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil { //nolint:gosec // as above
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for link, to := range map[string]string{"loop": ".", "link": "a.txt", "broken": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, file, path string
		want             string
		code             engine.Code
	}{
		{"a file", "import/a.txt", "", "a.txt:1", ""},
		{"from the login folder", "~/import/a.txt", "", "a.txt:1", ""},
		{"from the root", root + "/c.bin", "", "c.bin:3200000", ""},
		{"no bytes", "import/empty", "", "empty:0", ""},
		{"brackets", "import/[x].txt", "", "[x].txt:1", ""},
		{"a pattern", "import/?.txt", "", "a.txt:1 b.txt:1", ""},
		{"a folder", "", "import", "[x].txt:1 a.txt:1 b.txt:1 c.bin:3200000 empty:0 link:1 sub.txt:1 sub/deep/d.txt:1", ""},
		{"a folder with a slash", "", "import/sub/", "deep/d.txt:1", ""},
		{"both", "import/b.txt", "import", "b.txt:1", ""},
		{"a folder as a file", "import/sub", "", "", engine.NotFound},
		{"what is not there", "import/none", "", "", engine.NotFound},
		{"a pattern for nothing", "import/z*", "", "", engine.NotFound},
		{"a folder that is not there", "", "import/none", "", engine.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			params := with(s.Params(t, s.Address(), ""), map[string]any{"file": c.file, "path": c.path})
			job := e.MustSubmit(t, enginetest.Task("import", "import/sftp", object(t, params)))
			task := enginetest.Named(t, e.MustEnd(t, job.ID), "import")
			if task.Code != c.code {
				t.Fatalf("the import ended %q: %s", task.Code, task.Message)
			}
			if c.code != "" {
				return
			}
			var got []string
			for _, f := range task.Result.Files {
				got = append(got, fmt.Sprintf("%s:%d", filepath.Join(f.Dir, f.Name), f.Size))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestParams holds what is refused before there is a job.
func TestParams(t *testing.T) {
	def := sftp.Definition()
	for name, c := range map[string]struct {
		params string
		want   string
	}{
		"password":            {`{"host":"h","username":"u","password":"p"}`, ""},
		"private key":         {`{"host":"h","username":"u","private_key":"some-key","port":"2222"}`, ""},
		"neither":             {`{"host":"h","username":"u"}`, "password or private_key is required: they say how to log in"},
		"nothing":             {`{}`, "host is required username is required"},
		"a port that is none": {`{"host":"h","username":"u","password":"p","port":70000}`, "port must be from 1 to 65535"},
		"a folder as a file":  {`{"host":"h","username":"u","password":"p","file":"a/"}`, "file ends in a slash, so it is a folder and not the name of an object"},
	} {
		t.Run(name, func(t *testing.T) {
			params, problems := def.Params.Decode([]byte(c.params))
			if len(problems) == 0 {
				problems = append(def.CheckName(params), def.Validate(params)...)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.Field+" "+p.Message)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestCheck holds what a check says, and that it leaves nothing where it may delete.
func TestCheck(t *testing.T) {
	def := sftp.Definition()
	for user, want := range map[string][]bool{"plain": {true, true, true, true, true, true}, "old": {true, true, true, true, true, true},
		"reader": {true, true, false, true}, "drop": {true, true, true, false, false, true}} {
		t.Run(user, func(t *testing.T) {
			s := newSSHD(t, user)
			params, _ := def.Params.Decode([]byte(object(t, s.Params(t, s.Address(), "new/folder/file"))))
			var got []bool
			findings := def.Check(t.Context(), env(), params)
			for _, f := range findings {
				got = append(got, f.OK)
			}
			if !slices.Equal(got, want) {
				t.Errorf("found %+v", findings)
			}
			if left := s.Unfinished(t); user != "drop" && len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	s := newSSHD(t, "plain")
	params, _ := def.Params.Decode([]byte(object(t, s.Wrong(t, "denied", "x"))))
	if f := def.Check(t.Context(), env(), params); len(f) != 1 || f[0].OK || !strings.Contains(f[0].Text, "does not let the user") {
		t.Errorf("with a wrong password found %+v", f)
	}
}
