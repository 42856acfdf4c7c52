package all

import (
	"context"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/embedded"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// Profile is a set of installed programs.
type Profile struct {
	Name    string   // embedded, recommended or full
	Missing []string // of the next profile: what is not there, by program
	Next    string   // its name; "" behind the last one
	Command string   // what brings it
}

// The programs of the two profiles, as files, with what stands in for one behind it; the scripts behind `make tools` and
// `make tools-full` install the first.
var (
	recommended = []string{"bwrap", "soffice", "ffmpeg", "vips", "convert-im6.q16", "rsvg-convert", "pdftoppm", "qpdf", "gs",
		"pandoc", "7zz", "exiftool", "tesseract", "chromium-headless-shell|chromium"}
	full = []string{"ocrmypdf", "ebook-convert", "unar", "ddjvu", "fontforge", "mutool", "dcraw_emu", "pngquant", "lzop", "lzip", "rzip"}
)

// beyond are the engines that only the full profile brings.
var beyond = []string{"calibre", "libraw", "fontforge", "djvulibre", "mupdf", "unar", "lzop", "lzip", "rzip"}

// Count is how many pairs of formats one profile gives.
type Count struct {
	Profile string
	Pairs   int
}

// Counts tells what the profiles give here: of each only the engines count that the box finds.
func Counts(ctx context.Context, box *toolbox.Box) []Count {
	whole := Catalog(ctx, box)
	engines := slices.DeleteFunc(whole.Engines(), func(e convert.Engine) bool { return slices.Contains(beyond, e.Name()) })
	return []Count{
		{"embedded", convert.New(embedded.Engines()...).Size()}, {"recommended", convert.New(engines...).Size()}, {"full", whole.Size()},
	}
}

// ProfileOf says which profile the box finds whole, and what would bring the next. A box that runs no programs has the
// embedded one, whatever is installed.
func ProfileOf(box *toolbox.Box) Profile {
	if missing := absent(box, recommended); len(missing) > 0 {
		return Profile{Name: "embedded", Missing: missing, Next: "recommended", Command: "make tools"}
	}
	if box.Kind() == toolbox.Refused {
		return Profile{Name: "embedded"}
	}
	if missing := absent(box, full); len(missing) > 0 {
		return Profile{Name: "recommended", Missing: missing, Next: "full", Command: "make tools-full"}
	}
	return Profile{Name: "full"}
}

func absent(box *toolbox.Box, programs []string) (missing []string) {
	for _, p := range programs {
		if files := strings.Split(p, "|"); !slices.ContainsFunc(files, box.Has) {
			missing = append(missing, files[0])
		}
	}
	return missing
}
