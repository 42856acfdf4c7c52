package vector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The library was built for JavaScript, by wasm-bindgen 0.2: it speaks of objects of its host by number. Of those these few
// kinds occur here.
type (
	buffer struct{}                  // the module's whole memory
	view   struct{ at, size uint32 } // a part of it
	list   [][]byte                  // of files
	walk   struct{ left list }       // over one
	step   struct {
		item []byte
		ok   bool
	} // of a walk
	fault string // an error's text
)

// heap are the objects of one instance, which finds it in the context of its calls.
type heap struct {
	objects map[uint64]any
	last    uint64
}

type heapKey struct{}

// newHeap begins above the numbers that wasm-bindgen keeps for undefined, null, true and false, and for a stack.
func newHeap() *heap { return &heap{map[uint64]any{}, 131} }

func (h *heap) add(object any) uint64 {
	h.last++
	h.objects[h.last] = object
	return h.last
}

// errHost ends a call of the library with arguments that make no sense.
var errHost = errors.New("a call that makes no sense")

// as is the object of that number, which must be a T: a panic in what the library calls becomes the error of its caller.
func as[T any](h *heap, number uint64) T {
	object, ok := h.objects[number].(T)
	if !ok {
		panic(errHost)
	}
	return object
}

// bytes are those of a file, or of a part of the memory, which are good until the next call of the library.
func (h *heap) bytes(m api.Memory, number uint64) []byte {
	switch object := h.objects[number].(type) {
	case []byte:
		return object
	case view:
		return part(m, object.at, object.size)
	}
	panic(errHost)
}

func part(m api.Memory, at, size uint32) []byte {
	b, ok := m.Read(at, size)
	if !ok {
		panic(errHost)
	}
	return b
}

// calls are the functions that the library asks of its host. Arguments and the result are
// in s. What is missing here is never called in what this package does.
var calls = map[string]func(h *heap, m api.Memory, s []uint64){
	"__wbg_new_28c511d9baebfa89": func(h *heap, m api.Memory, s []uint64) {
		s[0] = h.add(fault(part(m, uint32(s[0]), uint32(s[1]))))
	},
	"__wbindgen_string_new": func(h *heap, m api.Memory, s []uint64) {
		s[0] = h.add(fault(part(m, uint32(s[0]), uint32(s[1]))))
	},
	"__wbindgen_throw": func(_ *heap, m api.Memory, s []uint64) {
		panic(fmt.Errorf("it threw: %.200s", part(m, uint32(s[0]), uint32(s[1]))))
	},
	"__wbindgen_memory":             func(h *heap, _ api.Memory, s []uint64) { s[0] = h.add(buffer{}) },
	"__wbindgen_object_drop_ref":    func(h *heap, _ api.Memory, s []uint64) { delete(h.objects, s[0]) },
	"__wbg_buffer_12d079cc21e14bdb": func(h *heap, _ api.Memory, s []uint64) { s[0] = h.add(buffer{}) },
	"__wbg_newwithbyteoffsetandlength_aa4a17c33a06e5cb": func(h *heap, _ api.Memory, s []uint64) {
		s[0] = h.add(view{uint32(s[1]), uint32(s[2])})
	},
	"__wbg_new_63b92bc8671ed464": func(h *heap, m api.Memory, s []uint64) {
		if _, ok := h.objects[s[0]].(buffer); ok {
			s[0] = h.add(view{0, m.Size()})
			return
		}
		s[0] = h.add(slices.Clone(h.bytes(m, s[0])))
	},
	"__wbg_instanceof_Uint8Array_2b3bbecd033d19f6": func(h *heap, _ api.Memory, s []uint64) {
		_, ok := h.objects[s[0]].([]byte)
		s[0] = flag(ok)
	},
	"__wbg_length_c20a40f15020d68a": func(h *heap, m api.Memory, s []uint64) { s[0] = uint64(len(h.bytes(m, s[0]))) },
	"__wbg_set_a47bac70306a19a7": func(h *heap, m api.Memory, s []uint64) {
		to, from := as[view](h, s[0]), h.bytes(m, s[1])
		copy(part(m, to.at+uint32(s[2]), uint32(len(from))), from)
	},
	"__wbg_values_839f3396d5aac002": func(h *heap, _ api.Memory, s []uint64) { s[0] = h.add(&walk{as[list](h, s[0])}) },
	"__wbg_next_196c84450b364254": func(h *heap, _ api.Memory, s []uint64) {
		w := as[*walk](h, s[0])
		if len(w.left) == 0 {
			s[0] = h.add(step{})
			return
		}
		s[0] = h.add(step{w.left[0], true})
		w.left = w.left[1:]
	},
	"__wbg_done_298b57d23c0fc80c":  func(h *heap, _ api.Memory, s []uint64) { s[0] = flag(!as[step](h, s[0]).ok) },
	"__wbg_value_d93c65011f51a456": func(h *heap, _ api.Memory, s []uint64) { s[0] = h.add(as[step](h, s[0]).item) },
}

func flag(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// link gives the library its host.
func link(ctx context.Context, runtime wazero.Runtime, library wazero.CompiledModule) error {
	host := runtime.NewHostModuleBuilder("wbg")
	for _, f := range library.ImportedFunctions() {
		_, name, _ := f.Import()
		call := calls[name]
		run := func(ctx context.Context, mod api.Module, stack []uint64) {
			h, ok := ctx.Value(heapKey{}).(*heap)
			if !ok || call == nil {
				panic(fmt.Errorf("%w: %s", errHost, strings.TrimPrefix(name, "__wb")))
			}
			for i, v := range stack {
				stack[i] = uint64(uint32(v)) // all are 32 bits wide, and the others may be anything
			}
			call(h, mod.Memory(), stack)
		}
		host.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(run), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	_, err := host.Instantiate(ctx)
	return err
}
