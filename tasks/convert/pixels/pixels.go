// Package pixels tells how large a picture is before anything decodes it, so that a small file cannot ask for the memory of
// a huge picture.
package pixels

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"github.com/sergeymakinen/go-ico"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// headerLen is how much of a file is searched for its size in pixels.
const headerLen = 256 << 10

// CheckFile refuses a picture that says of itself that it has more than limit pixels, all frames of a GIF together, before
// any program sees it. What does not say so in a way that is known here, or is damaged, is for the engine to judge.
func CheckFile(path string, format filetype.Format, limit int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	if format == "gif" {
		_, total, err := GIF(bufio.NewReader(f))
		if err == nil && total > limit {
			return engine.Errorf(engine.TooLarge, "The frames are together larger than the limit of %d megapixels.", limit/1_000_000)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read the input: %w", err)
		}
	}
	size, err := pictureSize(f, format)
	if err != nil || size == (image.Point{}) {
		return err
	}
	return Check(max(size.X, 1), max(size.Y, 1), limit)
}

// OfFile is what the header of a picture says of its size in pixels; zero where it does not say so in a way that is known
// here, or is damaged.
func OfFile(path string, format filetype.Format) (image.Point, error) {
	f, err := os.Open(path)
	if err != nil {
		return image.Point{}, fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	return pictureSize(f, format)
}

// Check refuses a picture without pixels and one of more than limit. The errors have the codes engine.Invalid and
// engine.TooLarge.
func Check(width, height int, limit int64) error {
	if width <= 0 || height <= 0 {
		return engine.Errorf(engine.Invalid, "The image has no pixels.")
	}
	if int64(height) > limit/int64(width) {
		return engine.Errorf(engine.TooLarge, "The image is larger than the limit of %d megapixels.", limit/1_000_000)
	}
	return nil
}

var decoders = map[filetype.Format]func(io.Reader) (image.Config, error){
	"jpg": jpeg.DecodeConfig, "png": png.DecodeConfig, "gif": gif.DecodeConfig, "bmp": bmp.DecodeConfig,
	"tiff": tiff.DecodeConfig, "webp": webp.DecodeConfig, "ico": ico.DecodeConfig,
}

// DecodeConfig reads the header of a picture of a format that a decoder of this program knows; for others the error is
// errors.ErrUnsupported.
func DecodeConfig(r io.Reader, format filetype.Format) (image.Config, error) {
	decode := decoders[format]
	if decode == nil {
		return image.Config{}, errors.ErrUnsupported
	}
	return decode(r)
}

func pictureSize(f *os.File, format filetype.Format) (image.Point, error) {
	if config, err := DecodeConfig(bufio.NewReader(f), format); !errors.Is(err, errors.ErrUnsupported) {
		return image.Pt(config.Width, config.Height), nil // zero where it is damaged
	}
	head, err := io.ReadAll(io.NewSectionReader(f, 0, headerLen))
	if err != nil {
		return image.Point{}, fmt.Errorf("read the input: %w", err)
	}
	if size := headerSizes[format]; size != nil {
		if w, h := size(head); w > 0 && h > 0 {
			return image.Pt(w, h), nil
		}
	}
	return image.Point{}, nil
}
