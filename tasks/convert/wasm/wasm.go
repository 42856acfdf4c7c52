// Package wasm runs libraries that were compiled to WebAssembly: files of the tools folder, known by their hash, compiled at
// their first use and run inside a sandbox of wazero with a cap on their memory.
package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Kind is what a caller knows of the library that it wants.
type Kind struct {
	Name   string            // stands in errors
	Builds map[string]string // the files that are known, by SHA-256, with their version
	Memory uint64            // bytes that one instance may take

	// Link gives the runtime what the library imports. It is called once.
	Link func(ctx context.Context, runtime wazero.Runtime, library wazero.CompiledModule) error
}

// Library is a library as code. It is safe for concurrent use.
type Library struct {
	Kind
	Version string

	code    []byte
	cache   string
	once    sync.Once
	runtime wazero.Runtime
	ready   wazero.CompiledModule
	err     error
}

// Load reads the file at path, which must be one of the kind's builds. What compiling gives is kept in the folder cache, if
// one is named, and serves the next process.
func Load(path, cache string, kind Kind) (*Library, error) {
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: read the library: %w", kind.Name, err)
	}
	sum := sha256.Sum256(code)
	version := kind.Builds[hex.EncodeToString(sum[:])]
	if version == "" {
		return nil, fmt.Errorf("%s: the library is not a build this program knows", kind.Name)
	}
	return &Library{Kind: kind, Version: version, code: code, cache: cache}, nil
}

// page is the unit of memory in WebAssembly.
const page = 1 << 16

func (l *Library) compile() {
	ctx := context.Background()
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(l.Memory / page)).WithCloseOnContextDone(true)
	if l.cache != "" {
		// Without a cache the library takes seconds to compile at each start; that is no reason to do without it.
		if cache, err := wazero.NewCompilationCacheWithDir(l.cache); err == nil {
			config = config.WithCompilationCache(cache)
		}
	}
	l.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if l.ready, l.err = l.runtime.CompileModule(ctx, l.code); l.err != nil {
		return
	}
	l.code = nil
	l.err = l.Link(ctx, l.runtime, l.ready)
}

// Start returns a new instance of the library with memory of its own, in which nothing was called yet.
func (l *Library) Start(ctx context.Context) (*Instance, error) {
	l.once.Do(l.compile)
	if l.err != nil {
		return nil, fmt.Errorf("%s: compile the library: %w", l.Name, l.err)
	}
	module, err := l.runtime.InstantiateModule(ctx, l.ready, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("%s: start the library: %w", l.Name, err)
	}
	return &Instance{module, l.Name, map[string]api.Function{}}, nil
}

// Instance is one running copy of a library, for one goroutine.
type Instance struct {
	api.Module
	library   string
	functions map[string]api.Function
}

// End gives its memory back, also when ctx has ended.
func (i *Instance) End(ctx context.Context) { i.Close(context.WithoutCancel(ctx)) }

// Call calls an exported function, and returns its first result or 0. The error is the context's cause when that has ended,
// else a Fault.
func (i *Instance) Call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	f := i.functions[name]
	if f == nil {
		if f = i.ExportedFunction(name); f == nil {
			return 0, fmt.Errorf("%s: the library has no function %s", i.library, name)
		}
		i.functions[name] = f
	}
	results, err := f.Call(ctx, args...)
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause
	}
	if err != nil {
		return 0, &Fault{i.library, name, err}
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// Fault is a call that failed, as what a file asks for makes it do. The instance is of no use any more.
type Fault struct {
	Library, Function string
	Err               error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s: %s: %v", f.Library, f.Function, f.Err) }

// Unwrap returns what went wrong inside.
func (f *Fault) Unwrap() error { return f.Err }
