// Package exporters holds what all storage systems have in common: the interface that a driver implements, the definition
// by which it is listed, and Deliver, which does once what every delivery needs.
package exporters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// Exporter delivers files to one destination. It is opened for one task and closed after its last file. It is thin:
// Deliver, its only caller, has resolved the name, counts bytes, checks length and hashes, retries, times out and logs. It
// is safe for concurrent use.
type Exporter interface {
	// Export writes d.File under d.Name and reports where it is. Repeating it leaves one object with the same bytes. When it
	// fails or ctx ends, nothing partial is visible and an object that was there before is untouched, unless Promises says less.
	Export(ctx context.Context, d Delivery) (Receipt, error)

	// Close frees what the exporter holds. It is called once.
	Close() error
}

// Delivery is one file on its way to one name. It is a struct so that it can grow without breaking any exporter.
type Delivery struct {
	ID         string      // stable over attempts of the task; temporary names and block ids derive from it
	File       engine.File // its size and hashes hold for what Open returns
	Name       string      // of the object at the destination, already resolved
	Checkpoint Checkpoint

	body *body
}

// Open returns the whole file; each call is a reader of its own. When the bytes are not those that File describes, or the
// task is no longer this worker's, the reader returns an error in place of the last of them, so that no driver can commit them.
func (d Delivery) Open(ctx context.Context) (io.ReadCloser, error) {
	return d.body.reader(ctx, 0, d.File.Size)
}

// OpenRange returns length bytes from offset on, and an error in place of the last of them when there are fewer, or when
// bytes follow the last of the file. Whoever sends a file in ranges calls Commit before they become an object.
func (d Delivery) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return d.body.reader(ctx, offset, length)
}

// OpenSeeker returns the file as it lies, unchecked and not counted as sent: for a look into it, or for the hash of a part.
func (d Delivery) OpenSeeker(ctx context.Context) (io.ReadSeekCloser, error) { return d.body.open(ctx) }

// Commit is called when all bytes are at the destination and the next call makes an object of them. It fails when they are
// not all those that File describes, or when the task is no longer this worker's. After it the destination may take its time.
// Who reads the whole file from one Open has it called by that reader.
func (d Delivery) Commit(ctx context.Context) error { return d.body.commit(ctx) }

// Checkpoint is what survives the worker: where a driver notes what it has begun at the destination.
type Checkpoint interface {
	// Load returns what was saved last for this file, by this attempt or an earlier one; nil if nothing was.
	Load(ctx context.Context) ([]byte, error)

	// Save keeps the state, at most 1 MiB, sealed. It is durable on return; call it before anything is opened at the
	// destination, and again with what is needed to go on. From the first Save on something is taken to be there: when the
	// task ends before the delivery does, Definition.Discard is called with the last state.
	Save(ctx context.Context, state []byte) error
}

// Receipt says where a file arrived, and as what.
type Receipt struct {
	Facts  map[string]string // flat: etag, version, checksum, location; never a credential or a signed URL
	Kept   bool              // the file stays here and is shown with a link
	Inline bool              // of a kept one: browsers are asked to display it
	Remark string            // for the person; shown as the task's message
}

// Promises is what a destination cannot hold of what Export promises. The zero Promises holds everything.
type Promises struct {
	NotAtomic   string // why a reader may see a half object
	NoAbort     string // why something of a failed delivery may stay
	StaysUnder  string // why something of a failed delivery may stay, unseen, where there was an object of that name before
	NoResume    string // why a delivery begins anew with each worker
	LateCommit  string // why a commit may still count that arrives when the task is over and somebody else has written the object
	LostOpening string // why something empty may stay when the answer to its opening is lost
}

// Env lends a driver what it needs of the server. Nothing else may be used to reach the outside.
type Env struct {
	HTTP    *http.Client // under the egress policy
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Task    engine.ID
	Owner   engine.UserID
	Attempt int
	Log     *slog.Logger // never nil

	// HostKeys remembers the keys of hosts of which a task says none; nil where any key will do.
	HostKeys HostKeys

	// OwnDownloadHost says that links lead to a host that serves nothing else, so that active types may be shown there.
	OwnDownloadHost bool
}

// Definition is all there is to know about one kind of destination. Define makes one; its optional fields are then assigned.
type Definition struct {
	Kind, Summary string // Kind is what follows "export/"
	Aliases       []string
	Params        param.Spec
	Promises      Promises
	Open          func(ctx context.Context, env Env, params any) (Exporter, error)

	// Reading is the reading side, from which import/KIND is made; nil if the system cannot be read from.
	Reading *Reading

	// Discard removes what a delivery that will never be finished left, by its last checkpoint; nil if nothing is ever left.
	// It bears repeating: what is gone already, or became an object after all, is no error. DiscardWith adapts a typed one.
	Discard func(ctx context.Context, env Env, params any, state []byte) error

	// Check tries the destination and leaves nothing behind; nil if there is nothing to try. CheckWith adapts a typed one.
	Check func(ctx context.Context, env Env, params any) []Finding

	// Renames says that a file whose name is taken is called "name (2)" here; else two files with one name are an error.
	Renames bool

	// Single says that there is room for one file only: several end the task before a byte is sent.
	Single bool

	// Parallel is how many deliveries of one task run at once; 0 stands for 4.
	Parallel int

	// Clean returns the name as the destination will have it, or what is wrong with it; nil if any name will do.
	Clean func(name string) (string, error)

	// Fold maps names that are one object at the destination to one text; nil if names differ when their bytes do.
	// FoldCase is one.
	Fold func(name string) string

	// Validate returns what is wrong with the parameters beyond their tags, without calling anybody. ValidateWith adapts a
	// typed one.
	Validate func(params any) []param.Problem
}

// Finding is one line of what a check found.
type Finding = engine.Finding

// Define returns the definition of a kind with parameters of type P. Defaults hold for what a task leaves out.
func Define[P any](kind, summary string, defaults P, open func(context.Context, Env, P) (Exporter, error)) Definition {
	return Definition{
		Kind: kind, Summary: summary, Params: param.Of(defaults),
		Open: func(ctx context.Context, env Env, params any) (Exporter, error) {
			return open(ctx, env, params.(P))
		},
	}
}

// DiscardWith adapts a typed function to Definition.Discard. State is what the driver saved last, as JSON.
func DiscardWith[P, S any](discard func(ctx context.Context, env Env, params P, state S) error) func(context.Context, Env, any, []byte) error {
	return func(ctx context.Context, env Env, params any, saved []byte) error {
		var state S
		if err := json.Unmarshal(saved, &state); err != nil {
			return fmt.Errorf("read what a delivery left: %w", err)
		}
		return discard(ctx, env, params.(P), state)
	}
}

// CheckWith adapts a typed function to Definition.Check.
func CheckWith[P any](check func(ctx context.Context, env Env, params P) []Finding) func(context.Context, Env, any) []Finding {
	return func(ctx context.Context, env Env, params any) []Finding { return check(ctx, env, params.(P)) }
}

// ValidateWith adapts a typed function, such as the method expression Params.problems, to Definition.Validate and
// Reading.Validate.
func ValidateWith[P any](validate func(params P) []param.Problem) func(any) []param.Problem {
	return func(params any) []param.Problem { return validate(params.(P)) }
}

// Reading is the reading side of a kind. The field with the role name names one object, or several with * and ? where
// there is no object of that very name; the one with the role prefix all whose names begin with it; the one with the role
// folder all below it. NewReading makes one.
type Reading struct {
	Summary  string
	Params   param.Spec
	Open     func(ctx context.Context, env Env, params any) (Source, error)
	Validate func(params any) []param.Problem // beyond tags; nil if nothing
}

// NewReading returns the reading side with parameters of type P. Defaults hold for what a task leaves out.
func NewReading[P any](summary string, defaults P, open func(context.Context, Env, P) (Source, error)) *Reading {
	return &Reading{Summary: summary, Params: param.Of(defaults),
		Open: func(ctx context.Context, env Env, params any) (Source, error) { return open(ctx, env, params.(P)) }}
}

// Source reads objects from one storage system. It is opened for one task, closed after its last object, and safe for
// concurrent use.
type Source interface {
	// Stat returns the object of that name; NotFound if there is none.
	Stat(ctx context.Context, name string) (Object, error)

	// List calls yield for every object whose name begins with prefix, page by page in the order of their names, until yield
	// returns an error, which it returns. Folders, and what stands for them, are left out.
	List(ctx context.Context, prefix string, yield func(Object) error) error

	// Open returns the object's bytes from offset on. When the object has changed since it was listed, it is a Conflict.
	Open(ctx context.Context, o Object, offset int64) (Content, error)

	// Close frees what the source holds. It is called once.
	Close() error
}

// ErrFolder is the cause of what Stat says of a name that is a folder's, where the system has folders.
var ErrFolder = errors.New("it is a folder")

// Object is one object at a storage system.
type Object struct {
	Name    string // in full, as the system calls it
	Size    int64  // -1 if unknown
	Version string // what tells this state of the object from another; empty if unknown
}

// Content are the bytes of an object from some offset on. The sums are those of the whole object in hex, as the system says
// them with the bytes; empty where it says none, or what may be something else. Whoever reads the object compares them, however
// often it had to be opened.
type Content struct {
	io.ReadCloser
	MD5, CRC32C string
}
