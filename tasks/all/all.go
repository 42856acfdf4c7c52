// Package all lists the operations that come with Gantry, but imports and exports, which need the list of storage systems.
package all

import (
	"context"
	"slices"
	"sync"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/archive"
	"github.com/gantry-engine/gantry/tasks/capture"
	"github.com/gantry-engine/gantry/tasks/command"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/chrome"
	"github.com/gantry-engine/gantry/tasks/convert/ebook"
	"github.com/gantry-engine/gantry/tasks/convert/embedded"
	"github.com/gantry-engine/gantry/tasks/convert/media"
	"github.com/gantry-engine/gantry/tasks/convert/office"
	"github.com/gantry-engine/gantry/tasks/convert/oneshot"
	"github.com/gantry-engine/gantry/tasks/convert/packed"
	"github.com/gantry-engine/gantry/tasks/convert/pdfium"
	"github.com/gantry-engine/gantry/tasks/convert/pdftools"
	"github.com/gantry-engine/gantry/tasks/convert/raster"
	"github.com/gantry-engine/gantry/tasks/convert/text"
	"github.com/gantry-engine/gantry/tasks/convert/vector"
	"github.com/gantry-engine/gantry/tasks/merge"
	"github.com/gantry-engine/gantry/tasks/metadata"
	"github.com/gantry-engine/gantry/tasks/optimize"
	"github.com/gantry-engine/gantry/tasks/pdf"
	"github.com/gantry-engine/gantry/tasks/thumbnail"
	"github.com/gantry-engine/gantry/tasks/toolbox"
	"github.com/gantry-engine/gantry/tasks/watermark"
)

// Operations returns the operations, with the engines whose programs the box finds. It looks for all of them at once.
func Operations(ctx context.Context, box *toolbox.Box) []engine.Operation {
	film := media.New(ctx, box)
	catalog := convert.New(Engines(ctx, box, film)...)
	library := pdf.Engines(ctx, box)
	operations := []engine.Operation{
		archive.Operation(sevenZip(ctx, box)),
		convert.Operation(catalog),
		merge.Operation(catalog, library...),
		metadata.Read(ctx, box),
		optimize.Operation(optimize.Engines(ctx, box, catalog)...),
		thumbnail.Operation(catalog),
		watermark.Operation(catalog, film),
	}
	for _, find := range []func(context.Context, *toolbox.Box) (engine.Operation, bool){
		command.Operation, capture.Operation, metadata.Write, pdf.OCR, pdf.Archive,
	} {
		if op, ok := find(ctx, box); ok {
			operations = append(operations, op)
		}
	}
	return append(operations, pdf.Operations(library...)...)
}

// Catalog returns the catalog of conversions with the engines that the box finds.
func Catalog(ctx context.Context, box *toolbox.Box) *convert.Catalog {
	return convert.New(Engines(ctx, box, media.New(ctx, box))...)
}

// Engines returns the engines of conversions in order of preference: installed programs, then what comes with the tools
// folder, then what is built in. A pair's merit goes before this order. Film is ffmpeg, nil where it is not there.
func Engines(ctx context.Context, box *toolbox.Box, film *media.Engine) []convert.Engine {
	finders := []func() convert.Engine{
		func() convert.Engine { return found(chrome.New(ctx, box)) },
		func() convert.Engine { return found(office.New(ctx, box)) },
		func() convert.Engine { return found(text.New(ctx, box)) },
		func() convert.Engine { return found(ebook.New(ctx, box)) },
		func() convert.Engine { return found(film) },
		func() convert.Engine { return found(vector.NewLibrsvg(ctx, box)) },
		func() convert.Engine { return found(raster.NewVips(ctx, box)) },
		func() convert.Engine { return found(raster.NewMagick(ctx, box)) },
		func() convert.Engine { return found(raster.NewRaw(ctx, box)) },
		func() convert.Engine { return inTools(box, "resvg.wasm", vector.NewResvg) },
		func() convert.Engine { return inTools(box, "pdfium.wasm", pdfium.New) },
		func() convert.Engine { return found(pdftools.NewPoppler(ctx, box, pdf.NewLibrary().Decrypt)) },
		func() convert.Engine { return found(pdftools.NewGhostscript(ctx, box)) },
	}
	all := make([]convert.Engine, len(finders))
	var single []*oneshot.Engine
	var unpackers []*packed.Engine
	var looking sync.WaitGroup
	for i, find := range finders {
		looking.Go(func() { all[i] = find() })
	}
	looking.Go(func() { single = oneshot.New(ctx, box) })
	looking.Go(func() { unpackers = packed.New(ctx, box) })
	looking.Wait()
	for _, e := range single {
		all = append(all, e)
	}
	for _, e := range unpackers {
		all = append(all, e)
	}
	return slices.DeleteFunc(append(all, embedded.Engines()...), func(e convert.Engine) bool { return e == nil })
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

// sevenZip returns what packs 7z, or nil.
func sevenZip(ctx context.Context, box *toolbox.Box) archive.Packer {
	for _, e := range packed.New(ctx, box) {
		if e.Packs() {
			return e
		}
	}
	return nil
}

// inTools returns the engine of a library in the tools folder, or nil.
func inTools[E any, P interface {
	*E
	convert.Engine
}](box *toolbox.Box, name string, open func(path, cache string) (P, error)) convert.Engine {
	path, ok := box.File(name)
	if !ok {
		return nil
	}
	e, err := open(path, box.Cache())
	if err != nil {
		return nil
	}
	return e
}
