package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"slices"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
)

// marked is an EXIF structure with an Orientation and a text that can be looked for.
func marked(turn byte) []byte {
	exif := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x02" +
		"\x01\x0e\x00\x02\x00\x00\x00\x08\x00\x00\x00\x26" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00" +
		"\x00\x00\x00\x00" + "canary7\x00")
	exif[31] = turn
	return exif
}

// profile is an ICC profile as far as it is looked at: its size is that of several segments of a JPEG.
func profile(space string) []byte {
	p := bytes.Repeat([]byte("profile "), 12_500)
	copy(p[16:], space)
	return p
}

func segment(marker byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
}

func pngChunk(tag string, content []byte) []byte {
	c := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), tag...)
	c = append(c, content...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

func riffChunk(tag string, content []byte) []byte {
	c := append(binary.LittleEndian.AppendUint32([]byte(tag), uint32(len(content))), content...)
	return append(c, make([]byte, len(content)&1)...)
}

// dressed is a picture of the format with an EXIF orientation and a profile.
func dressed(t *testing.T, format convert.Format, img image.Image, turn byte, icc []byte) []byte {
	t.Helper()
	plain := encoded(t, format, img)
	switch format {
	case "jpg":
		half := len(icc) / 2
		head := []byte("ICC_PROFILE\x00")
		return slices.Concat(plain[:2], segment(0xe1, []byte("Exif\x00\x00"), marked(turn)), // the second part comes first
			segment(0xe2, head, []byte{3, 3}, icc[half+9:]), segment(0xe2, head, []byte{1, 3}, icc[:half]),
			segment(0xe2, head, []byte{2, 3}, icc[half:half+9]), segment(0xfe, []byte("canary7")), plain[2:])
	case "png":
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		z.Write(icc)
		z.Close()
		return slices.Concat(plain[:33], pngChunk("iCCP", append([]byte("any name\x00\x00"), packed.Bytes()...)),
			pngChunk("eXIf", marked(turn)), plain[33:])
	}
	b := img.Bounds().Size()
	canvas := binary.LittleEndian.AppendUint64(nil, uint64(b.X-1)|uint64(b.Y-1)<<24)[:6]
	body := slices.Concat([]byte("WEBP"), riffChunk("VP8X", append([]byte{0x28, 0, 0, 0}, canvas...)),
		riffChunk("ICCP", icc), plain[12:], riffChunk("EXIF", marked(turn)))
	return slices.Concat(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body)
}

var dressable = []convert.Format{"jpg", "png", "webp"}

func TestMetadataIsHandedOn(t *testing.T) {
	for _, from := range dressable {
		content := dressed(t, from, quarters(64, 32), 6, profile("RGB "))
		for _, to := range dressable {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				out := converttest.Output(t, pictures, content, convert.Job{From: from, To: to})
				if got := corners(decoded(t, out)); !near(got, uprightCorners[6]) {
					t.Errorf("got corners %v, want them turned", got)
				}
				if !bytes.Contains(out, marked(1)) {
					t.Error("the EXIF is not there with the orientation 1")
				}
				again := converttest.Output(t, pictures, out, convert.Job{From: to, To: "jpg"}) // a JPEG keeps a profile unpacked
				if got := corners(decoded(t, again)); !near(got, uprightCorners[6]) {
					t.Errorf("got corners %v after one more conversion, want them not turned again", got)
				}
				if got := joined(again); !bytes.Equal(got, profile("RGB ")) {
					t.Errorf("got a profile of %d bytes, want %d", len(got), len(profile("RGB ")))
				}
			})
		}
	}
}

// joined reads the profile of a JPEG whose segments are in order.
func joined(jpg []byte) (icc []byte) {
	for at := 2; jpg[at+1] != 0xda; {
		size := int(binary.BigEndian.Uint16(jpg[at+2:]))
		if body := jpg[at+4 : at+2+size]; jpg[at+1] == 0xe2 && bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")) {
			icc = append(icc, body[14:]...)
		}
		at += 2 + size
	}
	return icc
}

func TestStripLeavesMetadataOut(t *testing.T) {
	for _, from := range dressable {
		content := dressed(t, from, quarters(64, 32), 6, profile("RGB "))
		for _, to := range append(dressable, "pdf", "tiff") {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				out := converttest.Output(t, pictures, content, convert.Job{From: from, To: to, Options: convert.Options{Strip: true}})
				for _, canary := range []string{"canary7", "profile profile", "ICC", "iCCP", "eXIf", "EXIF", "Exif"} {
					if bytes.Contains(out, []byte(canary)) {
						t.Errorf("%q is still there", canary)
					}
				}
				if to != "pdf" && !near(corners(decoded(t, out)), uprightCorners[6]) {
					t.Error("the picture is not turned")
				}
			})
		}
	}
}

func TestProfileOfOtherColoursIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		img   image.Image
		space string
		kept  bool
	}{
		"gray of gray": {image.NewGray(image.Rect(0, 0, 8, 8)), "GRAY", true},
		"RGB of gray":  {image.NewGray(image.Rect(0, 0, 8, 8)), "RGB ", false},
		"CMYK of RGB":  {quarters(8, 8), "CMYK", false},
		"gray of RGB":  {quarters(8, 8), "GRAY", false},
	} {
		t.Run(name, func(t *testing.T) {
			out := converttest.Output(t, pictures, dressed(t, "jpg", c.img, 1, profile(c.space)), convert.Job{From: "jpg", To: "png"})
			if kept := bytes.Contains(out, []byte("iCCP")); kept != c.kept {
				t.Errorf("got a profile: %v, want %v", kept, c.kept)
			}
		})
	}
}

func TestDamagedMetadataIsLeftOut(t *testing.T) {
	bomb := func() []byte {
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		z.Write(make([]byte, 64<<20))
		z.Close()
		return packed.Bytes()
	}()
	jpg, png := encoded(t, "jpg", quarters(8, 8)), encoded(t, "png", quarters(8, 8))
	for name, content := range map[string][]byte{
		"profile without its second half": slices.Concat(jpg[:2],
			segment(0xe2, []byte("ICC_PROFILE\x00\x01\x02"), profile("RGB ")[:1000]), jpg[2:]),
		"profile that is none":    slices.Concat(jpg[:2], segment(0xe2, []byte("ICC_PROFILE\x00")), jpg[2:]),
		"EXIF of nothing":         slices.Concat(jpg[:2], segment(0xe1, []byte("Exif\x00\x00")), jpg[2:]),
		"profile that is no zlib": slices.Concat(png[:33], pngChunk("iCCP", []byte("a\x00\x00b")), png[33:]),
		"profile without method":  slices.Concat(png[:33], pngChunk("iCCP", []byte("a\x00")), png[33:]),
		"profile that is a bomb":  slices.Concat(png[:33], pngChunk("iCCP", append([]byte("a\x00\x00"), bomb...)), png[33:]),
	} {
		t.Run(name, func(t *testing.T) {
			from := convert.Format("jpg")
			if content[0] == 0x89 {
				from = "png"
			}
			for _, to := range dressable {
				out := converttest.Output(t, pictures, content, convert.Job{From: from, To: to})
				if bytes.Contains(out, []byte("ICC")) || bytes.Contains(out, []byte("iCCP")) {
					t.Errorf("%s: got a profile, want none", to)
				}
				decoded(t, out)
			}
		})
	}
}

func TestWebPSides(t *testing.T) {
	job := convert.Job{From: "jpg", To: "webp", Options: convert.Options{Width: 16_385, Fit: "scale"}}
	converttest.Refused(t, pictures, jpgOf(t), job, "at most 16384 pixels")
}
