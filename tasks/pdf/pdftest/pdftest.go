// Package pdftest makes PDF files for the tests of all that reads them.
package pdftest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
)

// Pages returns a PDF whose pages say "page 1", "page 2" and so on, with a link from each to the first.
func Pages(t testing.TB, count int) []byte {
	t.Helper()
	d := fpdf.New("P", "pt", "A4", "")
	d.SetFont("Helvetica", "", 40)
	first := d.AddLink()
	for n := range count {
		d.AddPage()
		if n == 0 {
			d.SetLink(first, 0, 1)
		}
		d.Text(100, 100, fmt.Sprintf("page %d", n+1))
		d.Link(100, 60, 200, 60, first)
	}
	var b bytes.Buffer
	if err := d.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Written returns a PDF of these objects, numbered from 1 on; the first is the catalog.
func Written(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

func deflated(size int) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(make([]byte, size))
	z.Close()
	return b.String()
}

const catalog = "<</Type/Catalog/Pages 2 0 R>>"

// Hostile returns files by what is wrong with them. They must be refused in a sentence, or worked on, but never hang or
// crash anything. Those whose names end in "bomb" are large once unpacked.
func Hostile(t testing.TB) map[string][]byte {
	sound := Pages(t, 3)
	page := "<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>"
	one := "<</Type/Pages/Kids[3 0 R]/Count 1>>"
	deep := []string{catalog}
	for n := range 5000 {
		deep = append(deep, fmt.Sprintf("<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>", n+3, n+1))
	}
	contents, bomb := deflated(8<<20), deflated(130<<20)
	objects := "<</Type/ObjStm/N 1000000/First 16000000/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream"
	return map[string][]byte{
		"empty header":      []byte("%PDF-1.7\n"),
		"truncated":         sound[:len(sound)/2],
		"no trailer":        sound[:len(sound)-200],
		"no pages":          Written(catalog, "<</Type/Pages/Kids[]/Count 0>>"),
		"no tree":           Written("<</Type/Catalog>>"),
		"root is itself":    Written("<</Type/Catalog/Pages 1 0 R>>"),
		"tree of itself":    Written(catalog, "<</Type/Pages/Kids[2 0 R]/Count 1>>"),
		"tree in a circle":  Written(catalog, one, "<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>"),
		"count is a lie":    Written(catalog, "<</Type/Pages/Kids[3 0 R]/Count 2000000000>>", page),
		"negative count":    Written(catalog, "<</Type/Pages/Kids[3 0 R]/Count -1>>", page),
		"kids are numbers":  Written(catalog, "<</Type/Pages/Kids[1 2 3]/Count 3>>"),
		"deep tree":         Written(append(deep, "<</Type/Page/Parent 5001 0 R/MediaBox[0 0 9 9]>>")...),
		"deep nesting":      Written(catalog, one, "<</Type/Page/Parent 2 0 R/X "+strings.Repeat("[", 200_000)+strings.Repeat("]", 200_000)+">>"),
		"huge page":         Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]>>"),
		"page without end":  Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 1e38 1e38]>>"),
		"backwards box":     Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[100 100 0 0]>>"),
		"contents circle":   Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 3 0 R/Resources 3 0 R>>"),
		"reference circle":  Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox 4 0 R>>", "5 0 R", "4 0 R"),
		"length circle":     Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", "<</Length 4 0 R>>\nstream\nx\nendstream"),
		"stream bomb":       Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", fmt.Sprintf("<</Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream", len(contents), contents)),
		"object bomb":       Written(catalog, one, page, fmt.Sprintf(objects, len(bomb), bomb)),
		"script":            Written("<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1:1/'\\))>>>>", one, page),
		"launch":            Written("<</Type/Catalog/Pages 2 0 R/OpenAction<</S/Launch/F(/etc/passwd)>>>>", one, page),
		"external stream":   Written(catalog, one, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", "<</F(/etc/passwd)/FFilter[]/Length 0>>\nstream\n\nendstream"),
		"encrypted badly":   bytes.Replace(Written(catalog, one, page), []byte("/Root"), []byte("/Encrypt<</Filter/Standard/V 5/R 6/P -1>>/Root"), 1),
		"unknown security":  bytes.Replace(Written(catalog, one, page), []byte("/Root"), []byte("/Encrypt<</Filter/Adobe.PubSec/V 4>>/Root"), 1),
		"xref loop":         append(sound, []byte("\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 9/Root 1 0 R/Prev "+fmt.Sprint(len(sound)+1)+">>\nstartxref\n"+fmt.Sprint(len(sound)+1)+"\n%%EOF\n")...),
		"nothing but zeros": append([]byte("%PDF-1.7\n"), make([]byte, 1<<20)...),
	}
}
