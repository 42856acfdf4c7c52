package plain

import (
	"strings"
	"unicode"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

// face is how a run of text looks.
type face struct {
	family string // "go" or "gomono"
	style  string // "", "B", "I" or "BI", as the PDF writer wants it
	size   float64
	link   string
}

func (f face) bold() face {
	f.style = map[string]string{"": "B", "I": "BI", "B": "B", "BI": "BI"}[f.style]
	return f
}

func (f face) italic() face {
	f.style = map[string]string{"": "I", "B": "BI", "I": "I", "BI": "BI"}[f.style]
	return f
}

// fonts are the Go fonts, by family and style. They hold Latin, Greek and Cyrillic.
var fonts = map[string][]byte{
	"go": goregular.TTF, "goB": gobold.TTF, "goI": goitalic.TTF, "goBI": gobolditalic.TTF,
	"gomono": gomono.TTF, "gomonoB": gomonobold.TTF, "gomonoI": gomonoitalic.TTF, "gomonoBI": gomonobolditalic.TTF,
}

// coverage knows which characters the fonts can show.
type coverage struct {
	font  *sfnt.Font
	known map[rune]bool
}

func newCoverage() (*coverage, error) {
	f, err := sfnt.Parse(gomono.TTF)
	return &coverage{font: f, known: map[rune]bool{'\n': true, ' ': true}}, err
}

// replacement stands visibly for a character that the fonts lack.
const replacement = '□'

// printable composes accents, which the fonts hold only composed, turns control characters into spaces and replaces
// what the fonts lack.
func (c *coverage) printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u00ad' || r == '\u200b' || r == '\ufeff':
			return -1
		case r == '\u00a0':
			return ' '
		case r < 0x80 && !unicode.IsControl(r) || r == '\n':
			return r
		case unicode.IsControl(r):
			return ' '
		case c.has(r):
			return r
		}
		return replacement
	}, norm.NFC.String(s))
}

func (c *coverage) has(r rune) bool {
	have, ok := c.known[r]
	if !ok {
		glyph, err := c.font.GlyphIndex(nil, r)
		have = err == nil && glyph != 0 && r < 0x10000
		c.known[r] = have
	}
	return have
}
