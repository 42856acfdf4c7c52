package cmd_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine/enginetest"
)

// TestConnections holds that a name stands for credentials and addresses, in import, export and check, and for its owner.
func TestConnections(t *testing.T) {
	v, data := servers.Start(t, "sftp"), t.TempDir()
	host, port, err := net.SplitHostPort(v["SFTP_ADDRESS"])
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, data, "--egress-allow", "127.0.0.0/8")
	values := []string{"host=" + host, "port=" + port, "username=plain", "password=" + v["SFTP_PASSWORD"]}
	if _, errs, code := output(t, append([]string{"connections", "add", "--data", data, "box", "sftp"}, values...)...); code != 0 {
		t.Fatalf("add: %d %s", code, errs)
	}
	if _, errs, code := output(t, "connections", "add", "--data", data, "bad", "sftp", "host=h", "file=x"); code == 0 ||
		!strings.Contains(errs, "username: is required") || !strings.Contains(errs, "file: is neither a credential nor an address") {
		t.Errorf("a bad one: %d %s", code, errs)
	}
	list, _, _ := output(t, "connections", "list", "--data", data)
	if !strings.Contains(list, "box   sftp  admin") || strings.Contains(list, v["SFTP_PASSWORD"]) {
		t.Errorf("listed is %s", list)
	}
	job := s.must(201, "POST", "/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "some data", "filename": "a.txt"},
		"b": {"operation": "export/sftp", "input": "a", "connection": "box", "file": "connections/a.txt"}}}`)
	if got := s.must(200, "GET", "/v2/jobs/"+job.Data.ID+"/wait", ""); got.Data.Status != "finished" {
		t.Errorf("the export ended %+v", got.Data)
	}
	read := s.must(201, "POST", "/v2/import/sftp", `{"connection": "box", "file": "connections/a.txt"}`)
	if got := s.must(200, "GET", "/v2/tasks/"+read.Data.ID+"/wait", ""); got.Data.Status != "finished" {
		t.Errorf("the import ended %+v", got.Data)
	}
	for body, field := range map[string]string{
		`"operation": "export/sftp", "connection": "box", "host": "elsewhere"`: "tasks.b.host",
		`"operation": "export/sftp", "connection": "none"`:                     "tasks.b.connection",
		`"operation": "export/s3", "connection": "box"`:                        "tasks.b.connection",
		`"operation": "export/s3", "connection": 5`:                            "tasks.b.connection",
	} {
		got := s.must(422, "POST", "/v2/jobs", `{"tasks": {"a": {"operation": "import/raw", "file": "x", "filename": "a.txt"},
			"b": {"input": "a", `+body+`}}}`)
		if len(got.Errors) != 1 || len(got.Errors[field]) != 1 {
			t.Errorf("%s: got %v, want one about %s", body, got.Errors, field)
		}
	}
	for operation, want := range map[string]bool{"export/sftp": true, "export/upload": true, "export/url": false} {
		_, text, err := s.ask("GET", "/v2/operations?include=options&filter[operation]="+operation, "")
		if got := strings.Contains(string(text), `"name":"connection"`); err != nil || got != want {
			t.Errorf("%s lists connection: %v, want %v; %v", operation, got, want, err)
		}
	}
	checkOverHTTP(t, s)
	if out, errs, code := output(t, "check", "--data", data, "sftp", "connection=box", "path=connections"); code != 0 || strings.Contains(out, "WRONG") {
		t.Errorf("check: %d\n%s%s", code, out, errs)
	}
	if keys, _, _ := output(t, "host-keys", "list", "--data", data); !strings.Contains(keys, "["+host+"]:"+port) ||
		!strings.Contains(keys, v["SFTP_HOST_KEY_SHA256_ED25519"]) {
		t.Errorf("held are %s", keys)
	}
	if _, errs, code := output(t, "host-keys", "forget", "--data", data, "["+host+"]:"+port); code != 0 {
		t.Errorf("forget: %s", errs)
	}
	for _, command := range [][]string{{"connections", "remove", "--data", data, "--user", "nobody", "box"},
		{"check", "--data", data, "--user", "nobody", "sftp", "connection=box"}} {
		if _, errs, code := output(t, command...); code != 1 || !strings.Contains(errs, `The user "nobody" has no connection "box".`) {
			t.Errorf("%s another's: %d %s", command[0], code, errs)
		}
	}
	if enginetest.Database() == "" {
		none := filepath.Join(t.TempDir(), "none")
		_, errs, code := output(t, "check", "--data", none, "sftp", "connection=box")
		if _, err := os.Stat(none); code != 1 || !strings.Contains(errs, "there is no data of gantry") || err == nil {
			t.Errorf("check without data: %d %s; its folder: %v", code, errs, err)
		}
	}
	if made := usersOf(t, data); slices.Contains(made, "nobody") {
		t.Errorf("the users are %q now", made)
	}
	if _, errs, code := output(t, "connections", "remove", "--data", data, "box"); code != 0 {
		t.Fatalf("remove: %s", errs)
	}
	s.must(422, "POST", "/v2/import/sftp", `{"connection": "box", "file": "connections/a.txt"}`)
	retried := s.must(201, "POST", "/v2/tasks/"+read.Data.ID+"/retry", "")
	if got := s.must(200, "GET", "/v2/tasks/"+retried.Data.ID+"/wait", ""); got.Data.Status != "finished" {
		t.Errorf("what was accepted with it ended %+v", got.Data)
	}
}

// usersOf are the users in the tables.
func usersOf(t *testing.T, data string) (names []string) {
	t.Helper()
	driver, at := "sqlite", filepath.Join(data, "gantry.db")
	if url := footing(t, []string{"--data", data}); url != "" {
		driver, at = "pgx", url
	}
	db, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM users")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) == 0 {
		t.Fatalf("there are the users %q, %v", names, err)
	}
	return names
}

func checkOverHTTP(t *testing.T, s *server) {
	t.Helper()
	for path, body := range map[string]string{
		"export/sftp": `{"connection": "box", "path": "connections"}`,
		"import/sftp": `{"connection": "box", "file": "connections/a.txt"}`,
	} {
		status, text, err := s.ask("POST", "/v2/"+path+"/check", body)
		var got struct {
			Data struct {
				OK       bool
				Findings []struct {
					OK      bool
					Message string
				}
			}
		}
		if err != nil || status != 200 || json.Unmarshal(text, &got) != nil || !got.Data.OK || len(got.Data.Findings) == 0 {
			t.Errorf("%s: %d %s, %v", path, status, text, err)
		}
	}
	s.must(404, "POST", "/v2/export/url/check", "{}")
	s.must(422, "POST", "/v2/export/sftp/check", "{}")
}

// TestCheck holds what a check says where something is wrong, that it does not show secrets, and under which policy it is.
func TestCheck(t *testing.T) {
	v := servers.Start(t, "sftp")
	host, port, _ := net.SplitHostPort(v["SFTP_ADDRESS"])
	out, errs, code := output(t, "check", "sftp", "host="+host, "port="+port, "username=plain", "password=canary-wrong")
	if code != 1 || !strings.Contains(out, "WRONG  The SFTP server does not let the user") || strings.Contains(out+errs, "canary") {
		t.Errorf("a wrong password: %d\n%s%s", code, out, errs)
	}
	if _, errs, code := output(t, "check", "sftp", "host="+host); code != 1 || !strings.Contains(errs, "username: is required") {
		t.Errorf("without a user: %d %s", code, errs)
	}
	s := serve(t, t.TempDir())
	_, text, err := s.ask("POST", "/v2/export/sftp/check", fmt.Sprintf(
		`{"host": %q, "port": %q, "username": "plain", "password": "canary-wrong"}`, host, port))
	if err != nil || !strings.Contains(string(text), "does not call private addresses") || strings.Contains(string(text), "canary") {
		t.Errorf("over HTTP: %s, %v", text, err)
	}
	_, text, err = s.ask("GET", "/v2/openapi.json", "")
	if err != nil || !strings.Contains(string(text), `"/v2/import/s3/check"`) {
		_, text, err = s.ask("GET", "/openapi.json", "")
		if err != nil || !strings.Contains(string(text), `"/v2/import/s3/check"`) {
			t.Errorf("the document does not have it: %.200s, %v", text, err)
		}
	}
}
