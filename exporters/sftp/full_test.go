package sftp_test

import (
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/sftp"
)

// TestFullDisk holds that a server without room is named as the cause, and that nothing of the file stays: what has room
// then arrives.
func TestFullDisk(t *testing.T) {
	s := newSSHD(t, "full")
	task, log := exportertest.Export(t, sftp.Definition(), env(), s.Params(t, s.Address(), "large"), 3<<20)
	if task.Code != engine.TooLarge || !strings.Contains(task.Message, "room") {
		t.Errorf("the export ended %q: %s\n%s", task.Code, task.Message, log)
	}
	task, log = exportertest.Export(t, sftp.Definition(), env(), s.Params(t, s.Address(), "small"), 3<<19)
	if task.Status != engine.StatusFinished {
		t.Errorf("then a small one ended %q: %s\n%s", task.Code, task.Message, log)
	}
}
