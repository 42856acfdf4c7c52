package vector

import (
	"bytes"
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

// builtin are drawn with where the machine has no font that is asked for: Latin, Greek and Cyrillic.
var builtin = [][]byte{goregular.TTF, gobold.TTF, goitalic.TTF, gobolditalic.TTF, gomono.TTF}

// folders are where systems keep their fonts.
var folders = []string{"/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts", `C:\Windows\Fonts`}

// maxFonts bounds the bytes of the fonts handed to one drawing.
const maxFonts = 32 << 20

// maxNamed is how far into a drawing the names of families are looked for.
const maxNamed = 1 << 20

// generic are the families that stand for the names of CSS, the first that is there.
var generic = map[string][]string{
	"sansSerifFamily": {"Liberation Sans", "DejaVu Sans", "Noto Sans", "Arial", "Helvetica", "Go"},
	"serifFamily":     {"Liberation Serif", "DejaVu Serif", "Noto Serif", "Times New Roman", "Times", "Go"},
	"monospaceFamily": {"Liberation Mono", "DejaVu Sans Mono", "Noto Sans Mono", "Courier New", "Courier", "Go Mono"},
}

// fontIndex knows which files of the machine hold which family. It looks at them once, when it is first asked.
type fontIndex struct {
	once     sync.Once
	families map[string][]string // by name: paths
}

func (x *fontIndex) read() {
	x.families = map[string][]string{}
	for _, folder := range folders {
		filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() && entry.Type()&fs.ModeSymlink == 0 {
				return nil // what cannot be read has no fonts for us
			}
			switch strings.ToLower(filepath.Ext(path)) {
			case ".ttf", ".otf", ".ttc", ".otc":
				for _, family := range familiesOf(path) {
					x.families[family] = append(x.families[family], path)
				}
			}
			return nil
		})
	}
}

func familiesOf(path string) (families []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	c, err := sfnt.ParseCollectionReaderAt(f)
	if err != nil {
		return nil
	}
	for i := range c.NumFonts() {
		if font, err := c.Font(i); err == nil {
			name, _ := font.Name(nil, sfnt.NameIDTypographicFamily)
			if name == "" {
				name, _ = font.Name(nil, sfnt.NameIDFamily)
			}
			if name != "" && !slices.Contains(families, name) {
				families = append(families, name)
			}
		}
	}
	return families
}

// of returns the fonts for a drawing with text, and which families stand for the generic ones: those that it names, then the
// generic ones, within maxFonts, then what is built in.
func (x *fontIndex) of(drawing []byte) (fonts list, names map[string]string) {
	if !bytes.Contains(drawing, []byte("text")) {
		return nil, nil
	}
	x.once.Do(x.read)
	drawing = drawing[:min(len(drawing), maxNamed)]
	var wanted []string
	for family := range x.families {
		if bytes.Contains(drawing, []byte(family)) {
			wanted = append(wanted, family)
		}
	}
	slices.SortFunc(wanted, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	names = map[string]string{}
	for key, families := range generic {
		i := slices.IndexFunc(families, func(f string) bool { return len(x.families[f]) > 0 || strings.HasPrefix(f, "Go") })
		names[key] = families[i]
	}
	for _, key := range []string{"sansSerifFamily", "serifFamily", "monospaceFamily"} {
		wanted = append(wanted, names[key])
	}
	names["defaultFontFamily"] = names["sansSerifFamily"]
	var read []string
	size := 0
	for _, family := range wanted {
		for _, path := range x.families[family] {
			info, err := os.Stat(path)
			if err != nil || slices.Contains(read, path) || size+int(info.Size()) > maxFonts {
				continue
			}
			if content, err := os.ReadFile(path); err == nil {
				fonts, read, size = append(fonts, content), append(read, path), size+len(content)
			}
		}
	}
	return append(fonts, builtin...), names
}
