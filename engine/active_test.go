package engine_test

import (
	"strings"
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

func TestRunsScript(t *testing.T) {
	filler := strings.Repeat("\x93/JS/JSON \xff", 200_000) // over 2 MiB that hold no script
	tests := map[string]struct {
		pdf  string
		want bool
	}{
		"none":             {"%PDF-1.7 << /Type /Catalog >>" + filler, false},
		"name tree":        {"<< /Names << /JavaScript 5 0 R >> >>", true},
		"action":           {"<< /S /JavaScript >>" + filler, true},
		"at the end":       {filler + "<< /JS (x) >>", true},
		"by reference":     {"/JS 12 0 R", true},
		"hexadecimal":      {"/JS<6170>", true},
		"action on open":   {"/OpenAction 3 0 R", true},
		"page to begin at": {"/OpenAction [3 0 R /Fit]", false},
		"empty":            {"", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := engine.RunsScript("application/pdf", strings.NewReader(test.pdf), int64(len(test.pdf)))
			if got != test.want || err != nil {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
}
