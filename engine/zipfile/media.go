package zipfile

import "strings"

// Compressed reports whether files of a media type are compressed already, so that deflating them again costs time
// and saves nothing. Parameters and letter case do not matter. Of an unknown type it reports false.
func Compressed(mime string) bool {
	mime, _, _ = strings.Cut(strings.ToLower(mime), ";")
	mime = strings.TrimSpace(mime)
	family, subtype, _ := strings.Cut(mime, "/")
	switch family {
	case "video":
		return true
	case "audio", "image":
		return subtype != "" && !plainMedia[subtype]
	case "font":
		return subtype == "woff" || subtype == "woff2"
	case "application":
		return isPackage(subtype) || compressedFormats[subtype]
	}
	return false
}

// isPackage reports whether the type is one of the document formats that are ZIP files.
func isPackage(subtype string) bool {
	switch {
	case strings.HasSuffix(subtype, "+zip"), strings.HasSuffix(subtype, "+gzip"):
		return true
	case strings.HasPrefix(subtype, "vnd.ms-"):
		return strings.HasSuffix(subtype, ".macroenabled.12")
	case strings.HasPrefix(subtype, "vnd.oasis.opendocument."):
		return !strings.HasSuffix(subtype, "-flat-xml")
	}
	return strings.HasPrefix(subtype, "vnd.openxmlformats-officedocument.")
}

// plainMedia are the images and sounds that are not compressed, or badly.
var plainMedia = map[string]bool{
	"aiff": true, "basic": true, "l16": true, "l24": true, "midi": true, "vnd.wave": true, "wav": true, "wave": true,
	"x-aiff": true, "x-midi": true, "x-wav": true,

	"bmp": true, "emf": true, "svg+xml": true, "tiff": true, "vnd.adobe.photoshop": true, "vnd.dxf": true,
	"vnd.microsoft.icon": true, "wmf": true, "x-bmp": true, "x-emf": true, "x-icon": true, "x-ms-bmp": true,
	"x-pcx": true, "x-portable-anymap": true, "x-portable-bitmap": true, "x-portable-graymap": true,
	"x-portable-pixmap": true, "x-targa": true, "x-tga": true, "x-wmf": true, "x-xbitmap": true, "x-xcf": true,
	"x-xpixmap": true,
}

var compressedFormats = map[string]bool{
	"font-woff": true, "gzip": true, "java-archive": true, "vnd.android.package-archive": true,
	"vnd.comicbook-rar": true, "vnd.rar": true, "x-7z-compressed": true, "x-brotli": true, "x-bzip": true,
	"x-bzip2": true, "x-compress": true, "x-gzip": true, "x-lz4": true, "x-lzip": true, "x-lzma": true, "x-rar": true,
	"x-rar-compressed": true, "x-xz": true, "x-zip-compressed": true, "zip": true, "zstd": true,
}
