package filetype

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/inflate"
)

// packed maps a compression to what it is called when a tar lies inside.
var packed = map[Format]Format{"gz": "tar.gz", "bz2": "tar.bz2", "zst": "tar.zst", "xz": "tar.xz"}

// unwrap tells gz from tar.gz and the like by unpacking the first block. A stream that does not unpack is left with its
// outer name; the engine will say what is wrong with it.
func unwrap(r io.Reader, outer Format) Format {
	inner, err := inflate.Reader(r, string(outer))
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

// zipFamily tells the formats that are ZIP files apart by what lies inside. A ZIP that cannot be read is at fault where its name
// claims one of them.
func zipFamily(r io.ReaderAt, size int64, claimed Format) (Format, error) {
	z, err := inflate.ZIP(r, size, engine.DefaultLimits().ArchiveEntries)
	switch {
	case err == nil:
		return memberFamily(z, claimed), nil
	case officeKnown(claimed):
		return "", engine.Wrap(err, engine.Invalid, "The %s file is damaged: it is not whole, or was changed on its way.", claimed)
	}
	return "zip", nil
}

func memberFamily(z *zip.Reader, claimed Format) Format {
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

// declaredType reads the type that EPUB and OpenDocument files carry: in the member "mimetype", which should be the first one
// and is not where a person packed the file again, else in the list of parts.
func declaredType(z *zip.Reader) Format {
	if f := declared[strings.TrimSpace(string(part(z, "mimetype", 256)))]; f != "" {
		return f
	}
	if bytes.Contains(part(z, "META-INF/container.xml", 64<<10), []byte("application/oebps-package+xml")) {
		return "epub"
	}
	var manifest struct {
		Entries []struct {
			Path string `xml:"full-path,attr"`
			Type string `xml:"media-type,attr"`
		} `xml:"file-entry"`
	}
	if xml.Unmarshal(part(z, "META-INF/manifest.xml", 1<<20), &manifest) != nil {
		return ""
	}
	for _, e := range manifest.Entries {
		if e.Path == "/" {
			return declared[e.Type]
		}
	}
	return ""
}

// part is the content of a member, or nothing if it is missing or larger than that.
func part(z *zip.Reader, name string, most int64) []byte {
	f, err := z.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil || int64(len(text)) > most {
		return nil
	}
	return text
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
