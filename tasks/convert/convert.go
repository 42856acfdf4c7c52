// Package convert turns a file of one format into a file of another. Engines do the work, a Catalog knows which engine
// makes which pair, Detect tells what a file is. The engines of this package are embedded: they need no installed
// program and no C compiler.
package convert

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
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
	// soon after ctx ends. Errors that are the file's fault are a *BadInputError.
	Convert(ctx context.Context, job Job) ([]string, error)
}

// Pair is one conversion that an engine offers.
type Pair struct {
	From, To Format
	Options  []Option
}

// Option describes one parameter that a pair understands.
type Option struct {
	Name        string
	Type        string // string, integer, float, boolean or enum
	Default     any    // nil if there is none
	Values      []string
	Description string
}

// Options are the parameters of one conversion. The zero value of a field means that it was not given; an engine ignores
// the fields its pair does not list.
type Options struct {
	Width   int    // pixels
	Height  int    // pixels
	Fit     string // "max" (default), "crop" or "scale"
	Strip   bool
	Quality int // 1 to 100
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

// DefaultLimits are the bounds used unless an operator sets others: 268 megapixels, 100,000 entries, ratio 100 above
// 10 MiB, 50 GiB unpacked, 64 MiB of text, 16,384 columns.
func DefaultLimits() Limits {
	return Limits{
		Pixels:   16384 * 16384,
		Entries:  100_000,
		Ratio:    100,
		RatioMin: 10 << 20,
		Unpacked: 50 << 30,
		Text:     64 << 20,
		Columns:  16_384,
	}
}

// UnsupportedError says that no engine makes the asked pair. Possible lists what the input can become here.
type UnsupportedError struct {
	From, To Format
	Possible []Format
}

// Error names the pair and every output that would have been possible.
func (e *UnsupportedError) Error() string {
	if len(e.Possible) == 0 {
		return fmt.Sprintf("%s files cannot be converted here", e.From)
	}
	return fmt.Sprintf("%s cannot be converted to %s here; possible outputs are %s", e.From, e.To, join(e.Possible))
}

// BadInputError says in one sentence, meant for the person who sent the file, why the file cannot be converted. The
// message names no path.
type BadInputError struct {
	Message string
}

// Error is the message.
func (e *BadInputError) Error() string { return e.Message }

// IsBadInput reports whether err is the file's fault, so that trying again is pointless.
func IsBadInput(err error) bool {
	var bad *BadInputError
	return errors.As(err, &bad)
}

func badInput(format string, args ...any) error {
	return &BadInputError{Message: fmt.Sprintf(format, args...)}
}

func join(formats []Format) string {
	words := make([]string, len(formats))
	for i, f := range formats {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}
