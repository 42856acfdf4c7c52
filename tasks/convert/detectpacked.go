package convert

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"github.com/gantry-engine/gantry/engine"
)

// packed maps a compression to what it is called when a tar lies inside.
var packed = map[Format]Format{"gz": "tar.gz", "bz2": "tar.bz2", "zst": "tar.zst", "xz": "tar.xz"}

// maxWindow bounds the memory a file can make its decompressor ask for: what xz -9 and zstd --long ask.
const maxWindow = 128 << 20

// decompress opens a stream of one of the packed formats. Close the result.
func decompress(r io.Reader, format Format) (io.ReadCloser, error) {
	switch format {
	case "gz":
		return gzip.NewReader(r)
	case "bz2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case "zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case "xz":
		d, err := xz.NewReader(r, maxWindow)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(d), nil
	}
	return nil, errors.New("not a compression: " + string(format))
}

// unwrap tells gz from tar.gz and the like by unpacking the first block. A stream that does not unpack is left with its
// outer name; the engine will say what is wrong with it.
func unwrap(r io.Reader, outer Format) Format {
	inner, err := decompress(r, outer)
	if err != nil {
		return outer
	}
	defer inner.Close()
	block := make([]byte, 512)
	n, _ := io.ReadFull(inner, block)
	switch {
	case outer == "gz" && isSVG(block[:n]):
		return "svgz"
	case outer == "gz" && rootElement(block[:n]) == "abiword":
		return "zabw"
	}
	if n == len(block) && (string(block[257:262]) == "ustar" || bytes.Equal(block, make([]byte, 512))) {
		return packed[outer]
	}
	return outer
}

// zipFamily tells the formats that are ZIP files apart by what lies inside.
func zipFamily(r io.ReaderAt, size int64, claimed Format) Format {
	if checkZIP(r, size, engine.DefaultLimits().ArchiveEntries) != nil {
		return "zip"
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return "zip"
	}
	if f := declaredType(z); f != "" {
		return f
	}
	has := func(match func(name string) bool) bool {
		return slices.ContainsFunc(z.File, func(f *zip.File) bool { return match(f.Name) })
	}
	if has(func(n string) bool { return n == "[Content_Types].xml" }) {
		if f := openXMLKind(z); f != "" {
			return f
		}
		for _, kind := range []struct {
			main   string
			format Format
		}{{"word/document.xml", "docx"}, {"xl/workbook.xml", "xlsx"}, {"ppt/presentation.xml", "pptx"}} {
			if has(func(n string) bool { return strings.EqualFold(n, kind.main) }) {
				return kind.format
			}
		}
	}
	if has(func(n string) bool { return strings.HasSuffix(n, ".fdseq") }) {
		return "xps"
	}
	if has(func(n string) bool { return n == "META-INF/MANIFEST.MF" }) {
		return "jar"
	}
	if f := applePackage(has, claimed); f != "" {
		return f
	}
	return oneOf(claimed, append([]Format{"zip"}, namedZIPs...)...)
}

// declaredType reads the stored first member "mimetype" that EPUB and OpenDocument files carry.
func declaredType(z *zip.Reader) Format {
	if len(z.File) == 0 || z.File[0].Name != "mimetype" || z.File[0].UncompressedSize64 > 256 {
		return ""
	}
	f, err := z.File[0].Open()
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return declared[strings.TrimSpace(string(text))]
}

// isJSON reports whether the start of a file reads as JSON for as far as it goes.
func isJSON(head []byte) bool {
	d := json.NewDecoder(bytes.NewReader(head))
	for n := 0; ; n++ {
		_, err := d.Token()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n > 0
		}
		if err != nil {
			return false
		}
	}
}
