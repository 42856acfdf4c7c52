package cmd_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// lastWord is what commands print an id as.
func lastWord(t testing.TB, args ...string) string {
	t.Helper()
	out, stderr, code := output(t, args...)
	words := strings.Fields(out)
	if code != 0 || len(words) == 0 {
		t.Fatalf("%v: exit %d: %s%s", args, code, out, stderr)
	}
	return words[len(words)-1]
}

// apis is a server with an organisation and a computer.
type apis struct {
	*server
	organisation, workspace, home string
}

func serveAPIs(t *testing.T, flags ...string) apis {
	t.Helper()
	s := serve(t, t.TempDir(), flags...)
	home := t.TempDir()
	write(t, filepath.Join(home, "Desktop", "results.txt"), "results")
	return apis{s, lastWord(t, "orgs", "create", "Acme Corp", "--data", dataOf(s)),
		lastWord(t, "workspaces", "add", "desk", "--home", home, "--data", dataOf(s)), home}
}

// upload stores a file and returns its id.
func (a apis) upload(t *testing.T, name, content string) string {
	t.Helper()
	status, body, err := a.ask("POST", "/api/v1/organizations/"+a.organisation+"/files:upload?filename="+name, content)
	if err != nil || status != 200 {
		t.Fatalf("got %d %s (%v)", status, body, err)
	}
	return regexp.MustCompile(`files/([0-9a-f-]{36})`).FindStringSubmatch(string(body))[1]
}

// shell runs a script in which the program is $GANTRY, in a folder of its own.
func shell(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-euc", "set -o pipefail\n"+script)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Logf("%s", errs.String())
	}
	return string(out) + errs.String(), err
}

func need(t *testing.T, command ...string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), command[0], command[1:]...).Run(); err != nil {
		if os.Getenv("GANTRY_TESTS") == "all" {
			t.Fatalf("%v: %v", command, err)
		}
		t.Skipf("%v is not to be had: %v", command, err)
	}
}

// The examples of the original documents, as they are printed there; only host, key and ids are replaced.
const (
	seedWorkspace = `curl --request POST \
  --url https://www.orgo.ai/api/files/export \
  --header 'Authorization: Bearer <token>' \
  --header 'Content-Type: application/json' \
  --data '
{
  "desktopId": "a3bb189e-8bf9-3888-9912-ace4e6543002",
  "path": "Desktop/results.txt"
}
'`
	seedWorkspaceExample = `curl -X POST https://www.orgo.ai/api/files/export \
  -H "Authorization: Bearer $ORGO_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "desktopId": "a3bb189e-8bf9-3888-9912-ace4e6543002",
    "path": "Desktop/results.txt"
  }'`
	seedExportCurl = `curl -X POST https://api.app.wdesk.com/prototype/platform/files/{fileId}/export \
-H 'Content-Type: application/json' \
-H 'Accept: application/json' \
-H 'Authorization: Bearer {access-token}' \
-H 'X-Version: 2022-01-01'`
	seedExportWget = `wget --method=POST "https://api.app.wdesk.com/prototype/platform/files/{fileId}/export" \
--output-document - \
--header 'Content-Type: application/json' \
--header 'Accept: application/json' \
--header 'Authorization: Bearer {access-token}' \
--header 'X-Version: 2022-01-01'`
	seedExportHTTPie = `http POST https://api.app.wdesk.com/prototype/platform/files/{fileId}/export \
X-Version:2022-01-01 \
Content-Type:application/json \
Accept:application/json \
Authorization:"Bearer {access-token}"`
	seedExportPython = `import requests
headers = {
'X-Version': '2022-01-01',
'Content-Type': 'application/json',
'Accept': 'application/json',
'Authorization': 'Bearer {access-token}'
}
r = requests.post('https://api.app.wdesk.com/prototype/platform/files/{fileId}/export', headers = headers)
print(r.headers['Location'])`
)

// TestSeedWorkspaces sends the requests of the document about computers.
func TestSeedWorkspaces(t *testing.T) {
	a := serveAPIs(t)
	replace := strings.NewReplacer("https://www.orgo.ai", a.url, "<token>", testKey, "a3bb189e-8bf9-3888-9912-ace4e6543002", a.workspace)
	paths := []string{"Desktop/results.txt", "/home/user/Desktop/results.txt", "~/Desktop/results.txt"}
	for _, printed := range []string{seedWorkspace, seedWorkspaceExample} {
		for _, path := range paths {
			script := strings.Replace(replace.Replace(printed), "Desktop/results.txt", path, 1)
			out, err := shell(t, t.TempDir(), strings.Replace(script, "curl ", "curl -s ", 1), "ORGO_API_KEY="+testKey)
			var answer struct {
				Success bool
				File    map[string]any
				URL     string
			}
			if err != nil || json.Unmarshal([]byte(out), &answer) != nil || !answer.Success {
				t.Fatalf("%s: %v %s", path, err, out)
			}
			for _, field := range []string{"id", "filename", "content_type", "created_at"} {
				if text, ok := answer.File[field].(string); !ok || text == "" {
					t.Errorf("%s is %v", field, answer.File[field])
				}
			}
			if answer.File["size_bytes"] != 7.0 {
				t.Errorf("got %v", answer.File)
			}
			if status, body := get(t, answer.URL); status != 200 || string(body) != "results" {
				t.Errorf("its URL: %d %s", status, body)
			}
		}
	}
	outside := strings.Replace(replace.Replace(seedWorkspace), "Desktop/results.txt", "/etc/passwd", 1)
	out, err := shell(t, t.TempDir(), strings.Replace(outside, "curl ", "curl -s -w '%{http_code}' ", 1))
	if err != nil || !strings.HasPrefix(out, `{"success":false,"error":`) || !strings.HasSuffix(out, "403") {
		t.Errorf("outside: %v %s", err, out)
	}
}

// TestSeedExports sends the requests of the document about long-running exports.
func TestSeedExports(t *testing.T) {
	a := serveAPIs(t)
	for name, printed := range map[string]string{"curl": seedExportCurl, "wget": seedExportWget, "http": seedExportHTTPie, "python3": seedExportPython} {
		t.Run(name, func(t *testing.T) {
			if name == "http" {
				need(t, "http", "--version")
			}
			id := a.upload(t, "notes.md", "# Notes")
			script := strings.NewReplacer("https://api.app.wdesk.com", a.url, "{fileId}", id, "{access-token}", testKey).Replace(printed)
			switch name {
			case "curl":
				script = strings.Replace(script, "curl ", "curl -si ", 1)
			case "wget":
				script = strings.Replace(script, "wget ", "wget --server-response ", 1)
			case "http":
				script = strings.Replace(script, "http ", "http --ignore-stdin --headers ", 1)
			case "python3":
				need(t, "python3", "-c", "import requests")
				script = "python3 - <<'END'\n" + script + "\nEND\n"
			}
			out, err := shell(t, t.TempDir(), script)
			operation := regexp.MustCompile(regexp.QuoteMeta(a.url) + `(/prototype/platform/operations/[0-9a-f-]{36})`).FindStringSubmatch(out)
			if err != nil || operation == nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := a.completed(t, operation[1]); got != "# Notes" {
				t.Errorf("got %q", got)
			}
		})
	}
	id := a.upload(t, "notes.md", "# Notes")
	status, body, err := a.ask("POST", "/prototype/platform/files/"+id+"/export", "{\n\"kind\": \"SupportingDocument\"\n}")
	if err != nil || status != 202 || len(body) > 0 {
		t.Errorf("the example's body: %d %s (%v)", status, body, err)
	}
}

const slides = `<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
  xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
  office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation>
  <draw:page draw:name="p1"><draw:frame svg:width="10cm" svg:height="3cm" svg:x="1cm" svg:y="1cm"><draw:text-box>
  <text:p>Hello</text:p></draw:text-box></draw:frame></draw:page></office:presentation></office:body></office:document>`

// TestOfficeExports makes every format of every kind, with the programs that are installed here.
func TestOfficeExports(t *testing.T) {
	need(t, "soffice", "--version")
	a := serveAPIs(t, "--tools", cmp.Or(os.Getenv("GANTRY_TOOLS"), t.TempDir()))
	for _, test := range []struct {
		name, content, kind, options string
		formats                      map[string]string // to what is in the result, or in the type of a package
	}{
		{"notes.txt", "Hello", "Document", "documentOptions", map[string]string{"pdf": "%PDF-", "docx": "word/document.xml",
			"odt": "application/vnd.oasis.opendocument.text", "html": "<html", "txt": "Hello"}},
		{"table.csv", "Hello,1\n", "Spreadsheet", "spreadsheetOptions", map[string]string{"xlsx": "xl/workbook.xml", "pdf": "%PDF-",
			"csv": "Hello", "ods": "application/vnd.oasis.opendocument.spreadsheet"}},
		{"slides.fodp", slides, "Presentation", "presentationOptions", map[string]string{"pptx": "ppt/presentation.xml", "pdf": "%PDF-",
			"odp": "application/vnd.oasis.opendocument.presentation"}},
	} {
		id := a.upload(t, test.name, test.content)
		for format, want := range test.formats {
			t.Run(test.kind+" "+format, func(t *testing.T) {
				req, err := http.NewRequestWithContext(t.Context(), "POST", a.url+"/prototype/platform/files/"+id+"/export",
					strings.NewReader(`{"kind":"`+test.kind+`","`+test.options+`":{"format":"`+format+`"}}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+testKey)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				at, ok := strings.CutPrefix(resp.Header.Get("Location"), a.url)
				if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 202 || !ok {
					t.Fatalf("got %s %s", resp.Status, text)
				}
				if got := a.completed(t, at); !strings.Contains(got, want) {
					t.Errorf("got %d bytes without %q: %.200q", len(got), want, got)
				}
			})
		}
	}
}

// completed waits for the operation by asking the job behind it, and fetches its resource with and without the key.
func (a apis) completed(t *testing.T, operation string) string {
	t.Helper()
	a.must(200, "GET", "/v2/jobs/"+operation[strings.LastIndexByte(operation, '/')+1:]+"/wait", "")
	_, text, err := a.ask("GET", operation, "")
	var op struct{ Status, ResourceURL string }
	if err != nil || json.Unmarshal(text, &op) != nil || op.Status != "completed" {
		t.Fatalf("got %s (%v)\n%s", text, err, a.log)
	}
	_, body, err := a.ask("GET", strings.TrimPrefix(op.ResourceURL, a.url), "")
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, op.ResourceURL); status != 401 {
		t.Errorf("without the key: %d", status)
	}
	return string(body)
}

// TestSeedFiles sends the calls of the document about files of an organisation, in its order.
func TestSeedFiles(t *testing.T) {
	a := serveAPIs(t)
	id := a.upload(t, "notes.md", "# Notes")
	replace := strings.NewReplacer("{organization_id}", a.organisation, "{file}", id)
	for _, call := range []struct{ method, path, body, want string }{
		{"post", "/api/v1/organizations/{organization_id}/files:upload", "raw", `^{"name":"organizations/[^/]{36}/files/[^/]{36}","filename":"file.txt","mime_type":"text/plain","size_bytes":"3","create_time":"[^"]+Z"}$`},
		{"get", "/api/v1/organizations/{organization_id}/files/{file}:download", "", `^# Notes$`},
		{"get", "/api/v1/organizations/{organization_id}/files/{file}/metadata", "", `^{"name":"organizations/[^/]{36}/files/` + id + `","filename":"notes.md",.*"size_bytes":"7",`},
		{"post", "/api/v1/organizations/{organization_id}/files:generateUploadUrl", "", `^{"upload_uri":"http[^"]+"}$`},
		{"post", "/api/v1/organizations/{organization_id}/files/{file}:generateDownloadUrl", `{"expire_duration": "3600s"}`, `^{"download_uri":"http[^"]+"}$`},
		{"delete", "/api/v1/organizations/{organization_id}/files/{file}", "", `^{}$`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(call.method), a.url+replace.Replace(call.path), strings.NewReader(call.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !regexp.MustCompile(call.want).Match(body) {
			t.Errorf("%s %s: got %d %s", call.method, call.path, resp.StatusCode, body)
		}
	}
}

// TestGeneratedClient drives the three APIs with a client that was generated from their description, after making sure that
// the description is still the one it was generated from (-update writes it; then go generate in its folder).
func TestGeneratedClient(t *testing.T) {
	a := serveAPIs(t)
	_, text, err := a.ask("GET", "/openapi.json", "")
	if err != nil {
		t.Fatal(err)
	}
	described, golden := threeAPIs(t, text), filepath.Join("testdata", "client", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, described, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(golden); err != nil || !bytes.Equal(kept, described) {
		t.Fatalf("%s is stale (%v): run this test with -update, then go generate in its folder", golden, err)
	}
	need(t, "go", "-C", filepath.Join("testdata", "client"), "mod", "download")
	out, err := exec.CommandContext(t.Context(), "go", "-C", filepath.Join("testdata", "client"), "run", ".",
		a.url, testKey, a.organisation, "desk", "Desktop/results.txt").CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Errorf("got %s (%v)", out, err)
	}
}

// threeAPIs is what the document says of the APIs beside the CloudConvert one, without what differs between servers.
func threeAPIs(t *testing.T, text []byte) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	paths := doc["paths"].(map[string]any)
	for path := range paths {
		if !regexp.MustCompile(`^/(api|files|prototype)/`).MatchString(path) {
			delete(paths, path)
		}
	}
	components := doc["components"].(map[string]any)
	all, used := components["schemas"].(map[string]any), map[string]any{}
	var keep func(v any)
	keep = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				keep(member)
				ref, _ := member.(string)
				if name = strings.TrimPrefix(ref, "#/components/schemas/"); name != ref && used[name] == nil {
					used[name] = all[name]
					keep(all[name])
				}
			}
		case []any:
			for _, member := range v {
				keep(member)
			}
		}
	}
	keep(paths)
	components["schemas"] = used
	doc["servers"], doc["info"].(map[string]any)["version"] = []any{map[string]any{"url": "/"}}, "test"
	out, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// TestReadmeLines executes what the README shows with curl, as it stands there. Only the server's port is another one, which
// curl is told from outside.
func TestReadmeLines(t *testing.T) {
	embedded(t) // the lines name a data folder only
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, tools := t.TempDir(), t.TempDir()
	s := serve(t, filepath.Join(dir, "data"), "--public-url", "http://127.0.0.1:8080")
	write(t, filepath.Join(dir, "bin", "gantry"), "#!/bin/sh\nexec "+os.Args[0]+" \"$@\"\n")
	write(t, filepath.Join(tools, "curl"), "#!/bin/sh\nexec /usr/bin/curl --connect-to 127.0.0.1:8080:"+strings.TrimPrefix(s.url, "http://")+" \"$@\"\n")
	write(t, filepath.Join(dir, "home", "notes.txt"), "notes")
	for _, path := range []string{filepath.Join(dir, "bin", "gantry"), filepath.Join(tools, "curl")} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	blocks := 0
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n|^\n)+`).FindAllString(string(readme), -1) {
		if !strings.Contains(block, "curl ") {
			continue
		}
		blocks++
		out, err := shell(t, dir, block, beGantry+"=1", "KEY="+testKey, "PATH="+tools+":"+os.Getenv("PATH"), "HOME="+filepath.Join(dir, "home"))
		if err != nil || strings.Contains(out, `"message"`) && !strings.Contains(out, `"data"`) || strings.Contains(out, `"error":"`) {
			t.Errorf("%s\nsaid %v: %s", block, err, out)
		}
		if strings.Contains(block, "/export") && (!strings.Contains(out, "Location: http://127.0.0.1:8080/prototype/") || !strings.Contains(out, `"success":true`)) {
			t.Errorf("%s\nsaid %s", block, out)
		}
	}
	if blocks != 2 {
		t.Errorf("the README has %d blocks with curl", blocks)
	}
}

// TestChain takes a stored file through a conversion to a storage system and back into its organisation, in one job, and what
// came to the storage system in another.
func TestChain(t *testing.T) {
	v := servers.Start(t, "minio")
	a := serveAPIs(t, "--egress-allow", "127.0.0.0/8")
	bucket := map[string]any{"endpoint": v["S3_ENDPOINT"], "region": v["S3_REGION"], "bucket": v["S3_BUCKET"],
		"access_key_id": v["S3_ACCESS_KEY_ID"], "secret_access_key": v["S3_SECRET_ACCESS_KEY"], "key": "chain/" + a.organisation + ".html"}
	task := func(operation, input string, params map[string]any) map[string]any {
		whole := map[string]any{"operation": operation, "input": input}
		maps.Copy(whole, params)
		if input == "" {
			delete(whole, "input")
		}
		return whole
	}
	keep := task("export/file", "new", map[string]any{"organization_id": a.organisation})
	run := func(tasks map[string]any) (kept string) { // the id of what export/file answers
		t.Helper()
		job, err := json.Marshal(map[string]any{"tasks": tasks})
		if err != nil {
			t.Fatal(err)
		}
		status, text, err := a.ask("POST", "/sync/v2/jobs", string(job))
		id := regexp.MustCompile(`"id":"([^"]+)","organization_id"`).FindSubmatch(text)
		if err != nil || status != 201 || !strings.Contains(string(text), `"status":"finished"`) || id == nil {
			t.Fatalf("got %d %s, %v", status, text, err)
		}
		return string(id[1])
	}
	download := func(id string) string {
		t.Helper()
		status, text, err := a.ask("GET", "/api/v1/organizations/"+a.organisation+"/files/"+id+":download", "")
		if err != nil || status != 200 {
			t.Fatalf("got %d %s, %v", status, text, err)
		}
		return string(text)
	}
	first := run(map[string]any{
		"stored": task("import/file", "", map[string]any{"file": a.upload(t, "notes.md", "# Chain")}),
		"new":    task("convert", "stored", map[string]any{"output_format": "html"}),
		"away":   task("export/s3", "new", bucket),
		"keep":   keep,
	})
	second := run(map[string]any{"new": task("import/s3", "", bucket), "keep": keep})
	if one, other := download(first), download(second); !strings.Contains(one, "<h1") || one != other || first == second {
		t.Errorf("kept %q and, by way of the storage system, %q", one, other)
	}
}

// TestDeleteOrganisationEndsDownloads deletes beside the server what is being downloaded.
func TestDeleteOrganisationEndsDownloads(t *testing.T) {
	a := serveAPIs(t)
	const size = 64 << 20 // more than lies between server and client
	id := a.upload(t, "large.bin", strings.Repeat("x", size))
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/api/v1/organizations/"+a.organisation+"/files/"+id+":download", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lastWord(t, "orgs", "delete", a.organisation, "--data", dataOf(a.server))
	slow := time.NewTicker(10 * time.Millisecond) // a client that would take ten seconds for all of it
	defer slow.Stop()
	var got int64
	for err == nil {
		<-slow.C
		var n int64
		n, err = io.CopyN(io.Discard, resp.Body, 64<<10)
		got += n
	}
	if got == size || errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes of a deleted organisation's file, %v", got, err)
	}
}

func TestOrganisationsAndWorkspaces(t *testing.T) {
	a := serveAPIs(t)
	data := []string{"--data", dataOf(a.server)}
	other := lastWord(t, append([]string{"orgs", "create", "Other", "--user", "other"}, data...)...)
	if status, _, _ := a.ask("POST", "/api/v1/organizations/"+other+"/files:upload", "x"); status != 404 {
		t.Errorf("as no member: %d", status)
	}
	list, _, _ := output(t, append([]string{"orgs", "list"}, data...)...)
	if !strings.Contains(list, "Acme Corp") || !strings.Contains(list, a.organisation+"\n") || !strings.Contains(list, other+"\n") {
		t.Errorf("list: %s", list)
	}
	id := a.upload(t, "a.txt", "x")
	if got := lastWord(t, append([]string{"orgs", "delete", a.organisation}, data...)...); got != a.organisation {
		t.Errorf("delete printed %s", got)
	}
	if status, _, _ := a.ask("GET", "/api/v1/organizations/"+a.organisation+"/files/"+id+":download", ""); status != 404 {
		t.Errorf("a file of a deleted organisation: %d", status)
	}
	password := write(t, filepath.Join(t.TempDir(), "password"), "c4n4ry\n")
	remote := lastWord(t, append([]string{"workspaces", "add", "remote", "--home", "/home/me", "--owner", "other", "--sftp", "127.0.0.1:1",
		"--sftp-user", "me", "--password-file", password}, data...)...)
	list, _, _ = output(t, append([]string{"workspaces", "list"}, data...)...)
	if !strings.Contains(list, a.workspace+"\n") || !strings.Contains(list, remote+"\n") || strings.Contains(list, "c4n4ry") {
		t.Errorf("list: %s", list)
	}
	found := exec.Command("grep", "-rlF", "c4n4ry", dataOf(a.server))
	if out, _ := found.Output(); len(out) > 0 {
		t.Errorf("the password lies in %s", out)
	}
	if got := lastWord(t, append([]string{"workspaces", "remove", "desk"}, data...)...); got != a.workspace {
		t.Errorf("remove printed %s", got)
	}
	if status, _, _ := a.ask("POST", "/files/export", `{"desktopId":"desk","path":"x"}`); status != 404 {
		t.Errorf("a removed workspace: %d", status)
	}
	for _, args := range [][]string{{"orgs", "create", "\n"}, {"orgs", "delete", "x"}, {"workspaces", "remove", "x"},
		{"workspaces", "add", "x", "--home", "relative"}, {"workspaces", "add", "x", "--home", "/x", "--sftp", "host"},
		{"workspaces", "add", "x", "--home", "/x", "--sftp-user", "me"}} {
		if _, stderr, code := output(t, append(args, data...)...); code != 1 || stderr == "" {
			t.Errorf("%v: exit %d %s", args, code, stderr)
		}
	}
}
