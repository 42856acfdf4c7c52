package cmd_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBadJobs sends what no server should take: a clear answer each, and nothing left behind.
func TestBadJobs(t *testing.T) {
	s := serve(t, t.TempDir())
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf(`"t%d": {"operation": "import/upload"}`, i)
	}
	raw := func(name string) string { b, _ := json.Marshal(name); return string(b) }
	for name, test := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"malformed":         {`{"tasks": {`, 400, "byte"},
		"empty":             {``, 422, "The tasks field is required."},
		"no tasks":          {`{"tasks": []}`, 422, "The tasks field is required."},
		"wrong types":       {`{"tasks": {"a": {"operation": 7, "input": {"b": 1}}}}`, 422, "tasks.a.operation"},
		"unknown":           {`{"tasks": {"a": {"operation": "import/telepathy"}}}`, 422, "import/telepathy"},
		"self":              {`{"tasks": {"a": {"operation": "export/url", "input": "a"}}}`, 422, "names the task itself"},
		"cycle":             {`{"tasks": {"a": {"operation": "export/url", "input": "b"}, "b": {"operation": "export/url", "input": "a"}}}`, 422, "a → b → a"},
		"too many":          {`{"tasks": {` + strings.Join(many, ",") + `}}`, 422, "10000 tasks"},
		"task named with /": {`{"tasks": {"a/b": {"operation": "import/upload"}}}`, 422, "letters, digits"},
		"no one else's":     {`{"tasks": {"a": {"operation": "export/url", "input": "01a2002c-9254-75ea-9e44-af93e2645940"}}}`, 422, "task of yours"},
		"bad base64":        {`{"tasks": {"a": {"operation": "import/base64", "file": "%%%", "filename": "x"}}}`, 422, "tasks.a.file"},
		"bad option":        {`{"tasks": {"a": {"operation": "convert", "input": "b", "output_format": "jpg", "quality": 1000, "fit": "bend"}, "b": {"operation": "import/upload"}}}`, 422, "from 1 to 100"},
		"unknown output":    {`{"tasks": {"a": {"operation": "convert", "input": "b", "output_format": "docx"}, "b": {"operation": "import/upload"}}}`, 422, "must be one of"},
		"impossible pair":   {`{"tasks": {"a": {"operation": "convert", "input": "b", "output_format": "jpg", "input_format": "csv"}, "b": {"operation": "import/upload"}}}`, 422, "tasks.a.input_format"},
		"link to itself":    {`{"tasks": {"a": {"operation": "export/url", "input": "b", "url": "https://x.test/"}, "b": {"operation": "import/upload"}}}`, 422, "export/upload"},
		"deep":              {strings.Repeat(`{"tasks":`, 20_000) + strings.Repeat("}", 20_000), 400, "INVALID_DATA"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text, err := s.ask("POST", "/v2/jobs", test.body)
			var body struct{ Message, Code string }
			if err != nil || json.Unmarshal(text, &body) != nil || body.Message == "" || body.Code == "" {
				t.Fatalf("not an error body: %v, %.300s", err, text)
			}
			if status != test.status || !strings.Contains(string(text), test.want) {
				t.Errorf("got %d %.300s, want %d with %q", status, text, test.status, test.want)
			}
		})
	}
	if _, text, _ := s.ask("GET", "/v2/tasks", ""); !strings.Contains(string(text), `"data":[]`) {
		t.Errorf("something was stored: %.300s", text)
	}
	for given, want := range map[string]string{
		"../../etc/passwd": "passwd", `..\..\boot.ini`: "boot.ini", "a\x00b.txt": "ab.txt", "line\nbreak.txt": "linebreak.txt",
		"\u202egnp.exe": "gnp.exe", strings.Repeat("x", 300) + ".txt": strings.Repeat("x", 251) + ".txt", "..": "file", "Größe – 1.txt": "Größe – 1.txt",
	} {
		job := s.must(201, "POST", "/sync/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "x", "filename": `+raw(given)+`},
			"b": {"operation": "export/url", "input": "a"}}}`)
		f := job.Data.Tasks[1].Result.Files
		if len(f) != 1 || f[0].Filename != want {
			t.Errorf("%q: got %+v, want %q", given, f, want)
			continue
		}
		if status, body := get(t, f[0].URL); status != 200 || string(body) != "x" {
			t.Errorf("%q: the link gives %d %q", given, status, body)
		}
	}
}

// TestBadFiles converts what should not be converted: a task that ends with a code, a server that lives.
func TestBadFiles(t *testing.T) {
	s := serve(t, t.TempDir())
	header := []byte("IHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x06\x00\x00\x00") // 65,536 × 65,536
	flood := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\r"), header...)
	flood = binary.BigEndian.AppendUint32(flood, crc32.ChecksumIEEE(header))
	for name, test := range map[string]struct {
		content  []byte
		filename string
		to       string
		code     string
	}{
		"empty picture":  {nil, "a.png", "jpg", "UNSUPPORTED_CONVERSION"},
		"lying name":     {[]byte("just text"), "a.png", "jpg", "INVALID_DATA"},
		"cut picture":    {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "a.png", "jpg", "INVALID_DATA"},
		"pixel flood":    {flood, "a.png", "jpg", "TOO_LARGE"},
		"bomb":           {bomb(t), "a.zip", "tar", "TOO_LARGE"},
		"climbing names": {climbing(t), "a.zip", "tar", "INVALID_DATA"},
	} {
		t.Run(name, func(t *testing.T) {
			content := base64.StdEncoding.EncodeToString(test.content)
			if len(test.content) == 0 {
				content = "data:,"
			}
			status, text, err := s.ask("POST", "/sync/v2/jobs", fmt.Sprintf(`{"tasks": {
				"a": {"operation": "import/base64", "file": %q, "filename": %q},
				"b": {"operation": "convert", "input": "a", "output_format": %q}}}`, content, test.filename, test.to))
			if err != nil || status != 201 && status != 422 {
				t.Fatalf("got %d, %v: %s\n%s", status, err, text, s.log)
			}
			if status == 201 && !strings.Contains(string(text), `"code":"`+test.code+`"`) {
				t.Errorf("got %s, want %s", text, test.code)
			}
		})
	}
	s.must(200, "GET", "/healthz", "")
}

// bomb is a small archive of very much.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("zeros")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func climbing(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := z.Create("../../evil"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDrain stops a server in the middle of a download: what can end ends, the rest goes on after the next start.
func TestDrain(t *testing.T) {
	open := make(chan struct{})
	asked := make(chan struct{}, 10)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("first "))
		w.(http.Flusher).Flush()
		asked <- struct{}{}
		select {
		case <-open:
			_, _ = w.Write([]byte("second"))
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	job := `{"tasks": {"in": {"operation": "import/url", "url": "` + slow.URL + `/a.txt"}, "out": {"operation": "export/url", "input": "in"}}}`
	for name, drain := range map[string]string{"handed back": "10ms", "drained": "1m"} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			s := serve(t, data, "--egress-allow", "127.0.0.0/8", "--drain", drain)
			id := s.must(201, "POST", "/v2/jobs", job).Data.ID
			<-asked
			if drain == "1m" {
				time.AfterFunc(50*time.Millisecond, func() { open <- struct{}{} })
			}
			if code := s.end(syscall.SIGTERM); code != 0 {
				t.Errorf("exit %d:\n%s", code, s.log)
			}
			if left, _ := filepath.Glob(filepath.Join(data, "work", "*")); len(left) > 0 {
				t.Errorf("left in the work folder: %v", left)
			}
			again := serve(t, data, "--egress-allow", "127.0.0.0/8")
			if drain == "10ms" {
				<-asked
				open <- struct{}{}
			}
			ended := again.must(200, "GET", "/v2/jobs/"+id+"/wait", "")
			if ended.Data.Status != "finished" {
				t.Fatalf("%+v", ended.Data)
			}
			if _, body := get(t, ended.Data.Tasks[1].Result.Files[0].URL); string(body) != "first second" {
				t.Errorf("got %q", body)
			}
		})
	}
}

// TestFullDisk fills the disk under a server. It needs a small file system of its own, and so root.
func TestFullDisk(t *testing.T) {
	embedded(t)
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	s := serve(t, data, "--free-space", "0")
	post := func(size int) (int, answer) {
		content := base64.StdEncoding.EncodeToString(make([]byte, size))
		status, text, err := s.ask("POST", "/sync/v2/jobs", `{"tasks": {"a": {"operation": "import/base64", "filename": "a.bin", "file": "`+content+`"},
			"b": {"operation": "export/url", "input": "a"}}}`)
		if err != nil {
			t.Fatalf("%v\n%s", err, s.log)
		}
		var a answer
		_ = json.Unmarshal(text, &a)
		return status, a
	}
	status, first := post(1 << 20)
	if status != 201 || first.Data.Status != "finished" {
		t.Fatalf("with room: %d %+v", status, first)
	}
	if status, a := post(16 << 20); status != 503 || !strings.Contains(a.Message, "disk is full") {
		t.Errorf("without room: %d %+v", status, a)
	}
	checkFile(t, first.Data.Tasks[1].Result.Files[0].URL, 1<<20, first.Data.Tasks[1].Result.Files[0].MD5)
	filler := filepath.Join(data, "filler")
	fill(t, filler)
	if status, a := post(1000); status == 201 {
		t.Errorf("on a full disk: %d %+v", status, a)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if status, a := post(1000); status != 201 || a.Data.Status != "finished" {
		t.Errorf("with room again: %d %+v\n%s", status, a, s.log)
	}
	if err := syscall.Mount("", data, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err == nil {
		t.Error("a file system in use was made read-only; the test expects that to be refused")
	}
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.log)
	}
	if err := syscall.Mount("", data, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := output(t, "serve", "--listen", "127.0.0.1:0", "--data", data); code != 1 || !strings.Contains(stderr, "read-only") {
		t.Errorf("on a read-only disk: exit %d, %s", code, stderr)
	}
}

// fill writes a file until no byte is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		err = nil
	}
}
