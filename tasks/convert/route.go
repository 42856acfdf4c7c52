package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine/param"
)

// Route is a way from one format to another: one offer, or up to three, each of which reads what the one before it made.
type Route []Offer

// From is what the route reads.
func (r Route) From() Format { return r[0].Pair.From }

// To is what the route makes.
func (r Route) To() Format { return r[len(r)-1].Pair.To }

// Engine is the name of the engine that reads the input: it stands for the whole route.
func (r Route) Engine() string { return r[0].Engine.Name() }

// Version is that of Engine.
func (r Route) Version() string { return r[0].Engine.Version() }

// Options are what any of the steps obeys.
func (r Route) Options() []param.Field {
	var all []param.Field
	for _, o := range r {
		for _, f := range o.Pair.Options {
			if !slices.ContainsFunc(all, func(known param.Field) bool { return known.Name == f.Name }) {
				all = append(all, f)
			}
		}
	}
	if all == nil {
		all = []param.Field{} // none, where nil would mean those of the operation
	}
	return all
}

// String tells the steps to a person: "docx to pdf by libreoffice 7.4.7, pdf to png by pdfium 2.1".
func (r Route) String() string {
	steps := make([]string, len(r))
	for i, o := range r {
		steps[i] = fmt.Sprintf("%s to %s by %s %s", o.Pair.From, o.Pair.To, o.Engine.Name(), o.Engine.Version())
	}
	return strings.Join(steps, ", ")
}

// maxSteps is how many engines may work one after the other.
const maxSteps = 3

// pictures are what a drawn page or a picture can become without losing what it is.
var pictures = []Format{"jpg", "png", "webp", "tiff", "gif", "bmp", "avif", "jxl", "heic", "ico", "psd", "eps", "ps", "svg", "jp2",
	"tga", "ppm", "pcx", "xpm", "odg"}

// fontFiles become SVG files that hold letters and no drawing.
var fontFiles = []Format{"eot", "otf", "ttf", "woff", "woff2"}

// via lists the formats that may stand in the middle of a route, best first, with what may follow each of them. Each keeps
// what the following one needs; without the list every format could become every other, by way of losing nearly all.
var via = []struct {
	format Format
	to     []Format
}{
	{"pdf", append([]Format{"txt", "html"}, pictures...)},
	{"svg", append([]Format{"pdf", "emf", "wmf"}, pictures...)},
	{"png", append([]Format{"pdf"}, pictures...)},
	{"docx", []Format{"md", "rst", "txt", "html", "epub", "odt", "tex", "rtf", "org", "textile", "mediawiki", "adoc", "doc"}},
	{"html", []Format{"pdf", "md", "docx", "odt", "txt", "rst", "epub"}},
	{"epub", []Format{"mobi", "azw3", "azw", "fb2", "lit", "lrf", "pdb", "rb", "snb", "tcr", "htmlz", "txtz", "oeb"}},
	{"xlsx", []Format{"csv", "json", "html", "ods"}},
	{"tar", []Format{"zip", "tar.gz", "tar.bz2", "tar.zst", "7z"}},
	{"ttf", []Format{"eot", "otf", "woff", "woff2", "svg"}},
}

// chain adds a route over other formats wherever there is no direct one: the shortest, of equal ones that over the better
// format in the middle.
func (c *Catalog) chain() {
	for range maxSteps - 1 {
		found := map[leg]Route{}
		for _, from := range c.froms() {
			for _, v := range via {
				before := c.routes[leg{from, v.format}]
				if from == v.format || len(before) == 0 || v.format == "svg" && slices.Contains(fontFiles, from) {
					continue
				}
				for _, to := range v.to {
					key := leg{from, to}
					last := c.offers[leg{v.format, to}]
					if from == to || len(c.routes[key]) > 0 || len(last) == 0 || found[key] != nil {
						continue
					}
					found[key] = append(slices.Clone(before[0]), last[0])
				}
			}
		}
		for key, route := range found {
			c.routes[key] = []Route{route}
		}
	}
}
