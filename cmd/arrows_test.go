package cmd_test

import (
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/gantry-engine/gantry"

// arrows says which folder may import which folders of ours. A folder of its own name counts before a pattern; * is one name.
var arrows = map[string][]string{
	"cmd":                    {"*", "*/*", "*/*/*", "*/*/*/*"},
	"cmd/bench":              {"*", "*/*", "*/*/*", "*/*/*/*"},
	"cmd/gantry":             {"cmd"},
	"engine":                 {"engine/param", "engine/egress"},
	"engine/param":           {},
	"engine/egress":          {"engine"},
	"engine/link":            {"engine"},
	"engine/zipfile":         {"engine"},
	"engine/*":               {"engine", "engine/*"},
	"exporters":              {"engine", "engine/param", "engine/egress"},
	"exporters/*":            {"exporters", "engine", "engine/param", "engine/egress"},
	"exporters/all":          {"exporters", "exporters/*"},
	"tasks/*":                {"engine", "engine/param", "engine/egress", "engine/zipfile", "tasks/toolbox", "tasks/convert", "tasks/convert/filetype", "tasks/convert/pixels", "tasks/pdf"},
	"tasks/archive":          {"engine", "engine/param", "engine/zipfile", "tasks/convert", "tasks/convert/filetype", "tasks/convert/packing"},
	"tasks/capture":          {"engine", "engine/param", "engine/egress", "tasks/toolbox", "tasks/convert", "tasks/convert/chrome"},
	"tasks/imports":          {"engine", "engine/param", "engine/egress", "engine/zipfile", "exporters"},
	"tasks/export":           {"engine", "engine/param", "engine/egress", "engine/zipfile", "exporters"},
	"tasks/optimize":         {"engine", "engine/param", "engine/egress", "engine/zipfile", "tasks/toolbox", "tasks/convert", "tasks/convert/filetype", "tasks/convert/pixels", "tasks/pdf", "tasks/convert/pdftools"},
	"tasks/pdf":              {"engine", "engine/param", "engine/egress", "engine/zipfile", "tasks/toolbox", "tasks/convert", "tasks/convert/filetype", "tasks/convert/pdftools"},
	"tasks/watermark":        {"engine", "engine/param", "engine/egress", "engine/zipfile", "tasks/toolbox", "tasks/convert", "tasks/convert/filetype", "tasks/convert/pixels", "tasks/pdf", "tasks/convert/media"},
	"tasks/toolbox":          {"engine", "engine/egress", "tasks/toolbox/launcher"},
	"tasks/all":              {"engine", "tasks/*", "tasks/convert/*"},
	"api":                    {"engine", "engine/param", "engine/egress", "engine/link"},
	"api/*":                  {"api", "api/*", "engine", "engine/param", "engine/egress", "engine/link"},
	"api/downloads/*":        {"engine"},
	"api/apitest":            {"api", "api/downloads", "engine", "engine/enginetest", "engine/link"},
	"tasks/*/*":              {},
	"tasks/convert/*":        {"engine", "engine/param", "tasks/convert", "tasks/convert/filetype", "tasks/convert/pixels", "tasks/convert/picture", "tasks/convert/wasm", "tasks/toolbox"},
	"tasks/convert/chrome":   {"engine", "engine/param", "tasks/convert", "tasks/convert/picture", "tasks/convert/plain", "tasks/toolbox"},
	"tasks/convert/plain":    {"engine", "tasks/convert", "tasks/convert/charset", "tasks/convert/filetype", "tasks/convert/picture"},
	"tasks/convert/embedded": {"tasks/convert", "tasks/convert/*"},
	"tasks/convert/packing":  {"engine", "tasks/convert", "tasks/convert/filetype", "tasks/convert/inflate"},
	"tasks/convert/sheet":    {"engine", "tasks/convert", "tasks/convert/charset", "tasks/convert/inflate"},
	"tasks/convert/ebook":    {"engine", "tasks/convert", "tasks/convert/packing", "tasks/toolbox"},
	"tasks/convert/packed":   {"engine", "tasks/convert", "tasks/convert/filetype", "tasks/convert/packing", "tasks/toolbox"},
	"tasks/convert/charset":  {"tasks/convert/filetype"},
	"tasks/convert/filetype": {"engine", "tasks/convert/inflate"},
	"tasks/convert/inflate":  {"engine"},
	"tasks/convert/pixels":   {"engine", "tasks/convert/filetype"},
	"tasks/convert/*test":    {"engine", "engine/enginetest", "tasks/convert", "tasks/toolbox"},
	"tasks/convert/*/*":      {},
	"exporters/*/*":          {"exporters", "engine"},
	"engine/enginetest":      {"engine", "engine/*"},
	"engine/riverqueue":      {"engine", "engine/*"},
	"exporters/exportertest": {"exporters", "engine", "engine/*"},
}

// TestArrowsPointDown holds every import of ours against the table.
func TestArrowsPointDown(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from := strings.TrimPrefix(words[0], module+"/")
		allowed, ok := rule(from)
		if !ok {
			t.Errorf("%s is not in the table of arrows", from)
			continue
		}
		for _, imported := range words[1:] {
			to, ours := strings.CutPrefix(imported, module+"/")
			if ours && !fits(allowed, to) && !strings.HasPrefix(to, from+"/") { // its own parts are its own affair
				t.Errorf("%s imports %s", from, to)
			}
		}
	}
}

func rule(folder string) (allowed []string, ok bool) {
	if allowed, ok = arrows[folder]; ok {
		return allowed, true
	}
	best := ""
	for pattern := range arrows {
		if fit, _ := path.Match(pattern, folder); fit && len(pattern) > len(best) {
			best = pattern // the longest says most
		}
	}
	return arrows[best], best != ""
}

func fits(patterns []string, folder string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, folder); ok {
			return true
		}
	}
	return false
}
