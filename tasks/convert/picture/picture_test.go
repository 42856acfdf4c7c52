package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/HugoSmits86/nativewebp"
	"github.com/sergeymakinen/go-ico"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/picture"
)

// pictures is shared: compiling the HEIC decoder takes a second.
var pictures = picture.New()

var (
	red   = color.NRGBA{R: 255, A: 255}
	green = color.NRGBA{G: 255, A: 255}
	blue  = color.NRGBA{B: 255, A: 255}
	white = color.NRGBA{R: 255, G: 255, B: 255, A: 255}
)

// quarters is a picture whose corners are red, green, blue and white, from the top left, row by row.
func quarters(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, [2][2]color.NRGBA{{red, green}, {blue, white}}[2*y/h][2*x/w])
		}
	}
	return img
}

func corners(img image.Image) [4]color.NRGBA {
	b := img.Bounds()
	at := func(x, y int) color.NRGBA {
		return color.NRGBAModel.Convert(img.At(b.Min.X+x*(b.Dx()-1), b.Min.Y+y*(b.Dy()-1))).(color.NRGBA)
	}
	return [4]color.NRGBA{at(0, 0), at(1, 0), at(0, 1), at(1, 1)}
}

func near(a, b [4]color.NRGBA) bool {
	diff := func(x, y uint8) bool { return max(x, y)-min(x, y) > 40 }
	for i := range a {
		if diff(a[i].R, b[i].R) || diff(a[i].G, b[i].G) || diff(a[i].B, b[i].B) || diff(a[i].A, b[i].A) {
			return false
		}
	}
	return true
}

func encoded(t *testing.T, format convert.Format, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "jpg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	case "tiff":
		err = tiff.Encode(&b, img, nil)
	case "webp":
		err = nativewebp.Encode(&b, img, nil)
	case "ico":
		err = ico.Encode(&b, img)
	case "heic":
		return heic(t, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func heic(t *testing.T, img image.Image) []byte {
	t.Helper()
	if _, err := exec.LookPath("heif-enc"); err != nil {
		enginetest.Missing(t, "heif-enc")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.png"), encoded(t, "png", img), 0o600); err != nil {
		t.Fatal(err)
	}
	converttest.Tool(t, "heif-enc", "-q", "95", "-o", filepath.Join(dir, "out.heic"), filepath.Join(dir, "in.png"))
	b, err := os.ReadFile(filepath.Join(dir, "out.heic"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoded(t *testing.T, content []byte) image.Image {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestImagePairs(t *testing.T) {
	want := corners(quarters(64, 48))
	for _, from := range []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp", "ico", "heic"} {
		t.Run(string(from), func(t *testing.T) {
			content := encoded(t, from, quarters(64, 48))
			for _, to := range []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp"} {
				img := decoded(t, converttest.Output(t, pictures, content, convert.Job{From: from, To: to}))
				if got := img.Bounds().Size(); got != image.Pt(64, 48) {
					t.Errorf("%s: got size %v, want 64x48", to, got)
				}
				if got := corners(img); !near(got, want) {
					t.Errorf("%s: got corners %v, want %v", to, got, want)
				}
			}
		})
	}
}

func TestImageFit(t *testing.T) {
	content := encoded(t, "png", quarters(80, 40))
	for _, c := range []struct {
		options convert.Options
		want    image.Point
	}{
		{convert.Options{Width: 40}, image.Pt(40, 20)},
		{convert.Options{Height: 10}, image.Pt(20, 10)},
		{convert.Options{Width: 40, Height: 40}, image.Pt(40, 20)},
		{convert.Options{Width: 400}, image.Pt(80, 40)},
		{convert.Options{Width: 400, Fit: "scale"}, image.Pt(400, 200)},
		{convert.Options{Width: 30, Height: 30, Fit: "crop"}, image.Pt(30, 30)},
		{convert.Options{Width: 30, Height: 90, Fit: "scale"}, image.Pt(30, 90)},
		{convert.Options{Width: 1}, image.Pt(1, 1)},
	} {
		t.Run(fmt.Sprintf("%+v", c.options), func(t *testing.T) {
			img := decoded(t, converttest.Output(t, pictures, content, convert.Job{From: "png", To: "png", Options: c.options}))
			if got := img.Bounds().Size(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestImageQuality(t *testing.T) {
	noise := image.NewGray(image.Rect(0, 0, 128, 128))
	for i := range noise.Pix {
		noise.Pix[i] = byte(i * i * 31)
	}
	content := encoded(t, "png", noise)
	low := converttest.Output(t, pictures, content, convert.Job{From: "png", To: "jpg", Options: convert.Options{Quality: 10}})
	high := converttest.Output(t, pictures, content, convert.Job{From: "png", To: "jpg", Options: convert.Options{Quality: 95}})
	if len(low) >= len(high) {
		t.Errorf("got %d bytes at quality 10 and %d at 95", len(low), len(high))
	}
}

func TestTransparencyBecomesWhite(t *testing.T) {
	clear := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	img := decoded(t, converttest.Output(t, pictures, encoded(t, "png", clear), convert.Job{From: "png", To: "jpg"}))
	if got := corners(img); !near(got, [4]color.NRGBA{white, white, white, white}) {
		t.Errorf("got %v, want white", got)
	}
}

// exifJPEG is a picture with an Orientation tag in big-endian EXIF.
func exifJPEG(t *testing.T, img image.Image, turn byte) []byte {
	t.Helper()
	plain := encoded(t, "jpg", img)
	exif := append([]byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"),
		turn, 0, 0, 0, 0, 0, 0)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return bytes.Join([][]byte{plain[:2], segment, exif, plain[2:]}, nil)
}

// upright is where the stored corners red, green, blue, white of a picture stand once it is turned (EXIF 2.32, 4.6.5).
var uprightCorners = map[byte][4]color.NRGBA{
	1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red}, 4: {blue, white, red, green},
	5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red}, 8: {green, white, red, blue},
}

func TestOrientation(t *testing.T) {
	for turn, want := range uprightCorners {
		content := exifJPEG(t, quarters(64, 32), turn)
		t.Run(fmt.Sprintf("pixels %d", turn), func(t *testing.T) {
			img := decoded(t, converttest.Output(t, pictures, content, convert.Job{From: "jpg", To: "png"}))
			if got := corners(img); !near(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if sideways := img.Bounds().Dx() == 32; sideways != (turn >= 5) {
				t.Errorf("got size %v", img.Bounds().Size())
			}
		})
		t.Run(fmt.Sprintf("pdf %d", turn), func(t *testing.T) {
			pdf := converttest.Path(t, pictures, content, convert.Job{From: "jpg", To: "pdf"})
			out := filepath.Join(t.TempDir(), "page")
			converttest.Tool(t, "pdftoppm", "-png", "-singlefile", "-r", "96", pdf, out)
			page, err := os.ReadFile(out + ".png")
			if err != nil {
				t.Fatal(err)
			}
			if got := corners(decoded(t, page)); !near(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestJPEGPassesIntoPDF(t *testing.T) {
	content := encoded(t, "jpg", quarters(64, 32))
	if pdf := converttest.Output(t, pictures, content, convert.Job{From: "jpg", To: "pdf"}); !bytes.Contains(pdf, content) {
		t.Error("the PDF does not hold the JPEG as it is")
	}
}

func TestImageToPDF(t *testing.T) {
	clear := quarters(64, 32)
	clear.Set(0, 0, color.Transparent)
	deep := image.NewNRGBA64(image.Rect(0, 0, 64, 32))
	for name, img := range map[string]image.Image{"opaque": quarters(64, 32), "transparent": clear, "16 bit": deep} {
		t.Run(name, func(t *testing.T) {
			pdf := converttest.Path(t, pictures, encoded(t, "png", img), convert.Job{From: "png", To: "pdf"})
			if got := converttest.Tool(t, "pdfinfo", pdf); !strings.Contains(got, "48 x 24 pts") {
				t.Errorf("got %s, want a page of 48 x 24 points", got)
			}
		})
	}
}

// animation has a white canvas and one moving dot; each frame but the first covers only the dot.
func animation(t *testing.T, frames int) []byte {
	t.Helper()
	pal := color.Palette{white, red, color.Transparent}
	g := &gif.GIF{Config: image.Config{Width: 40, Height: 20, ColorModel: pal}}
	for i := range frames {
		bounds := image.Rect(i, i, i+4, i+4)
		if i == 0 {
			bounds = image.Rect(0, 0, 40, 20)
		}
		img := image.NewPaletted(bounds, pal)
		img.Set(bounds.Min.X, bounds.Min.Y, red)
		g.Image, g.Delay, g.Disposal = append(g.Image, img), append(g.Delay, 5), append(g.Disposal, gif.DisposalNone)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnimationIsKept(t *testing.T) {
	for _, width := range []int{0, 20} {
		out := converttest.Output(t, pictures, animation(t, 5), convert.Job{From: "gif", To: "gif", Options: convert.Options{Width: width}})
		g, err := gif.DecodeAll(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Image) != 5 {
			t.Errorf("width %d: got %d frames, want 5", width, len(g.Image))
		}
		if width > 0 && g.Config.Width != width {
			t.Errorf("got width %d, want %d", g.Config.Width, width)
		}
	}
}

func TestPixelFlood(t *testing.T) {
	le32 := func(b []byte, at int, v uint32) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	be16 := func(b []byte, at int, v uint16) []byte { binary.BigEndian.PutUint16(b[at:], v); return b }
	small := quarters(8, 8)
	jpg := encoded(t, "jpg", small)
	frame := bytes.Index(jpg, []byte{0xff, 0xc0})
	giant := encoded(t, "gif", small)
	binary.LittleEndian.PutUint16(giant[6:], 65535)
	binary.LittleEndian.PutUint16(giant[8:], 65535)
	icon := []byte{0, 0, 1, 0, 1, 0, 8, 8, 0, 0, 1, 0, 32, 0, 200, 0, 0, 0, 22, 0, 0, 0}
	icon = append(icon, converttest.PNGHeader(60000, 60000)...)
	for from, content := range map[convert.Format][]byte{
		"jpg":  be16(be16(jpg, frame+5, 64250), frame+7, 64250),
		"png":  converttest.PNGHeader(60000, 60000),
		"gif":  giant,
		"bmp":  le32(le32(encoded(t, "bmp", small), 18, 60000), 22, 60000),
		"tiff": tiffHeader(60000, 60000),
		"ico":  icon,
	} {
		t.Run(string(from), func(t *testing.T) {
			converttest.Refused(t, pictures, content, convert.Job{From: from, To: "png"}, "megapixels")
		})
	}
	t.Run("webp", func(t *testing.T) { // its format ends at the limit itself, so the limit is lowered
		limits := convert.LimitsOf(engine.DefaultLimits())
		limits.Pixels = 63
		converttest.Refused(t, pictures, encoded(t, "webp", small), convert.Job{From: "webp", To: "png", Limits: limits}, "megapixels")
	})
	t.Run("heic", func(t *testing.T) {
		limits := convert.LimitsOf(engine.DefaultLimits())
		limits.Pixels = 4000
		converttest.Refused(t, pictures, encoded(t, "heic", quarters(64, 64)), convert.Job{From: "heic", To: "png", Limits: limits}, "megapixels")
	})
	t.Run("gif frames", func(t *testing.T) {
		limits := convert.LimitsOf(engine.DefaultLimits())
		limits.Pixels = 40*20 + 3*16
		converttest.Refused(t, pictures, animation(t, 5), convert.Job{From: "gif", To: "gif", Limits: limits}, "megapixels")
	})
	t.Run("output", func(t *testing.T) {
		options := convert.Options{Width: 60000, Height: 60000, Fit: "scale"}
		converttest.Refused(t, pictures, jpgOf(t), convert.Job{From: "jpg", To: "png", Options: options}, "asked size")
	})
}

func jpgOf(t *testing.T) []byte { return encoded(t, "jpg", quarters(8, 8)) }

// tiffHeader is a TIFF directory of an uncompressed grey picture without its pixels.
func tiffHeader(w, h uint16) []byte {
	b := []byte("II\x2a\x00\x08\x00\x00\x00")
	tags := [][2]uint16{{256, w}, {257, h}, {258, 8}, {259, 1}, {262, 1}, {273, 0}, {277, 1}, {278, h}, {279, 0}}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tags)))
	for _, tag := range tags {
		b = binary.LittleEndian.AppendUint16(b, tag[0])
		b = append(b, 3, 0, 1, 0, 0, 0)
		b = append(binary.LittleEndian.AppendUint16(b, tag[1]), 0, 0)
	}
	return append(b, 0, 0, 0, 0)
}

func TestTruncatedImage(t *testing.T) {
	for _, from := range []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp", "ico", "heic"} {
		t.Run(string(from), func(t *testing.T) {
			content := encoded(t, from, quarters(64, 64))
			for _, n := range []int{0, 1, 12, len(content) / 4, len(content) / 2} {
				for _, to := range []convert.Format{"png", "pdf"} {
					_, err := converttest.Convert(t.Context(), t, pictures, content[:n], convert.Job{From: from, To: to})
					if err != nil && !converttest.Refusal(err) {
						t.Errorf("%d bytes to %s: got %v, want a refusal", n, to, err)
					}
				}
			}
			converttest.Refused(t, pictures, content[:12], convert.Job{From: from, To: "png"}, "")
		})
	}
}

func TestPaletteIndexOutOfRange(t *testing.T) {
	img := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{red, green})
	img.Pix[5] = 1
	var b bytes.Buffer
	if err := bmp.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	content := b.Bytes()
	content[len(content)-1] = 200 // beyond the two colours, if the decoder takes the table's length at its word
	binary.LittleEndian.PutUint32(content[46:], 2)
	_, err := converttest.Convert(t.Context(), t, pictures, content, convert.Job{From: "bmp", To: "png", Options: convert.Options{Width: 2}})
	if err != nil && !converttest.Refusal(err) {
		t.Errorf("got %v, want a refusal or none", err)
	}
}

func TestImageEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	for _, from := range []convert.Format{"jpg", "png", "heic"} {
		t.Run(string(from), func(t *testing.T) {
			content := encoded(t, from, quarters(64, 64))
			if _, err := converttest.Convert(ctx, t, pictures, content, convert.Job{From: from, To: "png"}); !errors.Is(err, reason) {
				t.Errorf("got %v, want %v", err, reason)
			}
		})
	}
}
