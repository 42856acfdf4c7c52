// Package lok is the process that holds a LibreOffice and converts one document after the other: LibreOfficeKit, loaded
// into a copy of this program without cgo. Starting LibreOffice costs a second, converting a letter a tenth of one.
// Requests and events are lines of JSON on the standard input and output.
package lok

import "time"

// Argument is the first argument that makes this program a worker; the second is the folder of LibreOffice's libraries. Its
// profile goes into HOME, which must be the worker's own.
const Argument = "office-worker"

// Environment is what a worker needs beside its arguments: LibreOffice replaces signal handlers that Go's preemption
// relies on, and two of three workers with preemption die while they start.
const Environment = "GODEBUG=asyncpreemptoff=1"

// Request asks a worker for one conversion. The paths are absolute.
type Request struct {
	In       string `json:"in"`                 // its extension is the type that LibreOffice looks for first
	Load     string `json:"load,omitempty"`     // options of the import filter
	Out      string `json:"out"`                //
	Format   string `json:"format"`             // an extension that LibreOfficeKit knows for this kind of document
	Save     string `json:"save,omitempty"`     // options of the export filter
	Password string `json:"password,omitempty"` // of an encrypted document
}

// Event is what a worker reports: Ready, then for each request any number of Progress, one Done or Failed, and Ready again; and
// between all of these Alive, every Beat.
type Event struct {
	Ready    bool    `json:"ready,omitempty"`
	Alive    bool    `json:"alive,omitempty"`
	Progress int     `json:"progress,omitempty"` // percent, 1 to 99
	Done     bool    `json:"done,omitempty"`
	Failed   Failure `json:"failed,omitempty"`
	Detail   string  `json:"detail,omitempty"` // what LibreOffice says; it may hold paths
}

// Beat is how often a worker says that it is alive.
const Beat = 5 * time.Second

// Failure is why a conversion failed. The worker is in order.
type Failure string

// The failures.
const (
	NotLoaded     Failure = "load"     // LibreOffice cannot read the document
	NotSaved      Failure = "save"     // it cannot write it in that format
	NeedsPassword Failure = "locked"   // the document is encrypted and no password came with it
	WrongPassword Failure = "password" // the password that came does not open it
)
