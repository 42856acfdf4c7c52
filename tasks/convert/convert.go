// Package convert turns a file of one format into a file of another. Engines do the work, each in a package below this one; a
// Catalog knows which engine makes which pair. Beside the operation it has what other operations need to work on files.
package convert

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// Engine is one library or program that converts. Its methods may be called from any number of goroutines.
type Engine interface {
	// Name is the word a user selects the engine by, lower case: "imagelib".
	Name() string
	// Version is the version of the library or program behind the engine, never empty.
	Version() string
	// Pairs lists what the engine can convert. The answer does not change while the engine is in use.
	Pairs() []Pair
	// Convert converts job.In and returns the paths of the files it made, in order, all of them below job.Dir. It stops
	// soon after ctx ends. Errors that are the file's fault have the codes engine.Invalid and engine.TooLarge.
	Convert(ctx context.Context, job Job) ([]string, error)
}

// Format is a file format, such as "jpg" or "tar.gz".
type Format = filetype.Format

// Pair is one conversion that an engine offers.
type Pair struct {
	From, To Format
	Options  []param.Field // what it obeys; see Fields

	// Merit says how well the engine does this pair: of several engines the one with the highest merit is asked, of equal
	// ones the first in the catalog. 0 is ordinary.
	Merit int
}

// Job is one conversion: a file, what it is, what it is to become and within which bounds.
type Job struct {
	In       string // path of the input
	Name     string // the input's name as its owner knows it, without folders
	From, To Format
	Dir      string // an existing folder for the outputs and for scratch files, empty at the start
	Options  Options
	Limits   Limits
	Progress func(percent int) // from 0 to 100; never nil inside an engine
}

// Out is where an engine writes its output: a path in job.Dir that is named after the input and the asked format.
func (j Job) Out() string {
	return filepath.Join(j.Dir, "out."+string(j.To))
}

// Limits bound what one conversion may take. They protect the machine from files that are small but unpack to more than
// it holds.
type Limits struct {
	Pixels   int64 // of one image, all frames of an animation together
	Entries  int   // of one archive
	Ratio    int64 // unpacked to packed size, applied from RatioMin on
	RatioMin int64 // bytes
	Unpacked int64 // bytes
	Text     int64 // bytes of a document or spreadsheet that has to be held in memory
	Columns  int   // of one table
}

// LimitsOf adds to a server's limits what is bounded only here: 64 MiB of text and 16,384 columns.
func LimitsOf(l engine.Limits) Limits {
	return Limits{
		Pixels:   l.Pixels,
		Entries:  l.ArchiveEntries,
		Ratio:    l.ArchiveRatio,
		RatioMin: 10 << 20,
		Unpacked: l.ArchiveBytes,
		Text:     64 << 20,
		Columns:  16_384,
	}
}

// output is how large one output may be.
func (l Limits) output() int64 { return cmp.Or(l.Unpacked, engine.DefaultLimits().ArchiveBytes) }

// Damaged is the error of an input that an engine could not read, or what ended ctx if that is why.
func Damaged(ctx context.Context, from Format, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return engine.Wrap(err, engine.Invalid, "The %s file is damaged or of a kind that cannot be read.", from)
}
