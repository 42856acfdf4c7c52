package vector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"os"

	"github.com/disintegration/imaging"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
	"github.com/gantry-engine/gantry/tasks/convert/wasm"
)

// builds are the files this package knows how to call, by their SHA-256, with their version: that of the npm package
// @resvg/resvg-wasm which they come from.
var builds = map[string]string{
	"22bf6e9f9a100d972da0411a69c5ba504367fc1fa87b3b64e3f35e53926d2d70": "2.6.2",
}

// What one drawing may take in the library's memory; a picture is there once, and once more for each layer of the drawing.
const (
	maxMemory  = 1 << 30
	maxPixels  = 100_000_000
	maxDrawing = 64 << 20 // bytes
)

// Resvg is the library resvg, compiled to WebAssembly and run inside a sandbox of wazero: it has no files and no network. It
// is safe for concurrent use.
type Resvg struct {
	library *wasm.Library
	fonts   fontIndex
}

// NewResvg returns the engine with the library at path, a build that this package knows. Its first use compiles the library,
// which takes a second or two; what that gives is kept in the folder cache, if one is named, and serves the next process.
func NewResvg(path, cache string) (*Resvg, error) {
	library, err := wasm.Load(path, cache, wasm.Kind{Name: "resvg", Builds: builds, Memory: maxMemory, Link: link})
	if err != nil {
		return nil, err
	}
	return &Resvg{library: library}, nil
}

// Name is "resvg".
func (*Resvg) Name() string { return "resvg" }

// Version is that of the package that the library comes from.
func (e *Resvg) Version() string { return e.library.Version }

// Pairs lists svg to pictures.
func (*Resvg) Pairs() []convert.Pair { return picturePairs() }

// Convert makes one picture.
func (e *Resvg) Convert(ctx context.Context, job convert.Job) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wall, engine.Errorf(engine.TooLarge, "The drawing takes longer than %s.", wall))
	defer cancel()
	outputs, err := e.convert(ctx, job)
	var broken *wasm.Fault
	if errors.As(err, &broken) {
		return nil, engine.Wrap(err, engine.Invalid, "The svg file is damaged or too complex to be drawn.")
	}
	return outputs, err
}

func (e *Resvg) convert(ctx context.Context, job convert.Job) ([]string, error) {
	job.Limits.Pixels = min(job.Limits.Pixels, maxPixels)
	r, err := rasterOf(job)
	if err != nil {
		return nil, err
	}
	content, err := readDrawing(job.In)
	if err != nil {
		return nil, err
	}
	instance, err := e.library.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer instance.End(ctx)
	d := drawing{Instance: instance, heap: newHeap()}
	ctx = context.WithValue(ctx, heapKey{}, d.heap)
	fonts, names := e.fonts.of(content)
	w, h, err := Size(job.In)
	if err != nil {
		return nil, err
	}
	zoom := max(float64(r.Width)/w, float64(r.Height)/h) // what is distorted is drawn larger
	if err := d.open(ctx, content, map[string]any{"font": names, "fitTo": map[string]any{"mode": "zoom", "value": zoom}}, fonts); err != nil {
		return nil, err
	}
	if err := d.check(ctx, zoom); err != nil {
		return nil, err
	}
	img, err := d.draw(ctx)
	if err != nil {
		return nil, err
	}
	job.Progress(70)
	return []string{job.Out()}, picture.Save(ctx, job.Out(), imaging.Crop(fitted(img, r), r.Part), job)
}

func readDrawing(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	if info.Size() > maxDrawing {
		return nil, engine.Errorf(engine.TooLarge, "The svg file is larger than the %d MiB that resvg can open.", maxDrawing>>20)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	return content, nil
}

// fitted has the size that was asked for: the library keeps the proportions of the drawing, and rounds up.
func fitted(img *image.RGBA, r convert.Raster) image.Image {
	size := img.Rect.Size()
	if near(size.X, r.Width) && near(size.Y, r.Height) {
		return img
	}
	return imaging.Resize(img, r.Width, r.Height, imaging.Lanczos)
}

// near says whether cutting off is enough.
func near(got, want int) bool { return got == want || got == want+1 }

// drawing is an SVG in an instance of the library.
type drawing struct {
	*wasm.Instance
	heap   *heap
	handle uint64
}

// open reads the SVG with what the library calls its options.
func (d *drawing) open(ctx context.Context, content []byte, settings map[string]any, fonts list) error {
	options, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("resvg: write the options: %w", err)
	}
	at, err := d.Call(ctx, "__wbindgen_malloc", uint64(len(options)), 1)
	if err != nil {
		return err
	}
	if !d.Memory().Write(uint32(at), options) {
		return errHost
	}
	var held uint64
	if len(fonts) > 0 {
		held = d.heap.add(fonts)
	}
	d.handle, err = d.try(ctx, "resvg_new", d.heap.add(content), at, uint64(len(options)), held)
	return err
}

// check asks the library itself how large the drawing is, before it draws.
func (d *drawing) check(ctx context.Context, zoom float64) error {
	pixels := zoom * zoom
	for _, name := range []string{"resvg_width", "resvg_height"} {
		side, err := d.Call(ctx, name, d.handle)
		if err != nil {
			return err
		}
		pixels *= math.Float64frombits(side)
	}
	if !(pixels <= maxPixels) {
		return engine.Errorf(engine.TooLarge, "The svg file would be drawn larger than the %d megapixels that resvg can hold.", maxPixels/1_000_000)
	}
	return nil
}

// draw makes the picture.
func (d *drawing) draw(ctx context.Context) (*image.RGBA, error) {
	picture, err := d.try(ctx, "resvg_render", d.handle)
	if err != nil {
		return nil, err
	}
	var size [2]uint64
	for i, name := range []string{"renderedimage_width", "renderedimage_height"} {
		if size[i], err = d.Call(ctx, name, picture); err != nil {
			return nil, err
		}
	}
	object, err := d.Call(ctx, "renderedimage_pixels", picture)
	if err != nil {
		return nil, err
	}
	pixels, ok := d.heap.objects[object].([]byte)
	if !ok || uint64(len(pixels)) != 4*size[0]*size[1] {
		return nil, errHost
	}
	return &image.RGBA{Pix: pixels, Stride: 4 * int(size[0]), Rect: image.Rect(0, 0, int(size[0]), int(size[1]))}, nil
}

// try calls a function that returns an object or an error by way of its stack.
func (d *drawing) try(ctx context.Context, name string, args ...uint64) (uint64, error) {
	const room = 16
	at, err := d.Call(ctx, "__wbindgen_add_to_stack_pointer", api.EncodeI32(-room))
	if err != nil {
		return 0, err
	}
	if _, err := d.Call(ctx, name, append([]uint64{at}, args...)...); err != nil {
		return 0, err
	}
	m := d.Memory()
	result, _ := m.ReadUint32Le(uint32(at))
	thrown, _ := m.ReadUint32Le(uint32(at) + 4)
	failed, ok := m.ReadUint32Le(uint32(at) + 8)
	if !ok || failed != 0 {
		text, _ := d.heap.objects[uint64(thrown)].(fault)
		return 0, &wasm.Fault{Library: "resvg", Function: name, Err: errors.New(string(text))}
	}
	_, err = d.Call(ctx, "__wbindgen_add_to_stack_pointer", room)
	return uint64(result), err
}
