package v2_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTaskFields(t *testing.T) {
	c := start(t)
	job := c.Call(t, "POST", "/sync/v2/jobs", chain)
	var raw struct {
		Data struct{ Tasks []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(job.Body), &raw); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"id name job_id status credits code message percent operation result",
		"id name job_id status credits code message percent operation engine engine_version result",
		"id name job_id status credits code message percent operation result",
	} {
		want += " created_at started_at ended_at retry_of_task_id copy_of_task_id user_id priority host_name storage depends_on_task_ids links"
		if got := strings.Join(keys(t, raw.Data.Tasks[i]), " "); got != want {
			t.Errorf("task %d\ngot  %s\nwant %s", i, got, want)
		}
	}
	tasks := decode(t, job.Body).Data
	for i, want := range []string{
		"finished 0 <nil> <nil> 100 <nil> <nil>", "finished 1 <nil> Copied. 100 copier 1.0", "finished 0 <nil> <nil> 100 <nil> <nil>",
	} {
		task := tasks.task(i)
		got := fmt.Sprintln(task["status"], task["credits"], task["code"], task["message"], task["percent"], task["engine"], task["engine_version"])
		if strings.TrimSpace(got) != want {
			t.Errorf("task %d: got %s, want %s", i, got, want)
		}
	}
}

// keys returns the names of an object's members in their order.
func keys(t *testing.T, object json.RawMessage) []string {
	t.Helper()
	var names []string
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return names
}

func TestFailure(t *testing.T) {
	c := start(t)
	job := c.get(t, "POST", "/sync/v2/jobs", `{"tasks":{"a":{"operation":"fail"},`+
		`"b":{"operation":"convert","input":"a","output_format":"pdf"}}}`).Data
	got := fmt.Sprintln(job["status"], job.task(0)["code"], job.task(0)["message"], job.task(0)["credits"], job.task(0)["result"],
		job.task(1)["code"], job.task(1)["percent"], job.task(1)["engine"])
	want := "error UNSUPPORTED_CONVERSION It cannot be done. 0 <nil> INPUT_TASK_FAILED 100 <nil>\n"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCancelAndRetry(t *testing.T) {
	c := start(t)
	task := c.get(t, "POST", "/v2/import/upload", "").Data
	path := "/v2/tasks/" + task.text("id")
	if a := c.Call(t, "POST", path+"/retry", "{}"); a.Status != 409 {
		t.Errorf("retry of a live task: got %d %s", a.Status, a.Body)
	}
	a := c.Call(t, "POST", path+"/cancel", "")
	if got := decode(t, a.Body).Data; a.Status != 200 || got["status"] != "error" || got["code"] != "CANCELLED" {
		t.Errorf("cancel: got %d %s", a.Status, a.Body)
	}
	a = c.Call(t, "POST", path+"/cancel", "{}")
	if want := `"errors":{"status":["Cannot change status: task already completed."]}`; a.Status != 422 || !strings.Contains(a.Body, want) {
		t.Errorf("second cancel: got %d %s", a.Status, a.Body)
	}
	a = c.Call(t, "POST", path+"/retry", "")
	retry := decode(t, a.Body).Data
	if a.Status != 201 || retry["status"] != "waiting" || retry["retry_of_task_id"] != task["id"] ||
		retry["copy_of_task_id"] != task["id"] || retry["job_id"] != nil || !strings.Contains(a.Body, `"form":{`) {
		t.Errorf("retry: got %d %s", a.Status, a.Body)
	}
	retries, _ := c.get(t, "GET", path+"?include=retries", "").Data["retries"].([]any)
	if len(retries) != 1 || retries[0].(map[string]any)["id"] != retry["id"] {
		t.Errorf("retries: got %v", retries)
	}
}

func TestIncludedTasks(t *testing.T) {
	c := start(t)
	job := c.get(t, "POST", "/v2/jobs", chain).Data
	tasks := c.get(t, "GET", "/v2/tasks?include=depends_on_tasks,job&filter[job_id]="+job.text("id"), "").List
	var got []string
	for _, task := range tasks {
		line := task.text("name") + ":"
		for _, input := range task["depends_on_tasks"].([]any) {
			line += " " + input.(map[string]any)["name"].(string)
		}
		home := task["job"].(map[string]any)
		if _, nested := home["tasks"]; nested || home["id"] != job["id"] {
			t.Errorf("job: got %v", home)
		}
		got = append(got, line)
	}
	slices.Sort(got)
	if want := "[in: out: work work: in]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestPages(t *testing.T) {
	c := open(t, nil)
	for range 5 {
		c.get(t, "POST", "/v2/jobs", `{"tag":"x y","tasks":{"a":{"operation":"import/upload"}}}`)
	}
	c.get(t, "POST", "/v2/jobs", `{"tag":"other","tasks":{"a":{"operation":"import/upload"}}}`)
	const path = "https://api.example.org/v2/jobs?filter%5Btag%5D=x+y&"
	tests := []struct {
		query, first, prev, next string
		size                     int
		meta                     string
	}{
		{"per_page=2", path + "page=1&per_page=2", "", path + "page=2&per_page=2", 2,
			"map[current_page:1 from:1 path:https://api.example.org/v2/jobs per_page:2 to:2]"},
		{"page=2&per_page=2", path + "page=1&per_page=2", path + "page=1&per_page=2", path + "page=3&per_page=2", 2,
			"map[current_page:2 from:3 path:https://api.example.org/v2/jobs per_page:2 to:4]"},
		{"page=3&per_page=2", path + "page=1&per_page=2", path + "page=2&per_page=2", "", 1,
			"map[current_page:3 from:5 path:https://api.example.org/v2/jobs per_page:2 to:5]"},
		{"page=9&per_page=5000", path + "page=1&per_page=5000", path + "page=8&per_page=5000", "", 0,
			"map[current_page:9 from:<nil> path:https://api.example.org/v2/jobs per_page:1000 to:<nil>]"},
		{"per_page=0", path + "page=1&per_page=0", "", path + "page=2&per_page=0", 1,
			"map[current_page:1 from:1 path:https://api.example.org/v2/jobs per_page:1 to:1]"},
		{"page=none&per_page=", path + "page=1", "", "", 5,
			"map[current_page:1 from:1 path:https://api.example.org/v2/jobs per_page:100 to:5]"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			e := c.get(t, "GET", "/v2/jobs?filter[tag]=x%20y&"+tt.query, "")
			text := func(name string) string {
				if e.Links[name] == nil {
					return ""
				}
				return *e.Links[name]
			}
			if text("first") != tt.first || text("prev") != tt.prev || text("next") != tt.next || text("last") != "" {
				t.Errorf("got the links %q %q %q %q", text("first"), text("prev"), text("next"), text("last"))
			}
			if got := fmt.Sprint(e.Meta); len(e.List) != tt.size || got != tt.meta {
				t.Errorf("got %d %s", len(e.List), got)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	c := start(t)
	first := c.get(t, "POST", "/sync/v2/jobs", chain).Data
	second := c.get(t, "POST", "/sync/v2/jobs", `{"tasks":{"a":{"operation":"fail"}}}`).Data
	third := c.get(t, "POST", "/v2/jobs", `{"tasks":{"a":{"operation":"import/upload"}}}`).Data
	c.get(t, "POST", "/v2/import/upload", "")
	tests := []struct {
		path string
		want []string
	}{
		{"/v2/jobs", []string{third.text("id"), second.text("id"), first.text("id")}},
		{"/v2/jobs?filter[status]=finished", []string{first.text("id")}},
		{"/v2/jobs?filter%5Bstatus%5D=error", []string{second.text("id")}},
		{"/v2/jobs?filter[status]=waiting", []string{third.text("id")}},
		{"/v2/jobs?filter[status]=nonsense", nil},
		{"/v2/jobs?filter[tag]=t1", []string{first.text("id")}},
		{"/v2/tasks?filter[operation]=fail", []string{second.task(0).text("id")}},
		{"/v2/tasks?filter[operation]=fail&filter[status]=finished", nil},
		{"/v2/tasks?filter[job_id]=" + third.text("id"), []string{third.task(0).text("id")}},
		{"/v2/tasks?filter[job_id]=nonsense", nil},
		{"/v2/tasks?filter[status]=nonsense", nil},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			var got []string
			for _, item := range c.get(t, "GET", tt.path, "").List {
				got = append(got, item.text("id"))
				if _, there := item["tasks"]; there {
					t.Error("tasks were not asked for")
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got := c.get(t, "GET", "/v2/jobs?include=tasks", "").List[2]; got.task(2).text("name") != "out" {
		t.Errorf("include=tasks: got %v", got)
	}
}
