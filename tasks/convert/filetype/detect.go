package filetype

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"

	"github.com/gantry-engine/gantry/engine"
)

// sniffLen is how much of a file's start decides its type.
const sniffLen = 64 << 10

// Detect tells what a file of size bytes is. Content decides; name, which may be empty, only chooses between the texts
// that content cannot tell apart (md, txt, csv …) and serves for formats that have no signature. An SVG named
// photo.heic is an svg, and a ZIP is a docx only if it holds what a docx holds. Content that is not what its name says,
// and nothing else known either, is an error with the code engine.Invalid.
func Detect(r io.ReaderAt, size int64, name string) (Format, error) {
	claimed := OfName(name)
	head := make([]byte, min(size, sniffLen))
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:n]
	if len(head) == 0 {
		return detectEmpty(claimed)
	}
	if f := signature(head); f == "rar" {
		return oneOf(claimed, f, "cbr"), nil
	} else if f != "" {
		return f, nil
	}
	if f := officeMark(head, claimed); f != "" {
		return f, nil
	}
	if f := mediaMark(head); f != "" {
		return amongContainers(f, claimed), nil
	}
	found := mimetype.Detect(head)
	switch {
	case found.Is("application/zip") || parentIs(found, "application/zip"):
		return zipFamily(r, size, claimed)
	case bytes.HasPrefix(head, []byte(oleMagic)):
		if f := oleFamily(r, size, claimed); f != "" {
			return f, nil
		}
		return unknown(claimed)
	case packed[mimeFormat(found)] != "":
		return unwrap(io.NewSectionReader(r, 0, size), mimeFormat(found)), nil
	case parentIs(found, "text/plain") || found.Is("text/plain"):
		if f := textFamily(head, found, claimed); f != "txt" || !recognised(claimed) {
			return f, nil
		}
		return unknown(claimed) // a document that holds a few letters and nothing else is a broken one
	case found.Is("application/octet-stream") || mimeFormat(found) == "":
		return unknown(claimed)
	}
	return amongContainers(mimeFormat(found), claimed), nil
}

// DetectFile is Detect for the file at path.
func DetectFile(path, name string) (Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the input: %w", err)
	}
	return Detect(f, info.Size(), name)
}

// OfMedia is the format of a media type that leaves no doubt, or "".
func OfMedia(mime string) Format {
	m := mimetype.Lookup(mime)
	if m == nil || m.Is("application/zip") || m.Is("application/octet-stream") || m.Is("application/x-ole-storage") ||
		m.Is("text/plain") || parentIs(m, "text/plain") || packed[mimeFormat(m)] != "" {
		return ""
	}
	return mimeFormat(m)
}

func detectEmpty(claimed Format) (Format, error) {
	if IsText(claimed) {
		return claimed, nil
	}
	return "", engine.Errorf(engine.Invalid, "The file is empty.")
}

// signature knows what mimetype lacks or puts under another name.
func signature(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte("%!PS-Adobe")) && bytes.Contains(head[:min(len(head), 64)], []byte("EPSF")),
		bytes.HasPrefix(head, []byte("\xc5\xd0\xd3\xc6")):
		return "eps"
	case bytes.HasPrefix(head, []byte("%!PS")) && !bytes.HasPrefix(head, []byte("%!PS-AdobeFont")):
		return "ps"
	case bytes.HasPrefix(head, []byte("Rar!\x1a\x07")):
		return "rar"
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return "tar"
	case isSVG(head):
		return "svg"
	}
	return ""
}

// isSVG looks past the declaration, comments and the document type for an svg root element.
func isSVG(head []byte) bool {
	rest := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for {
		end := []byte(">")
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			end = []byte("-->")
		case bytes.HasPrefix(rest, []byte("<!DOCTYPE svg")):
			return true
		case bytes.HasPrefix(rest, []byte("<?")):
		default:
			return bytes.HasPrefix(rest, []byte("<svg")) || bytes.HasPrefix(rest, []byte("<svg:svg"))
		}
		_, after, ok := bytes.Cut(rest, end)
		if !ok {
			return false
		}
		rest = bytes.TrimLeft(after, " \t\r\n")
	}
}

func parentIs(m *mimetype.MIME, mime string) bool {
	for p := m.Parent(); p != nil; p = p.Parent() {
		if p.Is(mime) {
			return true
		}
	}
	return false
}

func mimeFormat(m *mimetype.MIME) Format {
	switch {
	case m.Is("image/heic"), m.Is("image/heif"), m.Is("image/heic-sequence"), m.Is("image/heif-sequence"):
		return "heic"
	case m.Is("image/vnd.mozilla.apng"):
		return "png"
	}
	return Parse(m.Extension())
}

// unknown trusts the name only for a format that has no signature Detect could have seen.
func unknown(claimed Format) (Format, error) {
	switch {
	case claimed == "":
		return "", engine.Errorf(engine.Invalid, "The file's type cannot be told from its content, and its name has no extension.")
	case IsText(claimed) || recognised(claimed):
		return "", engine.Errorf(engine.Invalid, "The file is not a %s file, although its name says so.", claimed)
	}
	return claimed, nil
}

func recognised(f Format) bool {
	return slices.Contains([]Format{"eps", "rar", "tar", "svg", "svgz", "zabw", "xps", "heic", "tar.gz", "tar.bz2", "tar.zst", "tar.xz",
		"tar.z", "z", "tar.lzo", "lzo", "ai"}, f) ||
		mimetypeKnows(f) || officeKnown(f)
}

func mimetypeKnows(f Format) bool {
	for _, mime := range []string{
		"image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/x-icon", "image/avif",
		"image/jxl", "image/vnd.adobe.photoshop", "application/pdf", "application/zip", "application/x-7z-compressed",
		"application/gzip", "application/x-bzip2", "application/zstd", "application/x-xz", "application/epub+zip",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/msword",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.ms-excel",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/vnd.ms-powerpoint",
		"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet", "text/rtf",
		"audio/flac", "audio/wav", "video/webm", "video/x-matroska", "audio/ogg",
	} {
		if m := mimetype.Lookup(mime); m != nil && mimeFormat(m) == f {
			return true
		}
	}
	return false
}

var texts = []Format{
	"txt", "md", "csv", "tsv", "json", "html", "xml", "rst", "tex", "org", "adoc", "yaml", "yml", "toml", "log", "ini",
	"textile", "mediawiki", "ndjson", "pml", "srt", "vtt", "css", "js", "py", "go", "sh", "svg", "rtf",
}

// IsText reports whether f is one of the texts, which have no signature and may be empty.
func IsText(f Format) bool { return slices.Contains(texts, f) }

// textFamily decides between texts. A signature wins; else the name, as long as the content could be what it says.
func textFamily(head []byte, found *mimetype.MIME, claimed Format) Format {
	guess := textGuess(head, found)
	switch claimed {
	case "json", "ndjson", "html", "xml", "svg", "rtf":
		return guess // these have marks of their own, which were looked for
	}
	if guess == "html" && hasDoctype(head) || guess == "rtf" {
		return guess
	}
	if IsText(claimed) {
		return claimed
	}
	return guess
}

func textGuess(head []byte, found *mimetype.MIME) Format {
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case found.Is("application/json") || len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') && isJSON(trimmed):
		return "json"
	case found.Is("text/html") || looksHTML(trimmed):
		return "html"
	}
	if f := mimeFormat(found); IsText(f) {
		return f
	}
	return "txt"
}

func hasDoctype(head []byte) bool {
	start := strings.ToLower(string(bytes.TrimLeft(head[:min(len(head), 512)], "\xef\xbb\xbf \t\r\n")))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

func looksHTML(trimmed []byte) bool {
	if len(trimmed) < 3 || trimmed[0] != '<' || !utf8.Valid(trimmed[:2]) {
		return false
	}
	start := strings.ToLower(string(trimmed[1:min(len(trimmed), 16)]))
	name := strings.FieldsFunc(start, func(r rune) bool { return strings.ContainsRune(" >\t\r\n/", r) })
	return len(name) > 0 && slices.Contains([]string{
		"!doctype", "html", "head", "body", "div", "p", "span", "a", "h1", "h2", "h3", "h4", "ul", "ol", "table", "title",
		"meta", "style", "script", "section", "article", "main", "header", "footer", "nav", "b", "i", "em", "strong", "img",
		"br", "hr", "pre", "code", "blockquote", "dl", "figure", "form", "center", "font",
	}, name[0])
}
