package pdfium

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/emscripten"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gantry-engine/gantry/tasks/convert/wasm"
)

// builds are the files this package knows how to call, by their SHA-256, with their version: that of the npm package
// @hyzyla/pdfium which they come from.
var builds = map[string]string{
	"71aec412a303a0405baee21c3d6d3f30ad2033dc02444130fe476be3976e2d09": "2.1.13",
}

// maxMemory caps what one document may take.
const maxMemory = 1 << 30

// load reads the library at path.
func load(path, cache string) (*wasm.Library, error) {
	return wasm.Load(path, cache, wasm.Kind{Name: "pdfium", Builds: builds, Memory: maxMemory, Link: link})
}

// link gives the module what Emscripten's runtime would: memory that grows, the time, the jumps of setjmp.
func link(ctx context.Context, runtime wazero.Runtime, library wazero.CompiledModule) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		return err
	}
	jumps, err := emscripten.NewFunctionExporterForModule(library)
	if err != nil {
		return err
	}
	env := runtime.NewHostModuleBuilder("env")
	jumps.ExportFunctions(env)
	for _, f := range library.ImportedFunctions() {
		from, name, _ := f.Import()
		call := host(name)
		if from != "env" || call == nil {
			continue
		}
		env.NewFunctionBuilder().WithGoModuleFunction(call, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	_, err = env.Instantiate(ctx)
	return err
}

// denied is what every call of the system answers: "function not implemented". The library has no files and no network.
const denied = -52

func host(name string) api.GoModuleFunc {
	switch {
	case len(name) > 7 && name[:7] == "invoke_", name == "_emscripten_throw_longjmp":
		return nil // comes from wazero
	case name == "emscripten_resize_heap":
		return grow
	case name == "emscripten_date_now":
		return func(_ context.Context, _ api.Module, stack []uint64) {
			stack[0] = api.EncodeF64(float64(time.Now().UnixMilli()))
		}
	case name == "_abort_js":
		return func(context.Context, api.Module, []uint64) { panic("pdfium: aborted") }
	}
	return func(_ context.Context, _ api.Module, stack []uint64) {
		if len(stack) > 0 {
			stack[0] = api.EncodeI32(denied)
		}
	}
}

// grow answers 1 if the memory has become at least as large as it was asked to be.
func grow(_ context.Context, mod api.Module, stack []uint64) {
	want, have := uint64(api.DecodeU32(stack[0])), uint64(mod.Memory().Size()) // the upper half is not part of the parameter
	stack[0] = 1
	if want > have {
		if _, ok := mod.Memory().Grow(uint32((want - have + 1<<16 - 1) >> 16)); !ok {
			stack[0] = 0
		}
	}
}

// instance is one running copy of the library, for one goroutine.
type instance struct{ *wasm.Instance }

// start returns a new instance of the library, with memory of its own.
func start(ctx context.Context, library *wasm.Library) (instance, error) {
	running, err := library.Start(ctx)
	if err != nil {
		return instance{}, err
	}
	i := instance{running}
	for _, name := range []string{"emscripten_stack_init", "__wasm_call_ctors", "PDFium_Init"} {
		if _, err := i.Call(ctx, name); err != nil {
			i.End(ctx)
			return instance{}, fmt.Errorf("pdfium: start the library: %w", err)
		}
	}
	return i, nil
}

// alloc returns a piece of the instance's memory.
func (i instance) alloc(ctx context.Context, size uint64) (uint32, error) {
	at, err := i.Call(ctx, "malloc", size)
	if err != nil {
		return 0, err
	}
	if at == 0 {
		return 0, errMemory
	}
	return uint32(at), nil
}
