package vector

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/engine"
)

// rootLimit is how far into a file its root element may begin.
const rootLimit = 1 << 20

// Size is the width and height of the SVG at path in CSS pixels: what its root says, or its viewBox, or 300 by 150.
func Size(path string) (width, height float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	d := xml.NewDecoder(io.LimitReader(bufio.NewReader(f), rootLimit))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // the attributes are ASCII
	for {
		token, err := d.Token()
		if err != nil {
			return 0, 0, engine.Wrap(err, engine.Invalid, "The svg file is damaged: it has no root element.")
		}
		if root, ok := token.(xml.StartElement); ok {
			if root.Name.Local != "svg" {
				return 0, 0, engine.Errorf(engine.Invalid, "The svg file is none: its root element is %.20s.", root.Name.Local)
			}
			width, height = rootSize(root)
			return width, height, nil
		}
	}
}

func rootSize(root xml.StartElement) (w, h float64) {
	var box [4]float64
	for _, a := range root.Attr {
		switch a.Name.Local {
		case "width":
			w = length(a.Value)
		case "height":
			h = length(a.Value)
		case "viewBox":
			for i, n := range strings.FieldsFunc(a.Value, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n", r) }) {
				if i < len(box) {
					box[i], _ = strconv.ParseFloat(n, 64)
				}
			}
		}
	}
	hasBox := box[2] > 0 && box[3] > 0
	switch {
	case w > 0 && h > 0:
	case w > 0 && hasBox:
		h = w * box[3] / box[2]
	case h > 0 && hasBox:
		w = h * box[2] / box[3]
	case hasBox:
		w, h = box[2], box[3]
	default:
		w, h = cmp.Or(w, 300), cmp.Or(h, 150)
	}
	return w, h
}

// units are lengths in CSS pixels (CSS 2.1, 4.3.2). A part of what the drawing is put into means nothing here.
var units = map[string]float64{
	"": 1, "px": 1, "pt": 96.0 / 72, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "em": 16, "ex": 8,
}

func length(s string) float64 {
	s = strings.TrimSpace(s)
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz%ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || n <= 0 {
		return 0
	}
	return n * units[strings.ToLower(strings.TrimSpace(s[len(number):]))]
}
