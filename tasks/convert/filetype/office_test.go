package filetype_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// compound is a file of Microsoft's compound format with empty streams of these names: header, table, directory.
func compound(streams ...string) string {
	file := make([]byte, 512*3)
	copy(file, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	put := func(at int, n uint32) { binary.LittleEndian.PutUint32(file[at:], n) }
	put(24, 3<<16|0x3e)
	put(30, 9)
	put(44, 1)
	put(48, 1) // the directory is the second sector
	put(76, 0) // the table is the first
	put(512, 0xfffffffd)
	put(516, 0xfffffffe)
	for i, name := range append([]string{"Root Entry"}, streams...) {
		entry := file[1024+128*i:]
		for j, unit := range utf16.Encode([]rune(name)) {
			binary.LittleEndian.PutUint16(entry[2*j:], unit)
		}
		binary.LittleEndian.PutUint16(entry[64:], uint16(2*len(name)+2))
	}
	return string(file)
}

// typed is a ZIP whose first member says what it is.
func typed(mime string) string { return converttest.StoredZIP([2]string{"mimetype", mime}) }

// manifest is a ZIP whose list of parts says what it is.
func manifest(mime string) string {
	return converttest.ZIP([2]string{"META-INF/manifest.xml", `<!DOCTYPE manifest:manifest PUBLIC "-//O" "Manifest.dtd">` +
		`<manifest:manifest xmlns:manifest="http://openoffice.org/2001/manifest"><manifest:file-entry manifest:media-type="image/png" ` +
		`manifest:full-path="a.png"/><manifest:file-entry manifest:media-type="` + mime + `" manifest:full-path="/"/></manifest:manifest>`})
}

// packaged is a ZIP of Microsoft's whose list of types speaks of a main part.
func packaged(kind string) string {
	return converttest.ZIP([2]string{
		"[Content_Types].xml", `<Types><Override PartName="/x" ContentType="application/` + kind + `"/></Types>`,
	})
}

func locked(t *testing.T) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	var b bytes.Buffer
	if err := f.Write(&b, excelize.Options{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func flat(kind string) string {
	return `<?xml version="1.0"?><!-- a --><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" ` +
		`office:mimetype="application/vnd.oasis.opendocument.` + kind + `"/>`
}

func TestDetectOffice(t *testing.T) {
	pages := converttest.ZIP([2]string{"Index/Document.iwa"})
	for _, c := range []struct {
		name, content string
		want          filetype.Format
	}{
		{"a.doc", compound("WordDocument"), "doc"}, {"a", compound("x", "WordDocument"), "doc"},
		{"a.xls", compound("WordDocument"), "doc"}, {"a.dot", compound("WordDocument"), "dot"},
		{"a.xls", compound("Workbook"), "xls"}, {"a.xlt", compound("Book"), "xlt"}, {"a.pps", compound("PowerPoint Document"), "pps"},
		{"a.ppt", compound("PowerPoint Document"), "ppt"}, {"a.vsd", compound("VisioDocument"), "vsd"},
		{"a.xlsx", locked(t), "xlsx"}, {"a.pptm", compound("EncryptedPackage"), "pptm"}, {"a", compound("EncryptedPackage"), "docx"},
		{"a.zip", packaged("vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml"), "dotx"},
		{"a.docx", packaged("vnd.ms-word.document.macroEnabled.main+xml"), "docm"},
		{"a.xlsx", packaged("vnd.ms-excel.sheet.macroEnabled.main+xml"), "xlsm"},
		{"a.pptx", packaged("vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml"), "ppsx"},
		{"a.vsdx", packaged("vnd.ms-visio.drawing.main+xml"), "vsdx"},
		{"a.odt", typed("application/vnd.oasis.opendocument.text-template"), "ott"},
		{"a", typed("application/vnd.sun.xml.impress"), "sxi"},
		{"packed again.epub", converttest.ZIP([2]string{"a", "b"}, [2]string{"mimetype", "application/epub+zip\n"}), "epub"},
		{"without a type.epub", converttest.ZIP([2]string{"META-INF/container.xml", `<rootfile media-type="application/oebps-package+xml"/>`}), "epub"},
		{"without a type.sxd", manifest("application/vnd.sun.xml.draw"), "sxd"}, {"a.zip", manifest("text/plain"), "zip"},
		{"a.pages", pages, "pages"}, {"a.key", pages, "key"}, {"a.zip", pages, "zip"},
		{"a.cbz", plainZIP, "cbz"}, {"a.cbr", "Rar!\x1a\x07\x00", "cbr"},
		{"a.odt", flat("text"), "fodt"}, {"a.xml", flat("spreadsheet"), "fods"}, {"a", flat("graphics"), "fodg"},
		{"a.xml", `<?xml version="1.0"?><FictionBook xmlns="x">`, "fb2"}, {"a.xml", `<?xml version="1.0"?><a/>`, "xml"},
		{"a.doc", "{\\rtf1 x}", "rtf"}, {"a.doc", "<!DOCTYPE html><p>x", "html"},
		{"a.wpd", "\xffWPC\x10\x00\x00\x00", "wpd"}, {"a.azw3", strings.Repeat("\x00", 60) + "BOOKMOBI\x00\x00", "azw3"},
	} {
		t.Run(c.name+" "+string(c.want), func(t *testing.T) {
			got, err := filetype.Detect(strings.NewReader(c.content), int64(len(c.content)), c.name)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestDetectRefusesGarbageNamedOffice(t *testing.T) {
	for _, name := range []string{
		"a.docx", "a.doc", "a.odt", "a.xls", "a.pptx", "a.vsd", "a.fodt", "a.pages", "a.wpd", "a.mobi", "a.pdf", "a.rtf", "a.dotm",
	} {
		for _, content := range []string{"hello", "\x00\x01\x02\xff\xfe", compound("x")[:600]} {
			if got, err := filetype.Detect(strings.NewReader(content), int64(len(content)), name); !converttest.Refusal(err) {
				t.Errorf("%s with %.5q: got %q, %v, want a refusal", name, content, got, err)
			}
		}
	}
}

func TestDetectRefusesBrokenZIPs(t *testing.T) {
	half := packaged("vnd.ms-visio.drawing.main+xml")[:60]
	for _, name := range []string{"a.docx", "a.odt", "a.epub", "a.vsdx", "a.cbz"} {
		_, err := filetype.Detect(strings.NewReader(half), int64(len(half)), name)
		if !converttest.Refusal(err) || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: got %v, want that it is damaged", name, err)
		}
	}
}
