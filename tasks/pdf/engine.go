package pdf

import (
	"context"
	"errors"
	"io/fs"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Engine is one library or program that works on PDF files. Its methods may be called from any number of goroutines and
// stop soon after ctx ends. They read the file in and write the file out; both lie in folders that hold nothing a stranger
// must not see. Errors that are the file's fault have the code engine.Invalid or engine.TooLarge.
type Engine interface {
	// Name is the word a user selects the engine by, lower case: "qpdf".
	Name() string
	// Version is the version of the library or program behind the engine, never empty.
	Version() string
	// Count returns the number of pages. The password may be empty, and is not needed for a file that is not encrypted.
	Count(ctx context.Context, in string, password param.Secret) (int, error)
	// Assemble writes the pages of the parts one after the other.
	Assemble(ctx context.Context, out string, parts ...Part) error
	// Split writes each of the count pages as a file of its own to the folder dir and returns their paths in order.
	Split(ctx context.Context, in, dir string, count int, progress func(percent int)) ([]string, error)
	// Rotate turns the named pages and leaves the others as they are.
	Rotate(ctx context.Context, in, out string, pages []int, turn Turn) error
	// Encrypt locks the file with AES-256.
	Encrypt(ctx context.Context, in, out string, lock Lock) error
	// Decrypt opens the file with its user or owner password, and writes it without any. A file that is not encrypted is
	// copied.
	Decrypt(ctx context.Context, in, out string, password param.Secret) error
}

// Part is pages of one file, in their order; none are all of them.
type Part struct {
	Path  string
	Pages []int
}

// Turn is a rotation clockwise, by a multiple of 90 degrees.
type Turn struct {
	Degrees  int
	Relative bool // to how the page is shown now, not to how it lies in the file
}

// Lock is how a file is encrypted: with two different passwords, and what those may do who have only the first.
type Lock struct {
	User, Owner   param.Secret // the user password may be empty: then anyone can open the file
	Extract       bool
	Accessibility bool
	Modify        string // all, annotate, form, assembly or none
	Print         string // full, low or none
}

// What makes a file unfit, for all engines in the same words.
var (
	errLocked        = engine.Errorf(engine.Invalid, "The PDF is protected by a password: remove it with pdf/decrypt first.")
	errWrongPassword = engine.Errorf(engine.Invalid, "The parameter password is wrong: the PDF does not open with it.")
	errNeedsOwner    = engine.Errorf(engine.Invalid,
		"The PDF's protection does not permit this: remove it with pdf/decrypt and the owner's password first.")
	errNoPages = engine.Errorf(engine.Invalid, "The PDF has no pages.")
)

func damaged(err error) error {
	return engine.Wrap(err, engine.Invalid, "The PDF is damaged or of a kind that cannot be read.")
}

// blame makes the file's fault of every error that is not this machine's or the caller's.
func blame(ctx context.Context, err error) error {
	var known *engine.Error
	var local *fs.PathError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known) || errors.As(err, &local):
		return err
	}
	return damaged(err)
}

// Engines returns the engines that are here, in order of preference; box may be nil.
func Engines(ctx context.Context, box *toolbox.Box) []Engine {
	engines := []Engine{NewLibrary()}
	if box == nil {
		return engines
	}
	if q, ok := FindQpdf(ctx, box); ok {
		engines = append([]Engine{q}, engines...)
	}
	return engines
}
