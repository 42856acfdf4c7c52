package files_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
)

// TestFilesOutliveJobs keeps the file of a job, lets the job expire, and downloads it; then takes it into a job and back.
func TestFilesOutliveJobs(t *testing.T) {
	c, _ := start(t)
	user, err := c.UserNamed(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	run := func(tasks ...engine.TaskSpec) engine.Task {
		t.Helper()
		job, err := c.Submit(t.Context(), user.ID, engine.Submission{Tasks: tasks})
		if err != nil {
			t.Fatal(err)
		}
		end, err := c.WaitJob(t.Context(), user.ID, job.ID)
		if err != nil || end.Status != engine.StatusFinished {
			t.Fatalf("got %s (%v)", enginetest.Summary(end), err)
		}
		return end.Tasks[len(end.Tasks)-1]
	}
	keep := `{"organization_id":"` + string(c.organisation) + `"}`
	kept := run(enginetest.Task("in", "import/raw", `{"file":"# Hello","filename":"hello.md"}`),
		enginetest.Task("keep", "export/file", keep, "in")).Result.Files[0]
	c.Clock.Advance(c.Limits.Expiry + time.Hour)
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if jobs, err := c.Jobs(t.Context(), engine.JobQuery{User: user.ID}); err != nil || len(jobs) > 0 {
		t.Fatalf("there are jobs: %v (%v)", jobs, err)
	}
	id := kept.Facts["id"]
	if d := c.Call(t, "GET", c.files("/"+id+":download"), ""); d.Status != 200 || d.Body != "# Hello" {
		t.Errorf("got %d %q", d.Status, d.Body)
	}
	if m := metadataOf(t, c.Call(t, "GET", c.files("/"+id+"/metadata"), "")); m.Filename != "hello.md" || m.MIMEType != "text/markdown" {
		t.Errorf("got %+v", m)
	}
	again := run(enginetest.Task("in", "import/file", `{"file":"`+id+`","filename":"again.md"}`),
		enginetest.Task("keep", "export/file", keep, "in")).Result.Files[0]
	if again.Blob != kept.Blob || again.Facts["id"] == id {
		t.Errorf("got %+v, kept %+v", again, kept)
	}
	c.Call(t, "DELETE", c.files("/"+id), "")
	if d := c.Call(t, "GET", c.files("/"+again.Facts["id"]+":download"), ""); d.Body != "# Hello" || !strings.Contains(d.Header.Get("Content-Disposition"), "again.md") {
		t.Errorf("the second after the first is gone: got %d %q", d.Status, d.Body)
	}
}
