package gcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/exporters/exportertest"
)

// TestSessionGone holds EXP-GCS-01: when the session is gone so are its bytes, and another is opened.
func TestSessionGone(t *testing.T) {
	l := newLab(t)
	for status, text := range map[int]string{404: "notFound", 410: "gone", 499: ""} {
		t.Run(fmt.Sprint("sending ", status), func(t *testing.T) {
			name := fmt.Sprint("gone/send", status)
			l.once("send", func(req *http.Request) (*http.Response, error) {
				cancelled, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, req.URL.String(), nil)
				if err != nil {
					return nil, err
				}
				if resp, err := http.DefaultTransport.RoundTrip(cancelled); err == nil {
					resp.Body.Close()
				}
				return answer(req, status, text, ""), nil
			})
			l.exported(t, large, l.With(t, name, nil))
			if got, want := l.story(), "look open send look open send"; got != want {
				t.Errorf("the requests are %q, want %q", got, want)
			}
			for _, r := range l.calls("send") {
				if got, want := r.Header.Get("Content-Range"), fmt.Sprintf("bytes 0-%d/%d", large.Size-1, large.Size); got != want {
					t.Errorf("sent %s, want %s", got, want)
				}
			}
		})
	}
	t.Run("asking", func(t *testing.T) {
		l.set(func(kind string, req *http.Request) (*http.Response, error) {
			switch {
			case kind == "send" && len(l.calls("send")) == 1:
				return cut(9 * mib)(req)
			case kind == "ask":
				return answer(req, http.StatusGone, "gone", ""), nil
			}
			return nil, nil
		})
		task := l.export(t, large, l.With(t, "gone/ask", nil))
		if got, want := l.story(), "look open send ask look open send"; task.Status != engine.StatusFinished || got != want {
			t.Errorf("ended %s %s after %q, want %q", task.Status, task.Message, got, want)
		}
	})
}

// TestGoesOn holds EXP-GCS-02 and EXP-GCS-03: after a break Google is asked what it has, which is nothing when it says nothing,
// and less than was sent at most times; the rest follows.
func TestGoesOn(t *testing.T) {
	l := newLab(t)
	for name, test := range map[string]struct {
		fault func(*http.Request) (*http.Response, error)
		want  []int64 // from where on is sent
	}{
		"nothing stored": {cut(1), []int64{0, 0}},
		"some":           {cut(9*mib + 5), []int64{0, 9 * mib}},
		"odd":            {cut(6*mib + 300<<10), []int64{0, 6*mib + 256<<10}},
		"nearly all":     {cut(12*mib + 2), []int64{0, 12 * mib}},
		"503":            {says(http.StatusServiceUnavailable, "Retry-After", "1"), []int64{0, 0}},
		"500":            {says(http.StatusInternalServerError), []int64{0, 0}},
		"part of it":     {onlyFirst(256 << 10), []int64{0, 256 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			l.once("send", test.fault)
			l.exported(t, large, l.With(t, "on/"+name, nil))
			var got []int64
			for _, r := range l.calls("send") {
				var first, last, size int64
				if _, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); err != nil || r.ContentLength != size-first {
					t.Errorf("sent %q with %d bytes, %v", r.Header.Get("Content-Range"), r.ContentLength, err)
				}
				got = append(got, first)
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("sent from %v on, want %v", got, test.want)
			}
			if n := len(l.calls("open")); n != 1 {
				t.Errorf("%d sessions were opened, want 1", n)
			}
		})
	}
}

// onlyFirst sends the first n bytes alone, so that the answer is that there are to be more.
func onlyFirst(n int64) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		req.Header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", n-1, large.Size))
		req.Body = io.NopCloser(io.LimitReader(req.Body, n))
		req.ContentLength = n
		return http.DefaultTransport.RoundTrip(req)
	}
}

// TestNotARedirect has 308 come with a Location, which HTTP clients would follow, with the file and to anybody.
func TestNotARedirect(t *testing.T) {
	l := newLab(t)
	l.once("send", func(req *http.Request) (*http.Response, error) {
		return says(http.StatusPermanentRedirect, "Location", "http://127.0.0.1:1/stolen")(req)
	})
	l.exported(t, large, l.With(t, "not/a-redirect", nil))
	for of, size := range map[string]int64{"token": small.Size, "insert": small.Size, "open": large.Size, "look": large.Size} {
		fresh := newLab(t)
		fresh.always(of, says(http.StatusTemporaryRedirect, "Location", "http://127.0.0.1:1/stolen"))
		task := fresh.export(t, file{Name: "own.bin", Size: size}, fresh.With(t, "not/followed", nil))
		if task.Code != engine.Invalid {
			t.Errorf("%s: ended %s (%s), want it not to be followed", of, task.Code, task.Message)
		}
		for _, r := range fresh.Heads() {
			if r.URL.Host != fresh.address {
				t.Errorf("%s: a request followed to %s", of, r.URL.Host)
			}
		}
	}
}

// TestLostAnswers holds EXP-GCS-07 and EXP-ALL-06: what was written though the answer was lost is known, and not written again.
func TestLostAnswers(t *testing.T) {
	l := newLab(t)
	for _, test := range []struct {
		of   string
		file file
		want string
	}{
		{"insert", small, "insert insert look"},
		{"send", large, "look open send ask"},
		{"open", large, "look open look open send"},
	} {
		t.Run(test.of, func(t *testing.T) {
			name := "lost/" + test.of
			var written any
			l.once(test.of, func(req *http.Request) (*http.Response, error) {
				resp, err := lost(req)
				if about := l.attributes(t, name); about != nil {
					written = about["generation"]
				}
				return resp, err
			})
			task := l.export(t, test.file, l.With(t, name, nil))
			if got := l.story(); task.Status != engine.StatusFinished || got != test.want {
				t.Errorf("ended %s (%s) after %q, want %q", task.Status, task.Message, got, test.want)
			}
			generation := l.attributes(t, name)["generation"]
			if written != nil && generation != written {
				t.Errorf("it was written twice: the generation was %v and is %v", written, generation)
			}
			if got := task.Result.Files[0].Facts["generation"]; got != generation {
				t.Errorf("the receipt says generation %s, want %v", got, generation)
			}
		})
	}
	t.Run("session and all", func(t *testing.T) { // the object is there, and nobody knows the session any more
		l.set(func(kind string, req *http.Request) (*http.Response, error) {
			switch kind {
			case "send":
				return lost(req)
			case "ask":
				return answer(req, http.StatusGone, "gone", ""), nil
			}
			return nil, nil
		})
		task := l.export(t, large, l.With(t, "lost/all", nil))
		if got, want := l.story(), "look open send ask look"; task.Status != engine.StatusFinished || got != want {
			t.Errorf("ended %s (%s) after %q, want %q", task.Status, task.Message, got, want)
		}
	})
}

// TestReplaces has objects there before: the same file exported once more is written once more, under the condition that the
// old one is still there.
func TestReplaces(t *testing.T) {
	l := newLab(t)
	for _, f := range []file{small, large} {
		t.Run(fmt.Sprint(f.Size), func(t *testing.T) {
			name := fmt.Sprint("replaces/", f.Size)
			first := l.exported(t, f, l.With(t, name, nil)).Result.Files[0].Facts["generation"]
			l.always("none", nil)
			second := l.exported(t, f, l.With(t, name, nil)).Result.Files[0].Facts["generation"]
			if first == second {
				t.Error("it was not written again")
			}
			writes := append(l.calls("insert"), l.calls("open")...)
			if got := writes[len(writes)-1].URL.Query().Get("ifGenerationMatch"); got != first {
				t.Errorf("the condition is generation %s, want %s", got, first)
			}
		})
	}
}

// TestReplacesMany has many objects there before: the folder is looked at once, and each is written on its own condition, new
// ones among them.
func TestReplacesMany(t *testing.T) {
	l := newLab(t)
	tasks, inputs, files := []engine.TaskSpec(nil), []string(nil), []file(nil)
	for i := range 12 {
		f := file{Name: fmt.Sprintf("%02d.bin", i), Size: 100 + int64(i)}
		tasks = append(tasks, enginetest.Task(fmt.Sprint("make-", i), "test/make", exportertest.JSON(t, f)))
		inputs, files = append(inputs, fmt.Sprint("make-", i)), append(files, f)
		if i%3 > 0 {
			l.put(t, "many/"+f.Name, "old")
		}
	}
	l.always("none", nil)
	params := l.With(t, "", map[string]any{"file_prefix": "many/"})
	job := l.MustSubmit(t, append(tasks, enginetest.Task("export", "export/google-cloud-storage", exportertest.JSON(t, params), inputs...))...)
	if task := enginetest.Named(t, l.MustEnd(t, job.ID), "export"); task.Status != engine.StatusFinished {
		t.Fatalf("ended %s (%s)", task.Status, task.Message)
	}
	if lists, looks := len(l.calls("list")), len(l.calls("look")); lists != 1 || looks > 6 {
		t.Errorf("%d listings and %d looks, want 1, and looks at the first few", lists, looks)
	}
	for _, f := range files {
		l.holds(t, "many/"+f.Name, f)
	}
}

// TestOtherWriter has somebody else write the object between our look at it and our write.
func TestOtherWriter(t *testing.T) {
	l := newLab(t)
	for of, f := range map[string]file{"insert": small, "send": large} {
		t.Run(of, func(t *testing.T) {
			name := "other/" + of
			l.put(t, name, "old")
			l.set(func(kind string, req *http.Request) (*http.Response, error) {
				if kind == of && req.URL.Query().Get("ifGenerationMatch") != "0" && len(l.calls(of)) < 3 {
					l.put(t, name, "other")
				}
				return nil, nil
			})
			l.exported(t, f, l.With(t, name, nil))
			if !strings.Contains(l.Log(), "Somebody else has written the object meanwhile.") {
				t.Error("our write did not notice")
			}
		})
	}
}

// put writes an object past the front.
func (g google) put(t testing.TB, name, content string, headers ...string) {
	t.Helper()
	query := url.Values{"uploadType": {"media"}, "name": {name}}
	for i := 0; i < len(headers); i += 2 {
		query.Set(headers[i], headers[i+1])
	}
	resp, err := http.Post("http://"+g.open+"/upload/storage/v1/b/"+g.bucket+"/o?"+query.Encode(), "text/plain", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("put %q: %s", name, resp.Status)
	}
}

// TestRights holds EXP-GCS-06: an account that may only create does so, and is told what it lacks to replace.
func TestRights(t *testing.T) {
	l := newLab(t)
	for _, f := range []file{small, large} {
		t.Run(fmt.Sprint(f.Size), func(t *testing.T) {
			name := fmt.Sprint("rights/", f.Size)
			creator := l.With(t, name, map[string]any{"client_email": "creator@" + l.accounts})
			l.exported(t, f, creator)
			task := l.export(t, f, creator)
			if task.Code != engine.Denied || !strings.Contains(task.Message, "storage.objects.delete") || !strings.Contains(task.Message, "There is an object") {
				t.Errorf("replacing ended %s: %s", task.Code, task.Message)
			}
			l.holds(t, name, f)
			task = l.export(t, f, l.With(t, name, map[string]any{"client_email": "reader@" + l.accounts}))
			if task.Code != engine.Denied || !strings.Contains(task.Message, "storage.objects.create") {
				t.Errorf("a reader's export ended %s: %s", task.Code, task.Message)
			}
		})
	}
	t.Run("lost", func(t *testing.T) { // who may not look cannot tell whether it was ours
		l.once("insert", lost)
		task := l.export(t, small, l.With(t, "rights/lost", map[string]any{"client_email": "creator@" + l.accounts}))
		if task.Code != engine.Denied {
			t.Errorf("ended %s: %s", task.Code, task.Message)
		}
	})
}

// TestDamage holds EXP-GCS-12: bytes that change on their way are noticed by Google, and what it confirms is compared.
func TestDamage(t *testing.T) {
	l := newLab(t)
	for of, f := range map[string]file{"insert": small, "send": large} {
		t.Run(of, func(t *testing.T) {
			l.once(of, func(req *http.Request) (*http.Response, error) {
				whole, err := io.ReadAll(req.Body)
				if err != nil {
					return nil, err
				}
				whole[len(whole)/2] ^= 1
				req.Body = io.NopCloser(bytes.NewReader(whole))
				return nil, nil
			})
			l.exported(t, f, l.With(t, "damage/"+of, nil))
			if n := len(l.calls(of)); n != 2 {
				t.Errorf("%d requests had the file, want 2", n)
			}
		})
		t.Run("unnoticed "+of, func(t *testing.T) {
			name := "lies/" + of
			l.once(of, func(req *http.Request) (*http.Response, error) {
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err == nil {
					text, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					sum := l.attributes(t, name)["crc32c"].(string)
					resp.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), sum, "AAAAAA==", 1)))
				}
				return resp, err
			})
			l.exported(t, f, l.With(t, name, nil))
			if !strings.Contains(l.Log(), "Google does not confirm") {
				t.Error("a wrong sum was taken for right")
			}
		})
	}
}

// TestLies has Google say that it took something, without what proves it.
func TestLies(t *testing.T) {
	l := newLab(t)
	for name, lie := range map[string]struct {
		of   string
		file file
		says func(*http.Request) (*http.Response, error)
	}{
		"no object":             {"insert", small, says(http.StatusOK)},
		"no document":           {"insert", small, says(http.StatusOK, "Content-Type", "text/plain")},
		"no address":            {"open", large, says(http.StatusOK)},
		"an end without object": {"send", large, says(http.StatusOK)},
		"an odd range":          {"send", large, says(http.StatusPermanentRedirect, "Range", "bytes=7-9")},
		"all and no end":        {"send", large, says(http.StatusPermanentRedirect, "Range", fmt.Sprintf("bytes=0-%d", large.Size-1))},
	} {
		t.Run(name, func(t *testing.T) {
			l.once(lie.of, lie.says)
			task := l.export(t, lie.file, l.With(t, "lies/"+name, nil))
			if task.Status != engine.StatusFinished {
				t.Fatalf("ended %s (%s) after %q", task.Code, task.Message, l.story())
			}
			got, ok := l.Read(t, "lies/"+name)
			if !ok || int64(len(got.Bytes)) != lie.file.Size {
				t.Errorf("there are %d bytes (%v)", len(got.Bytes), ok)
			}
		})
	}
}

// TestSessionIsSecret holds EXP-GCS-10: whoever has the session's address may write, so it is in no log, no text, and not
// readable in what is kept of the task.
func TestSessionIsSecret(t *testing.T) {
	l := newLab(t)
	var id string
	l.always("send", func(req *http.Request) (*http.Response, error) {
		id = req.URL.Query().Get("upload_id")
		l.absent(t, id)
		if len(l.calls("send")) == 1 {
			return nil, errors.New("broken") // to which http.Client adds the address
		}
		return answer(req, http.StatusBadRequest, "invalid", "The upload "+req.URL.String()+" with "+id+" is odd."), nil
	})
	task := l.export(t, large, l.With(t, "secret", nil))
	l.Stop(t)
	if task.Code != engine.Invalid || !strings.Contains(task.Message, "[redacted] is odd") || id == "" {
		t.Fatalf("ended %s: %s", task.Code, task.Message)
	}
	if shown := exportertest.JSON(t, task) + l.Log(); strings.Contains(shown, id) {
		t.Errorf("the session is shown: %s", shown)
	}
	l.showsNothing(t, l.Log())
	l.leavesNothing(t, "secret")
}

// absent checks that none of the engine's files has the text.
func (l *lab) absent(t *testing.T, text string) {
	err := filepath.WalkDir(l.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("%s has the session's address", filepath.Base(path))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
