package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

func serveAPIs(t *testing.T) apis {
	t.Helper()
	s := serve(t, t.TempDir())
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
			a.completed(t, operation[1], "# Notes")
		})
	}
	id := a.upload(t, "notes.md", "# Notes")
	status, body, err := a.ask("POST", "/prototype/platform/files/"+id+"/export", "{\n\"kind\": \"SupportingDocument\"\n}")
	if err != nil || status != 202 || len(body) > 0 {
		t.Errorf("the example's body: %d %s (%v)", status, body, err)
	}
}

// completed waits for the operation by asking the job behind it, and fetches its resource with and without the key.
func (a apis) completed(t *testing.T, operation, want string) {
	t.Helper()
	a.must(200, "GET", "/v2/jobs/"+operation[strings.LastIndexByte(operation, '/')+1:]+"/wait", "")
	_, text, err := a.ask("GET", operation, "")
	var op struct{ Status, ResourceURL string }
	if err != nil || json.Unmarshal(text, &op) != nil || op.Status != "completed" {
		t.Fatalf("got %s (%v)", text, err)
	}
	_, body, err := a.ask("GET", strings.TrimPrefix(op.ResourceURL, a.url), "")
	if err != nil || string(body) != want {
		t.Errorf("got %q (%v)", body, err)
	}
	if status, _ := get(t, op.ResourceURL); status != 401 {
		t.Errorf("without the key: %d", status)
	}
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
