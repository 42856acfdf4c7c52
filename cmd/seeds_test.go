package cmd_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
)

// TestSeedExportURL sends the example of the original document as it is printed there, with host, key and id replaced.
func TestSeedExportURL(t *testing.T) {
	s := serve(t, t.TempDir())
	data := s.must(201, "POST", "/v2/import/raw", `{"file": "some data", "filename": "data.txt"}`)
	body := strings.Replace(`{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "archive_multiple_files": false }`,
		"73df1e16-fd8b-47a1-a156-f197babde91a", data.Data.ID, 1)
	req, err := http.NewRequest("POST", s.url+"/v2/export/url", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var created answer
	if err := json.NewDecoder(resp.Body).Decode(&created); err != nil || resp.StatusCode != 201 || created.Data.Status != "waiting" {
		t.Fatalf("created: %d %v %+v", resp.StatusCode, err, created)
	}

	// The answer's fields, with the types and forms of those in the document.
	_, text, err := s.ask("GET", "/v2/tasks/"+created.Data.ID+"/wait", "")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^{"data":{"id":"[0-9a-f-]{36}",.*"status":"finished",.*"message":null,.*"operation":"export/url",.*` +
		`"result":{"files":\[{"filename":"data.txt",.*"url":"` + regexp.QuoteMeta(s.url) + `/storage/` + created.Data.ID +
		`/data.txt\?temp_url_sig=[^&"]+&temp_url_expires=\d{10}"[^}]*}\]},"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",` +
		`"started_at":"[^"]{25}","ended_at":"[^"]{25}"`)
	if !want.Match(text) {
		t.Errorf("got %s", text)
	}

	// "… and get invalidated prematurely if the export task is deleted."
	var ended answer
	if err := json.Unmarshal(text, &ended); err != nil {
		t.Fatal(err)
	}
	link := ended.Data.Result.Files[0].URL
	if status, body := get(t, link); status != 200 || string(body) != "some data" {
		t.Errorf("download: %d %q", status, body)
	}
	s.must(204, "DELETE", "/v2/tasks/"+created.Data.ID, "")
	if status, _ := get(t, link); status != 404 {
		t.Errorf("after the task was deleted the link gives %d", status)
	}
}

// seedStore is an example of the original document: the command as it is printed there, and what is ours in it.
type seedStore struct {
	kind, printed string
	at            map[string]string    // what the server says of itself, where it is another user than the tests' usual one
	folder, name  string               // of the object
	ours          func(store) []string // pairs: what is printed, and the test server's host or credential
	holds         string               // what rclone has to say of the object
	alone         string               // what is said when all of it is as printed; empty where that would call a foreign host
}

const seedInput = "73df1e16-fd8b-47a1-a156-f197babde91a"

var seedStores = []seedStore{
	{kind: "s3", folder: "mybucket", name: "myfile.ext", holds: `"some-key":"data"`,
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/s3" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "access_key_id": "AKXXXXXXXXXXXX", "secret_access_key": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "bucket": "mybucket", "region": "eu-central-1", "key": "myfile.ext", "metadata": { "x-amz-meta-some-key": "data" } }
'`,
		ours: func(s store) []string {
			return []string{"AKXXXXXXXXXXXX", s.at["S3_ACCESS_KEY_ID"], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", s.at["S3_SECRET_ACCESS_KEY"],
				"eu-central-1", s.at["S3_REGION"], `{ "input"`, `{ "endpoint": "` + s.at["S3_ENDPOINT"] + `", "input"`}
		}},
	{kind: "azure/blob", folder: "mycontainer", name: "myfile.ext", alone: "storage_access_key",
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/azure/blob" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "storage_account": "XXXXXXXXXXXX", "storage_access_key": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "container": "mycontainer", "blob": "myfile.ext" }
'`,
		ours: func(s store) []string {
			return []string{"XXXXXXXXXXXX", s.at["AZURE_ACCOUNT"], "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", s.at["AZURE_KEY"],
				`{ "input"`, `{ "endpoint": "http://` + s.at["AZURE_ADDRESS"] + "/" + s.at["AZURE_ACCOUNT"] + `", "input"`}
		}},
	{kind: "google-cloud-storage", folder: "mybucket", name: "myfile.ext", alone: "private_key",
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/google-cloud-storage" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "project_id": "api-project-XXXXXXXXXXXX", "bucket": "mybucket", "client_email": "xxxxxxx@api-project-xxxxxx.iam.gserviceaccount.com", "private_key": "-----BEGIN PRIVATE KEY-----\nXXXXXXXXXXXX....", "file": "myfile.ext" }
'`,
		ours: func(s store) []string {
			key, _ := os.ReadFile(s.at["GCS_PRIVATE_KEY_FILE"]) // without it the test fails
			return []string{"xxxxxxx@api-project-xxxxxx.iam.gserviceaccount.com", "pipeline@" + s.at["GCS_ACCOUNTS"],
				`-----BEGIN PRIVATE KEY-----\nXXXXXXXXXXXX....`, strings.ReplaceAll(string(key), "\n", `\n`),
				`{ "input"`, `{ "endpoint": "http://` + s.at["GCS_ADDRESS"] + `", "token_url": "http://` + s.at["GCS_ADDRESS"] + `/token", "input"`}
		}},
	{kind: "openstack", folder: "container_name", name: "path/myfile.ext",
		at: map[string]string{"KEYSTONE_USER": "solo", "KEYSTONE_PROJECT": "second"}, // the user's only project, which is not said
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/openstack" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "auth_url": "https://auth.cloud.ovh.net", "region": "DE", "username": "test", "password": "test", "container": "container_name", "file": "path/myfile.ext" }
'`,
		ours: func(s store) []string {
			return []string{"https://auth.cloud.ovh.net", s.at["KEYSTONE_URL"], `"DE"`, `"` + s.at["KEYSTONE_REGION"] + `"`,
				`"username": "test"`, `"username": "` + s.at["KEYSTONE_USER"] + `"`, `"password": "test"`, `"password": "` + s.at["KEYSTONE_PASSWORD"] + `"`}
		}},
	{kind: "sftp", name: "path/myfile.ext", at: map[string]string{"SFTP_USER": "plain"},
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/sftp" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "host": "myserver.com", "username": "test", "password": "test", "file": "path/myfile.ext" }
'`,
		ours: func(s store) []string {
			return []string{`"myserver.com"`, `"` + s.at["SFTP_HOST"] + `", "port": ` + s.at["SFTP_PORT"],
				`"username": "test"`, `"username": "` + s.at["SFTP_USER"] + `"`, `"password": "test"`, `"password": "` + s.at["SFTP_PASSWORD"] + `"`}
		}},
	{kind: "upload", name: "test/file.txt",
		printed: `curl -X POST "https://api.cloudconvert.com/v2/export/upload" \
-H "Authorization: Bearer API_KEY" \
-H "Content-type: application/json" \
-d '
{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", "url": "https://cloudconvert-test.s3.eu-central-1.amazonaws.com/test/file.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=AKIAJRUEA%2F20240902%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=20240902T103658Z&X-Amz-Expires=3600&X-Amz-Signature=5da1b944c68eaa6d72c250e40a2923ff923337046&X-Amz-SignedHeaders=host&x-id=PutObject" }
'`,
		ours: func(s store) []string {
			return []string{"https://cloudconvert-test.s3.eu-central-1.amazonaws.com", s.at["HTTP_URL"] + "/dav"}
		}},
}

// TestSeedStores runs the examples of the original document as they are printed there: only the id, hosts and credentials
// are those of the test servers, and rclone reads what has arrived.
func TestSeedStores(t *testing.T) {
	api := serve(t, t.TempDir(), "--egress-allow", "127.0.0.0/8")
	input := api.must(201, "POST", "/v2/import/raw", `{"file": "some data", "filename": "data.txt"}`).Data.ID
	for _, example := range seedStores {
		t.Run(example.kind, func(t *testing.T) {
			i := slices.IndexFunc(testserver.Stores, func(s testserver.Store) bool { return s.Kind == example.kind })
			known := testserver.Stores[i]
			known.Folder = func(testserver.Values) string { return example.folder }
			s := openStoreAs(t, known, example.at)
			if example.alone != "" {
				ended := runPrinted(t, api, strings.ReplaceAll(example.printed, seedInput, input))
				if ended.Data.Status != "error" || !strings.Contains(ended.Data.Message, example.alone) {
					t.Errorf("as printed it ended %+v, want it to fail by the parameter %s", ended.Data, example.alone)
				}
			}
			ended := runPrinted(t, api, strings.NewReplacer(append(example.ours(s), seedInput, input)...).Replace(example.printed))
			if ended.Data.Status != "finished" || len(ended.Data.Result.Files) != 1 || ended.Data.Result.Files[0].Filename != "data.txt" {
				t.Fatalf("it ended %+v", ended.Data)
			}
			place := strings.TrimPrefix(s.there(example.name), "there:")
			if got := ended.Data.Result.Files[0].Location; !strings.HasSuffix(got, "/"+place) {
				t.Errorf("it says that the object is at %q, want %q at its end", got, place)
			}
			if got := s.peer(t, "cat", s.there(example.name)); got != "some data" {
				t.Errorf("rclone reads %q", got)
			}
			if about := s.peer(t, "lsjson", "--metadata", s.there(example.name)); !strings.Contains(about, example.holds) {
				t.Errorf("rclone says of it %s, want %s", about, example.holds)
			}
		})
	}
}

// runPrinted executes a command of the document and returns the end of the task that it made.
func runPrinted(t *testing.T, api *server, command string) (ended answer) {
	t.Helper()
	command = strings.NewReplacer("https://api.cloudconvert.com", api.url, "API_KEY", testKey, "curl ", "curl -sf ").Replace(command)
	out, err := shell(t, t.TempDir(), command)
	var made answer
	if err != nil || json.Unmarshal([]byte(out), &made) != nil || made.Data.Status != "waiting" {
		t.Fatalf("the command printed %s, %v", out, err)
	}
	_, text, err := api.ask("GET", "/v2/tasks/"+made.Data.ID+"/wait", "")
	if err != nil || json.Unmarshal(text, &ended) != nil {
		t.Fatalf("wait: %s, %v", text, err)
	}
	return ended
}
