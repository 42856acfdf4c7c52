// Package filetype says what a file is: the names of formats, and which of them some bytes are.
package filetype

import (
	"path"
	"strings"
)

// Format is a file format as a lower-case word, equal to the usual extension without its dot: "jpg", "tar.gz".
type Format string

// Parse normalises what a person or a program wrote: case, a leading dot and aliases such as jpeg, htm or tgz. It
// knows no list of formats, an unknown word is returned as it is.
func Parse(s string) Format {
	s = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), ".")
	if f, ok := aliases[s]; ok {
		return f
	}
	return Format(s)
}

var aliases = map[string]Format{
	"jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "tif": "tiff", "heif": "heic", "htm": "html", "xhtml": "html",
	"markdown": "md", "mdown": "md", "mkd": "md", "text": "txt", "tgz": "tar.gz", "tbz": "tar.bz2", "tbz2": "tar.bz2",
	"tzst": "tar.zst", "txz": "tar.xz", "gzip": "gz", "bzip2": "bz2", "zstd": "zst", "mpg": "mpeg", "djv": "djvu",
	"bz": "bz2", "tar.bz": "tar.bz2", "tz": "tar.z", "taz": "tar.z", "tzo": "tar.lzo", "lzh": "lha", "7zip": "7z", "tar.7z": "7z", "aif": "aiff",
	"3gpp": "3gp", "3gpp2": "3g2", "odd": "odg", "oxps": "xps", "dvr-ms": "dvr",
}

// OfName is what a file's name claims, or "" when the name has no extension.
func OfName(name string) Format {
	_, format := splitName(name)
	return format
}

// Stem is a file's name without folders and without the extension that OfName reads.
func Stem(name string) string {
	stem, _ := splitName(name)
	return stem
}

func splitName(name string) (string, Format) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	lower := strings.ToLower(name)
	for _, double := range []string{".tar.gz", ".tar.bz2", ".tar.bz", ".tar.zst", ".tar.xz", ".tar.z", ".tar.lzo"} {
		if strings.HasSuffix(lower, double) {
			return name[:len(name)-len(double)], Parse(double)
		}
	}
	ext := path.Ext(name)
	if len(ext) < 2 || len(ext) == len(name) {
		return name, ""
	}
	return strings.TrimSuffix(name, ext), Parse(ext)
}
