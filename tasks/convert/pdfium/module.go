package pdfium

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/emscripten"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// builds are the files this package knows how to call, by their SHA-256, with their version: that of the npm package
// @hyzyla/pdfium which they come from.
var builds = map[string]string{
	"71aec412a303a0405baee21c3d6d3f30ad2033dc02444130fe476be3976e2d09": "2.1.13",
}

// maxMemory caps what one document may take, in pages of 64 KiB: 1 GiB.
const maxMemory = 1 << 30 >> 16

// module is PDFium as code, compiled at its first use. It may be used from any number of goroutines.
type module struct {
	code    []byte
	cache   string // folder for compiled code; "" for none
	once    sync.Once
	runtime wazero.Runtime
	ready   wazero.CompiledModule
	err     error
}

// load reads the file and makes sure that it is a build this package knows.
func load(path, cache string) (*module, string, error) {
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("pdfium: read the library: %w", err)
	}
	sum := sha256.Sum256(code)
	version := builds[hex.EncodeToString(sum[:])]
	if version == "" {
		return nil, "", fmt.Errorf("pdfium: the library is not a build this program knows")
	}
	return &module{code: code, cache: cache}, version, nil
}

func (m *module) compile() {
	ctx := context.Background()
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(maxMemory).WithCloseOnContextDone(true)
	if m.cache != "" {
		// Without a cache the library takes seconds to compile at each start; that is no reason to do without it.
		if cache, err := wazero.NewCompilationCacheWithDir(m.cache); err == nil {
			config = config.WithCompilationCache(cache)
		}
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if m.ready, m.err = m.runtime.CompileModule(ctx, m.code); m.err != nil {
		return
	}
	m.code = nil
	if _, m.err = wasi_snapshot_preview1.Instantiate(ctx, m.runtime); m.err != nil {
		return
	}
	m.err = m.outside(ctx)
}

// denied is what every call of the system answers: "function not implemented". The library has no files and no network.
const denied = -52

// outside gives the module what Emscripten's runtime would: memory that grows, the time, the jumps of setjmp.
func (m *module) outside(ctx context.Context) error {
	jumps, err := emscripten.NewFunctionExporterForModule(m.ready)
	if err != nil {
		return err
	}
	env := m.runtime.NewHostModuleBuilder("env")
	jumps.ExportFunctions(env)
	for _, f := range m.ready.ImportedFunctions() {
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
	want, have := stack[0], uint64(mod.Memory().Size())
	stack[0] = 1
	if want > have {
		if _, ok := mod.Memory().Grow(uint32((want - have + 1<<16 - 1) >> 16)); !ok {
			stack[0] = 0
		}
	}
}

// start returns a new instance of the library, with memory of its own.
func (m *module) start(ctx context.Context) (*instance, error) {
	m.once.Do(m.compile)
	if m.err != nil {
		return nil, fmt.Errorf("pdfium: compile the library: %w", m.err)
	}
	mod, err := m.runtime.InstantiateModule(ctx, m.ready, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("pdfium: start the library: %w", err)
	}
	i := &instance{mod: mod, functions: map[string]api.Function{}}
	for _, name := range []string{"emscripten_stack_init", "__wasm_call_ctors", "PDFium_Init"} {
		if _, err := i.call(ctx, name); err != nil {
			i.close(ctx)
			return nil, fmt.Errorf("pdfium: start the library: %w", err)
		}
	}
	return i, nil
}

// instance is one running copy of the library, for one goroutine.
type instance struct {
	mod       api.Module
	functions map[string]api.Function
}

func (i *instance) close(ctx context.Context) { i.mod.Close(context.WithoutCancel(ctx)) }

// call calls an exported function. Its error is the context's cause when that ended, else a fault of the document.
func (i *instance) call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	f := i.functions[name]
	if f == nil {
		if f = i.mod.ExportedFunction(name); f == nil {
			return 0, fmt.Errorf("pdfium: the library has no function %s", name)
		}
		i.functions[name] = f
	}
	results, err := f.Call(ctx, args...)
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	if err != nil {
		return 0, &fault{name, err}
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// fault is a call that a document made fail.
type fault struct {
	function string
	err      error
}

func (f *fault) Error() string { return fmt.Sprintf("pdfium: %s: %v", f.function, f.err) }

func (f *fault) Unwrap() error { return f.err }

// alloc returns a piece of the instance's memory.
func (i *instance) alloc(ctx context.Context, size uint64) (uint32, error) {
	at, err := i.call(ctx, "malloc", size)
	if err != nil {
		return 0, err
	}
	if at == 0 {
		return 0, errMemory
	}
	return uint32(at), nil
}
