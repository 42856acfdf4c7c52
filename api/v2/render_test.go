package v2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/api"
	v2 "github.com/gantry-engine/gantry/api/v2"
	"github.com/gantry-engine/gantry/engine"
)

func TestRenderTask(t *testing.T) {
	at := time.Date(2026, 1, 2, 4, 4, 5, 999, time.FixedZone("", 3600))
	base := engine.Task{ID: "T", Job: "J", User: 7, Name: "n", Operation: "convert", Status: engine.StatusWaiting, CreatedAt: at}
	output := "<out>"
	tests := []struct {
		name string
		with func(*engine.Task)
		want []string // parts
		not  []string
	}{
		{"waiting", func(*engine.Task) {}, []string{`{"id":"T","name":"n","job_id":"J","status":"waiting","credits":null,"code":null,` +
			`"message":null,"percent":100,"operation":"convert","engine":null,"engine_version":null,"result":null,` +
			`"created_at":"2026-01-02T03:04:05+00:00","started_at":null,"ended_at":null,"retry_of_task_id":null,` +
			`"copy_of_task_id":null,"user_id":7,"priority":10,"host_name":null,"storage":null,"depends_on_task_ids":[],` +
			`"links":{"self":"https://h/p/v2/tasks/T"}}`}, nil},
		{"processing", func(t *engine.Task) {
			t.Status, t.Percent, t.StartedAt, t.Message = engine.StatusProcessing, 40, at, "page 4"
			t.Result = &engine.Result{Output: &output}
		}, []string{`"percent":40`, `"started_at":"2026-01-02T03:04:05+00:00"`, `"message":"page 4"`, `"credits":null`, `"result":null`}, nil},
		{"stand-alone", func(t *engine.Task) { t.Hidden = true }, []string{`{"id":"T","job_id":null,`}, []string{`"name"`}},
		{"finished without files", func(t *engine.Task) { t.Status, t.EndedAt = engine.StatusFinished, at },
			[]string{`"credits":1`, `"result":{"files":[]}`, `"percent":100`}, nil},
		{"failed", func(t *engine.Task) { t.Status, t.Code, t.Message = engine.StatusFailed, engine.Timeout, "slow" },
			[]string{`"credits":0,"code":"TIMEOUT","message":"slow"`, `"result":null`}, nil},
		{"failed half-way", func(t *engine.Task) {
			t.Status, t.Code = engine.StatusFailed, engine.Denied
			t.Result = &engine.Result{Files: []engine.File{{Name: "a", Size: -1}}, Output: &output}
		}, []string{`"result":{"files":[{"filename":"a"}],"output":"<out>"}`}, nil},
		{"files", func(t *engine.Task) {
			t.Status, t.Operation = engine.StatusFinished, "export/url"
			t.Result = &engine.Result{Files: []engine.File{
				{Name: "empty", Blob: "b", Link: true},
				{Name: "elsewhere", Dir: "x/y", Size: 3, MD5: "m", Facts: map[string]string{"size": "9", "etag": "e", "bucket": "b"}},
			}}
		}, []string{`"credits":0`, `"files":[{"filename":"empty","size":0,"url":"https://files.example.org/T/empty?a=1&b=2"},` +
			`{"filename":"elsewhere","dir":"x/y","size":3,"md5":"m","bucket":"b","etag":"e"}]`}, []string{`"engine"`}},
		{"inputs and retry", func(t *engine.Task) { t.Inputs, t.RetryOf = []engine.ID{"A", "B"}, "R" },
			[]string{`"retry_of_task_id":"R","copy_of_task_id":"R"`, `"depends_on_task_ids":["A","B"]`}, nil},
		{"an upload that ended", func(t *engine.Task) { t.Status, t.AwaitsUpload = engine.StatusFailed, true },
			[]string{`"result":null`}, []string{`"form"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			task := base
			tt.with(&task)
			got, err := api.Encode(v2.Renderer{PublicURL: "https://h/p/", Links: links{}}.Task(task))
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range tt.want {
				if !strings.Contains(string(got), part) {
					t.Errorf("got %s, want %s", got, part)
				}
			}
			for _, part := range tt.not {
				if strings.Contains(string(got), part) {
					t.Errorf("got %s, want no %s", got, part)
				}
			}
		})
	}
}

func TestRenderJob(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name string
		job  engine.Job
		want string
	}{
		{"without tasks", engine.Job{ID: "J", Status: engine.StatusWaiting, CreatedAt: at},
			`{"id":"J","tag":null,"status":"waiting","created_at":"2026-01-02T03:04:05+00:00","started_at":null,"ended_at":null,` +
				`"links":{"self":"https://h/v2/jobs/J"}}`},
		{"with none left", engine.Job{ID: "J", Tag: "<t>", Status: engine.StatusFinished, CreatedAt: at, StartedAt: at, EndedAt: at, Tasks: []engine.Task{}},
			`{"id":"J","tag":"<t>","status":"finished","created_at":"2026-01-02T03:04:05+00:00","started_at":"2026-01-02T03:04:05+00:00",` +
				`"ended_at":"2026-01-02T03:04:05+00:00","tasks":[],"links":{"self":"https://h/v2/jobs/J"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := api.Encode(v2.Renderer{PublicURL: "https://h", Links: links{}}.Job(tt.job))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}
