package metadata

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/pixels"
	"github.com/gantry-engine/gantry/tasks/pdf"
)

// builtin knows a few of exiftool's tags, under their names there.
type builtin struct{ pdf *pdf.Library }

func newBuiltin() builtin { return builtin{pdf.NewLibrary()} }

// Name is "metalib".
func (builtin) Name() string { return "metalib" }

// Version is that of the library that reads PDF.
func (b builtin) Version() string { return b.pdf.Version() }

func (b builtin) read(ctx context.Context, path string, f engine.File) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	format, err := filetype.DetectFile(path, f.Name)
	if err != nil {
		return nil, err
	}
	mime, err := mimetype.DetectFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	kind, _, _ := strings.Cut(mime.String(), ";")
	tags := map[string]string{"FileName": f.Name, "FileSize": fmt.Sprintf("%d bytes", info.Size()), "MIMEType": kind,
		"FileType": fileType(format), "FileTypeExtension": string(format)}
	if format == "pdf" {
		pages, err := b.pdf.Count(ctx, path, "")
		if err != nil {
			return nil, err
		}
		tags["PageCount"] = strconv.Itoa(pages)
	}
	size, err := pixels.OfFile(path, format)
	if err != nil {
		return nil, err
	}
	if size.X > 0 && size.Y > 0 {
		tags["ImageWidth"], tags["ImageHeight"] = strconv.Itoa(size.X), strconv.Itoa(size.Y)
		tags["ImageSize"] = fmt.Sprintf("%dx%d", size.X, size.Y)
	}
	return tags, nil
}

// fileType is what exiftool calls the format.
func fileType(f convert.Format) string {
	if f == "jpg" {
		return "JPEG"
	}
	return strings.ToUpper(string(f))
}
