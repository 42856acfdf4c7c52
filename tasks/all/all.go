// Package all lists the operations that come with Gantry, but imports and exports, which need the list of storage systems.
package all

import (
	"context"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/capture"
	"github.com/gantry-engine/gantry/tasks/command"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/chrome"
	"github.com/gantry-engine/gantry/tasks/convert/ebook"
	"github.com/gantry-engine/gantry/tasks/convert/office"
	"github.com/gantry-engine/gantry/tasks/convert/pdfium"
	"github.com/gantry-engine/gantry/tasks/convert/text"
	"github.com/gantry-engine/gantry/tasks/merge"
	"github.com/gantry-engine/gantry/tasks/metadata"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Operations returns the operations, with the engines whose programs the box finds. It looks for all of them at once.
func Operations(ctx context.Context, box *toolbox.Box) []engine.Operation {
	catalog := convert.New(Engines(ctx, box)...)
	library := pdf.Engines(ctx, box)
	operations := []engine.Operation{
		archive.Operation(),
		convert.Operation(catalog),
		merge.Operation(catalog, library...),
	}
	for _, find := range []func(context.Context, *toolbox.Box) (engine.Operation, bool){
		command.Operation, capture.Operation, metadata.Read, metadata.Write,
	} {
		if op, ok := find(ctx, box); ok {
			operations = append(operations, op)
		}
	}
	return append(operations, pdf.Operations(library...)...)
}

// Engines returns the engines of conversions in order of preference: installed programs, then what comes with the tools
// folder, then what is built in. A pair's merit goes before this order.
func Engines(ctx context.Context, box *toolbox.Box) []convert.Engine {
	finders := []func() convert.Engine{
		func() convert.Engine { return newOffice(ctx, box) },
		func() convert.Engine { return found(chrome.New(ctx, box)) },
		func() convert.Engine { return found(text.New(ctx, box)) },
		func() convert.Engine { return found(ebook.New(ctx, box)) },
		func() convert.Engine { return newPDFium(box) },
	}
	all := make([]convert.Engine, len(finders))
	var looking sync.WaitGroup
	for i, find := range finders {
		looking.Go(func() { all[i] = find() })
	}
	looking.Wait()
	var engines []convert.Engine
	for _, e := range append(all, convert.Builtin()...) {
		if e != nil {
			engines = append(engines, e)
		}
	}
	return engines
}

// found is an engine as what the catalog takes, with nil for one that is not there.
func found[E any, P interface {
	*E
	convert.Engine
}](e P) convert.Engine {
	if e == nil {
		return nil
	}
	return e
}

// newOffice returns LibreOffice, whose workers end with the box, or nil.
func newOffice(ctx context.Context, box *toolbox.Box) convert.Engine {
	e := office.New(ctx, box, box.Scratch())
	if e == nil {
		return nil
	}
	box.Defer(e.Close)
	return e
}

// newPDFium returns the engine of the tools folder, or nil.
func newPDFium(box *toolbox.Box) convert.Engine {
	path, ok := box.File("pdfium.wasm")
	if !ok {
		return nil
	}
	e, err := pdfium.New(path, box.Cache())
	if err != nil {
		return nil
	}
	return e
}
