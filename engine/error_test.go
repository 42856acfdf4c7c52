package engine_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

// TestFullDisk tells a full disk from a failure that nobody foresaw.
func TestFullDisk(t *testing.T) {
	err := fmt.Errorf("write the output: %w", syscall.ENOSPC)
	if code, message := engine.CodeOf(err), engine.MessageOf(err); code != engine.Unavailable || message != "The server's disk is full." || !engine.Retryable(err) {
		t.Errorf("got %s, %q", code, message)
	}
	damaged := engine.Wrap(err, engine.Invalid, "Damaged.")
	if code := engine.CodeOf(damaged); code != engine.Invalid {
		t.Errorf("got %s for an error with a code of its own", code)
	}
}
