package engine_test

import (
	"testing"

	"github.com/gantry-engine/gantry/engine"
)

func TestActive(t *testing.T) {
	active := []string{
		"text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml",
		"application/xslt+xml", "text/xsl", "application/rss+xml", "application/mathml+xml", "application/xml-dtd",
		"message/rfc822", "multipart/related", "application/x-mimearchive", "text/javascript", "application/javascript",
		"application/ecmascript", "application/x-javascript", "text/vbscript", "application/wasm", "application/hta",
		"application/x-shockwave-flash", "text/css", "text/unheard-of", "application/vnd.wap.xhtml+xml",
	}
	inert := []string{
		"", "nonsense", "text/plain", "text/plain; charset=iso-8859-1", "text/csv", "application/json", "application/pdf",
		"image/png", "image/jpeg", "video/mp4", "audio/mpeg", "application/zip", "application/postscript",
		"application/octet-stream", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	}
	for _, mediaType := range active {
		if !engine.Active(mediaType) {
			t.Errorf("Active(%q) = false, want true", mediaType)
		}
	}
	for _, mediaType := range inert {
		if engine.Active(mediaType) {
			t.Errorf("Active(%q) = true, want false", mediaType)
		}
	}
}
