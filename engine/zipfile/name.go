package zipfile

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Clean returns name as a relative path that is safe to extract on every system, and "file" when nothing is left of
// it. Slash and backslash separate folders. Segments that are empty or only dots go away, and so do spaces and dots
// at a segment's end, control characters and marks that turn the direction of writing. Colons and characters that
// merely look like a separator become "_", and bytes that are not UTF-8 become U+FFFD. Clean(Clean(name)) is
// Clean(name).
func Clean(name string) string {
	name = strings.Map(safeRune, strings.ToValidUTF8(name, string(utf8.RuneError)))
	var kept []string
	for segment := range strings.SplitSeq(name, "/") {
		segment = strings.TrimRight(segment, ". ") // Windows drops them too, and may so make ".." of "..."
		// The compatibility form turns full-width dots and leaders into the dots that some systems make of them.
		if strings.Trim(norm.NFKC.String(segment), ". ") != "" {
			kept = append(kept, segment)
		}
	}
	if len(kept) == 0 {
		return "file"
	}
	return strings.Join(kept, "/")
}

func safeRune(r rune) rune {
	switch {
	case r == '\\':
		return '/'
	case r == ':': // drive letters and alternate streams
		return '_'
	case strings.ContainsRune("／＼∕⁄⧸⧹∖⧵﹨", r):
		return '_'
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
		return -1
	}
	return r
}

// Unique returns names with the repeated ones numbered: "a (2).pdf". The first of several keeps its name, and no
// number yields a name that is already there. Names that differ only by letter case or Unicode normal form are the
// same, as they are on some systems; and a name that is also a folder of another is taken by the folder. The result
// depends on names and their order alone.
func Unique(names []string) []string {
	keys, taken := make([]string, len(names)), make(map[string]bool, len(names))
	for i, name := range names {
		keys[i] = fold(name)
		for folder := path.Dir(keys[i]); folder != "." && folder != "/" && !taken[folder]; folder = path.Dir(folder) {
			taken[folder] = true
		}
	}
	unique, again := make([]string, len(names)), []int(nil)
	for i, name := range names {
		if taken[keys[i]] {
			again = append(again, i)
			continue
		}
		taken[keys[i]], unique[i] = true, name
	}
	last := map[string]int{} // the last number tried, or many equal names would take quadratic time
	for _, i := range again {
		number := max(2, last[keys[i]]+1)
		for taken[fold(numbered(names[i], number))] {
			number++
		}
		unique[i], last[keys[i]] = numbered(names[i], number), number
		taken[fold(unique[i])] = true
	}
	return unique
}

// numbered puts the number before the extension. A name that begins with its only dot has none.
func numbered(name string, number int) string {
	extension := path.Ext(name)
	stem := strings.TrimSuffix(name, extension)
	if stem == "" || strings.HasSuffix(stem, "/") {
		stem, extension = name, ""
	}
	return fmt.Sprintf("%s (%d)%s", stem, number, extension)
}

// fold returns the same text for all names that a system might take for one.
func fold(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	// Folding can undo the normal form, so it comes before as well as after.
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}
