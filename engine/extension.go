package engine

import "strings"

// Extension returns the usual extension of a media type, with its dot, or nothing. The tables of the machine are not asked:
// they differ, and know ".jfif" before ".jpg".
func Extension(mediaType string) string {
	base, _, _ := strings.Cut(mediaType, ";")
	return extensions[strings.TrimSpace(base)]
}

var extensions = map[string]string{
	"application/pdf": ".pdf", "application/zip": ".zip", "application/gzip": ".gz", "application/json": ".json",
	"application/rtf": ".rtf", "text/rtf": ".rtf", "application/postscript": ".ps", "application/epub+zip": ".epub",
	"application/x-7z-compressed": ".7z", "application/x-tar": ".tar", "application/x-rar-compressed": ".rar",
	"application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   ".docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         ".xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
	"application/vnd.oasis.opendocument.text":                                   ".odt",
	"application/vnd.oasis.opendocument.spreadsheet":                            ".ods",
	"application/vnd.oasis.opendocument.presentation":                           ".odp",
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "image/tiff": ".tiff",
	"image/bmp": ".bmp", "image/svg+xml": ".svg", "image/heic": ".heic", "image/avif": ".avif",
	"audio/mpeg": ".mp3", "audio/wav": ".wav", "audio/ogg": ".ogg", "audio/flac": ".flac", "audio/mp4": ".m4a",
	"video/mp4": ".mp4", "video/webm": ".webm", "video/quicktime": ".mov", "video/x-matroska": ".mkv",
	"text/html": ".html", "text/plain": ".txt", "text/csv": ".csv", "text/xml": ".xml", "application/xml": ".xml",
	"text/markdown": ".md",
}
