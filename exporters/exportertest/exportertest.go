// Package exportertest holds the contract of exporters as tests. A driver runs all of it against its real server: what it
// promises less is declared in its Definition, never here.
package exportertest

import (
	"testing"

	"github.com/gantry-engine/gantry/exporters"
)

// Harness is what a driver lends to the suite: its definition, and a server to run it against. Its methods are called by
// one test at a time.
type Harness interface {
	// Definition returns what is tested.
	Definition() exporters.Definition

	// Address is the host:port of the server; empty if there is no network between, which leaves out what a network does.
	Address() string

	// Params returns the parameters of a task that exports to the server through that host:port: with name in the field
	// that names the object in full, without any field for names if name is empty.
	Params(t testing.TB, address, name string) map[string]any

	// Wrong returns parameters as Params does, with what kind says wrong about them; nil if that cannot be with this system.
	Wrong(t testing.TB, kind Kind, name string) map[string]any

	// Read returns the object of that name as a client other than the driver's sees it, and whether there is one.
	Read(t testing.TB, name string) (Object, bool)

	// Unfinished lists all that is left at the server of uploads that did not end: parts, segments, temporary files.
	Unfinished(t testing.TB) []string

	// PartSize is the number of bytes above which a file is sent in several steps; 0 if it never is.
	PartSize() int64
}

// Kind is a way in which parameters are wrong.
type Kind string

// The ways. Denied are credentials that may not write there, or are not known; Missing is a bucket, container or server
// path that does not exist.
const (
	Denied  Kind = "denied"
	Missing Kind = "missing"
)

// Object is an object as it lies at the destination.
type Object struct {
	Bytes []byte
	MIME  string // empty where the system keeps none
}

// Run runs the whole contract.
func Run(t *testing.T, h Harness) {
	s := newSuite(t, h)
	if dir := crashDir(); dir != "" {
		s.crash(t, dir)
		return
	}
	for _, sub := range []struct {
		name string
		test func(*testing.T)
	}{
		{"delivers every size", s.sizes},
		{"delivers odd names", s.names},
		{"keeps the media type", s.mediaType},
		{"says what it delivered", s.receipt},
		{"replaces on repeat", s.replaces},
		{"keeps the old object on failure", s.keepsOld},
		{"leaves nothing of a short file", s.short},
		{"leaves nothing of a long file", s.long},
		{"stops on cancel and leaves nothing", s.cancel},
		{"says that it is denied", s.denied},
		{"says that the destination is missing", s.missing},
		{"waits for a server that is away", s.away},
		{"survives a reset in the middle", s.reset},
		{"survives every lost answer", s.lostAnswers},
		{"survives small pieces", s.pieces},
		{"changes nothing when it comes late", s.late},
		{"delivers many files at once", s.many},
		{"sends the rest on retry", s.rest},
		{"goes on after a stop", s.stop},
		{"goes on after a kill", s.kill},
		{"leaves nothing when killed and deleted", s.killDelete},
		{"says what is wrong before a byte is sent", s.refuses},
	} {
		t.Run(sub.name, sub.test)
	}
}
