package cmd_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
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

// TestSeedExportS3 sends the example of the original document as it is printed there, with keys, bucket and id replaced and
// an endpoint added.
func TestSeedExportS3(t *testing.T) {
	v := servers.Start(t, "minio")
	s := serve(t, t.TempDir(), "--egress-allow", "127.0.0.0/8")
	data := s.must(201, "POST", "/v2/import/raw", `{"file": "some data", "filename": "data.txt"}`)
	body := strings.NewReplacer("73df1e16-fd8b-47a1-a156-f197babde91a", data.Data.ID, "AKXXXXXXXXXXXX", v["S3_ACCESS_KEY_ID"],
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", v["S3_SECRET_ACCESS_KEY"], "mybucket", v["S3_BUCKET"], "eu-central-1", v["S3_REGION"],
		`{ "input"`, `{ "endpoint": "`+v["S3_ENDPOINT"]+`", "input"`).Replace(`{ "input": "73df1e16-fd8b-47a1-a156-f197babde91a", ` +
		`"access_key_id": "AKXXXXXXXXXXXX", "secret_access_key": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "bucket": "mybucket", ` +
		`"region": "eu-central-1", "key": "myfile.ext", "metadata": { "x-amz-meta-some-key": "data" } }`)
	created := s.must(201, "POST", "/v2/export/s3", body)
	status, text, err := s.ask("GET", "/v2/tasks/"+created.Data.ID+"/wait", "")
	if err != nil || status != 200 || !strings.Contains(string(text), `"status":"finished"`) {
		t.Fatalf("it ended %d %s, %v", status, text, err)
	}
	if strings.Contains(string(text), v["S3_SECRET_ACCESS_KEY"]) {
		t.Errorf("the secret is shown in %s", text)
	}
	from := s.must(201, "POST", "/v2/import/s3", strings.Replace(body, `"metadata": { "x-amz-meta-some-key": "data" }`, `"filename": "back.txt"`, 1))
	out := s.must(201, "POST", "/v2/export/url", `{"input": "`+from.Data.ID+`"}`)
	ended := s.must(200, "GET", "/v2/tasks/"+out.Data.ID+"/wait", "")
	if len(ended.Data.Result.Files) != 1 {
		t.Fatalf("the import ended %+v", ended.Data)
	}
	if status, got := get(t, ended.Data.Result.Files[0].URL); status != 200 || string(got) != "some data" {
		t.Errorf("the object read back: %d %q", status, got)
	}
}
