package all_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// What the formats are, as far as what is looked at goes.
var (
	bitmaps = []convert.Format{"jpg", "png", "gif", "bmp", "tiff", "webp", "heic", "avif", "jxl", "jp2", "psd", "tga", "ppm", "pgm", "pbm",
		"pcx", "xpm", "sgi", "ras", "dds", "dpx", "cin", "fits", "hdr", "pict", "wbmp"}
	drawings = []convert.Format{"svg", "svgz", "eps", "ps", "emf", "wmf", "odg", "otg", "fodg", "dxf", "ai"}
	packages = []convert.Format{"zip", "tar", "tar.gz", "tar.bz2", "tar.zst", "7z"}
	fonts    = []convert.Format{"ttf", "otf", "woff", "woff2"}
	written  = []convert.Format{"txt", "md", "rst", "html", "tex", "org", "textile", "mediawiki", "adoc", "csv", "tsv", "json", "docx",
		"docm", "dotx", "odt", "ott", "fodt", "rtf", "doc", "dot", "epub", "fb2", "htmlz", "txtz", "oeb", "xlsx", "xlsm", "xltx", "ods",
		"ots", "fods", "slk", "dif", "pptx", "odp", "otp", "fodp"}
	heard = []convert.Format{"mp3", "wav", "flac", "ogg", "oga", "opus", "m4a", "aiff", "wma", "au", "caf", "mka", "weba", "w64", "mp4",
		"mov", "mkv", "webm", "avi", "wmv", "flv", "m4v", "3gp", "3g2", "mpeg", "ogv", "mxf"}
)

// kept are the facts about a sample that hold for what a way makes of it.
func kept(s sample, r convert.Route) (f facts) {
	over := []convert.Format{r.From()}
	for _, o := range r {
		over = append(over, o.Pair.To)
	}
	all := func(kinds ...[]convert.Format) bool {
		return !slices.ContainsFunc(over, func(f convert.Format) bool { return !slices.Contains(slices.Concat(kinds...), f) })
	}
	if !slices.ContainsFunc(over, func(f convert.Format) bool { return slices.Contains(slices.Concat(bitmaps, drawings), f) }) {
		f.word = s.word
	}
	switch {
	case all(bitmaps):
		f.size = s.size
	case all(heard):
		f.seconds = s.seconds
	case s.member != "":
		f.member = s.member
	}
	f.from = r[len(r)-1].Pair.From
	return f
}

// look has a second program open the file, and tells what is wrong.
func (s sample) look(t *testing.T) string {
	switch {
	case s.format == "pdf":
		return s.lookPDF(t)
	case slices.Contains(bitmaps, s.format):
		return s.lookPicture(t)
	case slices.Contains(heard, s.format):
		return s.lookMedia(t)
	case slices.Contains(packages, s.format):
		return s.lookPackage(t)
	case slices.Contains(fonts, s.format):
		return s.says(t, ".", "fc-scan", "--format", "%{family}", s.path)
	case s.format == "svg" && slices.Contains(fonts, s.from):
		return s.says(t, "SVG", "file", "--brief", s.path)
	case s.format == "svg" || s.format == "svgz":
		return s.says(t, "PNG", "rsvg-convert", s.path)
	case s.format == "eps" || s.format == "ps":
		return s.says(t, "", "gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=nullpage", s.path)
	case slices.Contains(written, s.format) && s.word != "":
		return s.lookWord(t)
	}
	if fault := s.says(t, ".", "file", "--brief", s.path); fault != "" {
		return fault
	}
	return ""
}

// says runs a program, and looks for a pattern in what it prints.
func (s sample) says(t *testing.T, pattern string, program string, args ...string) string {
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v: %.300s", program, err, out)
	}
	if !regexp.MustCompile(pattern).Match(out) {
		return fmt.Sprintf("%s says %.300q, want %s", program, out, pattern)
	}
	return ""
}

func (s sample) lookPDF(t *testing.T) string {
	if fault := s.says(t, `Pages:\s+[1-9]`, "pdfinfo", s.path); fault != "" || s.word == "" {
		return fault
	}
	return s.says(t, s.word, "pdftotext", s.path, "-")
}

// lookPicture asks the first program that knows the format for the picture's size.
func (s sample) lookPicture(t *testing.T) string {
	var said []string
	for _, c := range [][]string{
		{"gm", "identify", "-format", "%w %h\n", s.path}, {"vipsheader", "-f", "width", s.path},
		{"identify", "-format", "%w %h\n", s.path}, {"ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0:s=\\ ", s.path},
	} {
		out, err := exec.CommandContext(t.Context(), c[0], c[1:]...).Output()
		var got image.Point
		if n, _ := fmt.Sscan(string(out), &got.X, &got.Y); err != nil || n == 0 {
			said = append(said, fmt.Sprintf("%s: %v", c[0], err))
			continue
		}
		if s.size != (image.Point{}) && (got.X != s.size.X || got.Y != s.size.Y && got.Y != 0) {
			return fmt.Sprintf("%s says it is %v, want %v", c[0], got, s.size)
		}
		return ""
	}
	return "no program reads it: " + strings.Join(said, ", ")
}

// lookMedia compares the duration, where the format states one.
func (s sample) lookMedia(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), "mediainfo", "--Output=General;%Format%|%Duration%", s.path).Output()
	if err != nil {
		return fmt.Sprintf("mediainfo: %v", err)
	}
	format, duration, _ := strings.Cut(strings.TrimSpace(string(out)), "|")
	if format == "" {
		return "mediainfo does not know what it is"
	}
	milliseconds, err := strconv.ParseFloat(duration, 64)
	if err == nil && s.seconds > 0 && math.Abs(milliseconds/1000-s.seconds) > 0.6 {
		return fmt.Sprintf("mediainfo says it takes %s ms, want %v s", duration, s.seconds)
	}
	return ""
}

func (s sample) lookPackage(t *testing.T) string {
	pattern := regexp.QuoteMeta(s.member)
	switch s.format {
	case "zip":
		return s.says(t, pattern, "unzip", "-l", s.path)
	case "7z":
		return s.says(t, pattern, "7z", "l", "-t7z", s.path)
	}
	return s.says(t, pattern, "tar", "tf", s.path)
}

// lookWord finds the word in the bytes, as ASCII or UTF-16, or in those of the members of a ZIP.
func (s sample) lookWord(t *testing.T) string {
	content, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if z, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil {
		for _, f := range z.File {
			if r, err := f.Open(); err == nil {
				more, _ := io.ReadAll(r)
				content = append(content, more...)
			}
		}
	}
	var wide []byte
	for _, u := range utf16.Encode([]rune(s.word)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	if !bytes.Contains(content, []byte(s.word)) && !bytes.Contains(content, wide) {
		return "the word is not in it"
	}
	return ""
}
