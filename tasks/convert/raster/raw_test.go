package raster_test

import (
	"hash/crc32"
	"image"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
	"github.com/gantry-engine/gantry/tasks/convert/raster"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func TestNegative(t *testing.T) {
	e := converttest.Engine(t, "LibRaw", raster.NewRaw)
	if from, err := filetype.Detect(strings.NewReader(converttest.Negative()), int64(len(converttest.Negative())), "x.dng"); err != nil || from != "dng" {
		t.Errorf("detected %s, %v, want dng", from, err)
	}
	out, err := run(t, e, []byte(converttest.Negative()), "dng", "png", convert.Options{Width: 32, Fit: "max"})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, out).Bounds().Size(); got != image.Pt(32, 24) {
		t.Errorf("got %v, want 32 by 24", got)
	}
	if _, err := run(t, e, []byte("II*\x00 no more"), "dng", "jpg", convert.Options{}); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want that the file is at fault", err)
	}
}
