package v2_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

// The rules that break clients, numbered as in the wire contract. Those about uploads, signed URLs and sockets (4, 15, 16,
// 20) are tested where these are.
func TestRules(t *testing.T) {
	c := start(t)
	rules := []struct {
		name string
		test func(t *testing.T)
	}{
		{"1 only the host tells show from wait", c.ruleHosts},
		{"2 a body is data and nothing else", c.ruleEnvelope},
		{"3 form parameters are strings in their order", c.ruleForm},
		{"5 no name outside a job", c.ruleName},
		{"6 nothing that was not asked for", c.ruleInclude},
		{"7 four statuses", c.ruleStatus},
		{"8 the client's spelling is echoed", c.ruleSpelling},
		{"9 numbers are int32", c.ruleNumbers},
		{"10 files are flat, an unknown size is absent", c.ruleFiles},
		{"11 metadata is flat", c.ruleMetadata},
		{"12 nonsense in a query is no error", c.ruleQuery},
		{"13 Accept-Encoding application/json", c.ruleAcceptEncoding},
		{"14 the order of the tasks is kept", c.ruleOrder},
		{"17 the bodies of 401 and of no tasks", c.ruleErrors},
		{"18 every error is a JSON object", c.ruleErrorsAreObjects},
		{"19 DELETE answers 204 and nothing", c.ruleDelete},
	}
	for _, rule := range rules {
		t.Run(rule.name, rule.test)
	}
}

func (c *client) ruleHosts(t *testing.T) {
	job := c.get(t, "POST", "/v2/jobs", chain).Data
	if got := job.text("status"); got != "waiting" {
		t.Errorf("created: got %s", got)
	}
	for _, tt := range []struct{ path, host string }{
		{"/v2/jobs/", "sync.api.example.org"}, {"/v2/jobs/", "eu-central.sync.api.example.org"}, {"/sync/v2/jobs/", ""},
	} {
		got := c.get(t, "GET", tt.path+job.text("id"), "", "Host", tt.host).Data
		if got.text("status") != "finished" {
			t.Errorf("%s%s: got %s", tt.host, tt.path, got.text("status"))
		}
	}
	task := job.task(2).text("id")
	if got := c.get(t, "GET", "/v2/tasks/"+task, "", "Host", "sync.api.example.org").Data.text("status"); got != "finished" {
		t.Errorf("task: got %s", got)
	}
	held := c.get(t, "POST", "/v2/hold", "").Data
	if got := c.get(t, "GET", "/v2/tasks/"+held.text("id"), "").Data.text("status"); got == "finished" {
		t.Error("show waited")
	}
}

func (c *client) ruleEnvelope(t *testing.T) {
	a := c.Call(t, "POST", "/v2/jobs", chain)
	inner := a.Body[8 : len(a.Body)-1] // as one client cuts it
	var job map[string]any
	if err := json.Unmarshal([]byte(inner), &job); err != nil || job["id"] == nil || !strings.HasPrefix(a.Body, `{"data":{"id":`) {
		t.Errorf("got %s", a.Body)
	}
	if a.Status != 201 || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("X-RateLimit-Remaining") != "1000000" {
		t.Errorf("got %d %v", a.Status, a.Header)
	}
}

func (c *client) ruleForm(t *testing.T) {
	task := c.Call(t, "POST", "/v2/import/upload", "{}")
	id := decode(t, task.Body).Data.text("id")
	want := `"result":{"form":{"url":"https://files.example.org/upload/` + id + `","parameters":{"z":"1","a":"2"}}}`
	if !strings.Contains(task.Body, want) || !strings.Contains(task.Body, `"message":"Waiting for file upload"`) {
		t.Errorf("got %s, want %s", task.Body, want)
	}
}

func (c *client) ruleName(t *testing.T) {
	task := c.get(t, "POST", "/v2/import/upload", `{"name":"x","operation":"other"}`).Data
	if _, named := task["name"]; named || task["job_id"] != nil {
		t.Errorf("got %v", task)
	}
	job := c.get(t, "POST", "/v2/jobs", chain).Data
	if task := job.task(0); task.text("name") != "in" || task.text("job_id") != job.text("id") {
		t.Errorf("got %v", task)
	}
}

func (c *client) ruleInclude(t *testing.T) {
	job := c.get(t, "POST", "/v2/jobs", chain).Data
	path := "/v2/tasks/" + job.task(1).text("id")
	extras := []string{"payload", "retries", "depends_on_tasks", "job"}
	for _, name := range extras {
		if _, there := c.get(t, "GET", path, "").Data[name]; there {
			t.Errorf("%s was not asked for", name)
		}
	}
	task := c.get(t, "GET", path+"?include=payload,%20retries,depends_on_tasks,job,nonsense", "").Data
	for _, name := range extras {
		if _, there := task[name]; !there {
			t.Errorf("%s was asked for", name)
		}
	}
	got, _ := json.Marshal(task["payload"])
	if want := `{"input":["in"],"operation":"convert","output_format":"pdf","width":"800"}`; string(got) != want {
		t.Errorf("payload: got %s, want %s", got, want)
	}
}

func (c *client) ruleStatus(t *testing.T) {
	for _, body := range []string{chain, `{"tasks":{"a":{"operation":"fail"},"b":{"operation":"convert","output_format":"pdf","input":"a"}}}`} {
		for _, path := range []string{"/v2/jobs", "/sync/v2/jobs"} {
			a := c.Call(t, "POST", path, body)
			for _, got := range regexp.MustCompile(`"status":"(\w+)"`).FindAllStringSubmatch(a.Body, -1) {
				if !strings.Contains(" waiting processing finished error ", " "+got[1]+" ") {
					t.Errorf("got the status %s", got[1])
				}
			}
		}
	}
}

func (c *client) ruleSpelling(t *testing.T) {
	in := c.get(t, "POST", "/v2/import/raw", `{"file":"x","filename":"x.txt"}`).Data.text("id")
	for _, spelling := range []string{"export/azure/blob", "export/azure-blob"} {
		task := c.get(t, "POST", "/v2/"+spelling, `{"input":"`+in+`","container":"c","storage_access_key":"s3cret"}`).Data
		if got := task.text("operation"); got != spelling {
			t.Errorf("created: got %s, want %s", got, spelling)
		}
		ended := c.get(t, "GET", "/sync/v2/tasks/"+task.text("id"), "").Data
		if got := ended.text("operation"); got != spelling || ended.text("status") != "finished" {
			t.Errorf("ended: got %s %v, want %s", got, ended, spelling)
		}
		if n := len(c.get(t, "GET", "/v2/tasks?filter[operation]="+spelling, "").List); n == 0 {
			t.Errorf("the filter %s finds nothing", spelling)
		}
	}
}

func (c *client) ruleNumbers(t *testing.T) {
	user := c.get(t, "GET", "/v2/users/me", "").Data
	task := c.get(t, "POST", "/sync/v2/jobs", chain).Data.task(1)
	for name, got := range map[string]any{"user.id": user["id"], "user.credits": user["credits"], "user_id": task["user_id"],
		"credits": task["credits"], "percent": task["percent"], "priority": task["priority"]} {
		n, is := got.(float64)
		if !is || n != math.Trunc(n) || n < 0 || n > math.MaxInt32 {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for _, name := range []string{"username", "email", "created_at"} {
		if user.text(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
}

func (c *client) ruleFiles(t *testing.T) {
	a := c.Call(t, "POST", "/sync/v2/jobs", `{"tasks":{"in":{"operation":"import/raw","file":"hello","filename":"a.txt"},
		"s":{"operation":"export/azure/blob","input":"in","container":"c","storage_access_key":"s3cret"}}}`)
	for _, want := range []string{
		`{"files":[{"filename":"a.txt","size":5,"md5":"5d41402abc4b2a76b9719d911017c592"}]}`,
		`{"files":[{"filename":"a.txt","container":"c"}]}`,
	} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("got %s, want %s", a.Body, want)
		}
	}
}

func (c *client) ruleMetadata(t *testing.T) {
	a := c.Call(t, "POST", "/sync/v2/jobs", `{"tasks":{"in":{"operation":"import/raw","file":"x","filename":"a.txt"},
		"m":{"operation":"metadata","input":"in"}}}`)
	if want := `"result":{"files":[],"metadata":{"PageCount":"3"}}`; !strings.Contains(a.Body, want) {
		t.Errorf("got %s, want %s", a.Body, want)
	}
}

func (c *client) ruleQuery(t *testing.T) {
	for _, query := range []string{
		"filter[status]=&filter[tag]=&include=&per_page=&page=", "include=System.String[]", "page=-1&per_page=none", "page=x",
		"filter[job_id]=&filter[operation]=", "filter[job_id]=nonsense", "filter[status]=nonsense", "%zz&;&=&filter[", "page=99999999999999999999",
		"page=9223372036854775807&per_page=9223372036854775807",
	} {
		for _, path := range []string{"/v2/jobs?", "/v2/tasks?", "/v2/operations?"} {
			if a := c.Call(t, "GET", path+query, ""); a.Status != 200 {
				t.Errorf("%s%s: got %d %s", path, query, a.Status, a.Body)
			}
		}
	}
}

func (c *client) ruleAcceptEncoding(t *testing.T) {
	a := c.Call(t, "GET", "/v2/users/me", "", "Accept-Encoding", "application/json", "Content-Type", "application/json")
	if a.Status != 200 || a.Header.Get("Content-Encoding") != "" || !json.Valid([]byte(a.Body)) {
		t.Errorf("got %d %v %s", a.Status, a.Header, a.Body)
	}
}

func (c *client) ruleOrder(t *testing.T) {
	var tasks, want []string
	for _, n := range []int{10, 2, 30, 1, 11} {
		tasks = append(tasks, fmt.Sprintf(`"upload-%d":{"operation":"import/upload"}`, n))
		want = append(want, fmt.Sprintf("upload-%d", n))
	}
	created := c.get(t, "POST", "/v2/jobs", `{"tasks":{`+strings.Join(tasks, ",")+`}}`).Data
	for _, job := range []thing{created, c.get(t, "GET", "/v2/jobs/"+created.text("id"), "").Data} {
		for i, name := range want {
			if got := job.task(i).text("name"); got != name {
				t.Errorf("task %d: got %s, want %s", i, got, name)
			}
		}
	}
}

func (c *client) ruleErrors(t *testing.T) {
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + c.Token, c.Token} {
		a := c.Call(t, "GET", "/v2/users/me", "", "Authorization", authorization)
		if want := `{"message":"Unauthenticated.","code":"UNAUTHENTICATED"}`; a.Status != 401 || a.Body != want {
			t.Errorf("%s: got %d %s", authorization, a.Status, a.Body)
		}
	}
	for _, body := range []string{``, `{}`, `{"tasks":[]}`, `{"tasks":{}}`, `{"tag":null,"tasks":null}`} {
		a := c.Call(t, "POST", "/v2/jobs", body)
		want := `{"message":"The given data was invalid.","code":"INVALID_DATA","errors":{"tasks":["The tasks field is required."]}}`
		if a.Status != 422 || a.Body != want {
			t.Errorf("%s: got %d %s", body, a.Status, a.Body)
		}
	}
}

func (c *client) ruleErrorsAreObjects(t *testing.T) {
	const none = "018f0000-0000-7000-8000-000000000000"
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v2/jobs/" + none, "", 404}, {"GET", "/v2/jobs/nonsense", "", 404}, {"GET", "/sync/v2/jobs/" + none, "", 404},
		{"GET", "/v2/tasks/" + none, "", 404}, {"GET", "/v2/tasks/" + none + "/wait", "", 404}, {"DELETE", "/v2/jobs/" + none, "", 404},
		{"DELETE", "/v2/tasks/" + none, "", 404}, {"POST", "/v2/tasks/" + none + "/cancel", "", 404},
		{"POST", "/v2/tasks/" + none + "/retry", "{}", 404}, {"GET", "/v2/nothing", "", 404}, {"POST", "/v2/no/operation", "{}", 404},
		{"PUT", "/v2/jobs", "{}", 405}, {"POST", "/v2/jobs", "{", 400}, {"POST", "/v2/convert", "[1]", 400}, {"POST", "/v2/convert", "{}", 422},
	} {
		a := c.Call(t, tt.method, tt.path, tt.body)
		var body struct{ Message, Code string }
		err := json.Unmarshal([]byte(a.Body), &body)
		if err != nil || a.Status != tt.status || body.Message == "" || body.Code == "" || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.path, a.Status, a.Body, tt.status)
		}
	}
}

func (c *client) ruleDelete(t *testing.T) {
	job := c.get(t, "POST", "/sync/v2/jobs", chain).Data
	for _, path := range []string{"/v2/tasks/" + job.task(0).text("id"), "/v2/jobs/" + job.text("id")} {
		a := c.Call(t, "DELETE", path, "")
		if a.Status != 204 || a.Body != "" {
			t.Errorf("%s: got %d %q", path, a.Status, a.Body)
		}
		if a := c.Call(t, "GET", path, ""); a.Status != 404 {
			t.Errorf("%s: got %d after it was deleted", path, a.Status)
		}
	}
}
