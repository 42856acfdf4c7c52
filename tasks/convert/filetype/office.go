package filetype

import (
	"archive/zip"
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// declared are the types that the member "mimetype" of a ZIP names.
var declared = map[string]Format{
	"application/epub+zip":                                     "epub",
	"application/vnd.oasis.opendocument.text":                  "odt",
	"application/vnd.oasis.opendocument.text-template":         "ott",
	"application/vnd.oasis.opendocument.spreadsheet":           "ods",
	"application/vnd.oasis.opendocument.spreadsheet-template":  "ots",
	"application/vnd.oasis.opendocument.presentation":          "odp",
	"application/vnd.oasis.opendocument.presentation-template": "otp",
	"application/vnd.oasis.opendocument.graphics":              "odg",
	"application/vnd.oasis.opendocument.graphics-template":     "otg",
	"application/vnd.sun.xml.writer":                           "sxw",
	"application/vnd.sun.xml.writer.template":                  "stw",
	"application/vnd.sun.xml.calc":                             "sxc",
	"application/vnd.sun.xml.calc.template":                    "stc",
	"application/vnd.sun.xml.impress":                          "sxi",
	"application/vnd.sun.xml.impress.template":                 "sti",
	"application/vnd.sun.xml.draw":                             "sxd",
	"application/vnd.sun.xml.draw.template":                    "std",
	"application/x-vnd.oasis.opendocument.text":                "odt",
	"application/x-vnd.oasis.opendocument.spreadsheet":         "ods",
	"application/x-vnd.oasis.opendocument.presentation":        "odp",
	"application/x-vnd.oasis.opendocument.graphics":            "odg",
}

// openXML are the types of the main part of Microsoft's ZIP formats, without what all share.
var openXML = []struct {
	mark   string
	format Format
}{
	{"wordprocessingml.document.main+xml", "docx"},
	{"wordprocessingml.template.main+xml", "dotx"},
	{"ms-word.document.macroEnabled.main+xml", "docm"},
	{"ms-word.template.macroEnabledTemplate.main+xml", "dotm"},
	{"spreadsheetml.sheet.main+xml", "xlsx"},
	{"spreadsheetml.template.main+xml", "xltx"},
	{"ms-excel.sheet.macroEnabled.main+xml", "xlsm"},
	{"ms-excel.template.macroEnabled.main+xml", "xltm"},
	{"ms-excel.sheet.binary.macroEnabled.main", "xlsb"},
	{"presentationml.presentation.main+xml", "pptx"},
	{"presentationml.slideshow.main+xml", "ppsx"},
	{"presentationml.template.main+xml", "potx"},
	{"ms-powerpoint.presentation.macroEnabled.main+xml", "pptm"},
	{"ms-powerpoint.slideshow.macroEnabled.main+xml", "ppsm"},
	{"ms-powerpoint.template.macroEnabled.main+xml", "potm"},
	{"ms-visio.drawing.main+xml", "vsdx"},
	{"ms-visio.drawing.macroEnabled.main+xml", "vsdm"},
}

// openXMLKind reads which of Microsoft's ZIP formats the list of types in z speaks of, or "".
func openXMLKind(z *zip.Reader) Format {
	types := part(z, "[Content_Types].xml", 1<<20)
	for _, kind := range openXML {
		if bytes.Contains(types, []byte(kind.mark)) {
			return kind.format
		}
	}
	return ""
}

// namedZIPs are formats that are a ZIP of this or that, told by their names alone.
var namedZIPs = []Format{"cbz", "cbc", "htmlz", "txtz", "oeb"}

// applePackage tells Apple's office formats, which differ in their names only.
func applePackage(has func(func(string) bool) bool, claimed Format) Format {
	if !slices.Contains([]Format{"pages", "numbers", "key"}, claimed) {
		return ""
	}
	if has(func(n string) bool {
		return n == "Index/Document.iwa" || n == "Index.zip" || n == "index.xml" || n == "index.apxl"
	}) {
		return claimed
	}
	return ""
}

// marks are beginnings of files that mimetype does not know, or under another name.
var marks = []struct {
	mark   string
	format Format
}{
	{"\xffWPC", "wpd"},
	{"\xd7\xcd\xc6\x9a", "wmf"},
	{"WordPro", "lwp"},
	{"HWP Document File V", "hwp"},
	{"ID;P", "slk"},
	{"TABLE\r\n0,1\r\n", "dif"},
	{"TABLE\n0,1\n", "dif"},
	{"L\x00R\x00F\x00", "lrf"},
	{"!!8-Bit!!", "tcr"},
	{"\xb0\x0c\xb0\x0c\x02\x00NUVO", "rb"},
	{"SNBP000", "snb"},
	{"ALZ\x01", "alz"},
	{"\x60\xea", "arj"},
	{"MSCF", "cab"},
	{"LZIP", "lz"},
	{"RZIP", "rz"},
	{"070701", "cpio"},
	{"070702", "cpio"},
	{"070707", "cpio"},
	{"\xc7\x71", "cpio"},
	{"!<arch>\ndebian-binary", "deb"},
	{"\xed\xab\xee\xdb", "rpm"},
}

// eotHeader is how long the header of an Embedded OpenType font is at least.
const eotHeader = 82

// officeMark looks for the marks at a file's start, and for those further in.
func officeMark(head []byte, claimed Format) Format {
	for _, m := range marks {
		if bytes.HasPrefix(head, []byte(m.mark)) {
			return m.format
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x89LZO\x00\r\n\x1a\n")):
		return oneOf(claimed, "lzo", "tar.lzo")
	case bytes.HasPrefix(head, []byte("\x1f\x9d")):
		return oneOf(claimed, "z", "tar.z")
	case len(head) > 7 && string(head[2:5]) == "-lh" && head[6] == '-':
		return "lha"
	case len(head) > eotHeader && string(head[34:36]) == "LP" && bytes.Contains([]byte("\x00\x00\x01|\x01\x00\x02|\x02\x00\x02"), head[8:11]):
		return "eot"
	case len(head) > 0x8006 && string(head[0x8001:0x8006]) == "CD001":
		return oneOf(claimed, "iso", "img")
	case bytes.HasPrefix(head, []byte("%PDF-")) && claimed == "ai":
		return "ai" // since Illustrator 9 a drawing is a PDF
	case len(head) > 44 && string(head[:4]) == "\x01\x00\x00\x00" && string(head[40:44]) == " EMF":
		return "emf"
	case len(head) > 12 && string(head[:4]) == "RIFF" && (string(head[8:11]) == "CDR" || string(head[8:11]) == "cdr"):
		return "cdr"
	case len(head) > 68 && string(head[60:68]) == "BOOKMOBI":
		return oneOf(claimed, "mobi", "azw", "azw3", "azw4", "prc")
	case len(head) > 68 && slices.Contains([]string{"TEXtREAd", "PNRdPPrs", ".pdfADBE", "DataPlkr"}, string(head[60:68])):
		return oneOf(claimed, "pdb", "prc")
	}
	return xmlMark(head)
}

// oneOf is the claimed format if it is one of formats, else the first of them.
func oneOf(claimed Format, formats ...Format) Format {
	if slices.Contains(formats, claimed) {
		return claimed
	}
	return formats[0]
}

var flatType = regexp.MustCompile(`office:mimetype\s*=\s*["']application/vnd\.oasis\.opendocument\.(\w+)`)

// xmlMark tells the formats that are one XML file by their root.
func xmlMark(head []byte) Format {
	root := rootElement(head)
	switch {
	case root == "FictionBook":
		return "fb2"
	case root == "abiword":
		return "abw"
	case !strings.HasSuffix(root, ":document") && root != "document":
		return ""
	}
	m := flatType.FindSubmatch(head)
	if m == nil {
		return ""
	}
	return map[string]Format{"text": "fodt", "spreadsheet": "fods", "presentation": "fodp", "graphics": "fodg"}[string(m[1])]
}

// rootElement is the name of an XML file's first element, with its prefix, or "".
func rootElement(head []byte) string {
	rest := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for len(rest) > 1 && rest[0] == '<' {
		end := []byte(">")
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			end = []byte("-->")
		case rest[1] != '?' && rest[1] != '!':
			name := rest[1:min(len(rest), 65)]
			if i := bytes.IndexAny(name, " \t\r\n>/"); i >= 0 {
				return string(name[:i])
			}
			return ""
		}
		_, after, ok := bytes.Cut(rest, end)
		if !ok {
			return ""
		}
		rest = bytes.TrimLeft(after, " \t\r\n")
	}
	return ""
}

// officeKnown reports whether Detect would know a file of the format by its content.
func officeKnown(f Format) bool {
	for _, d := range declared {
		if d == f {
			return true
		}
	}
	if slices.Contains(namedZIPs, f) || slices.Contains([]Format{
		"pages", "numbers", "key", "emf", "cdr", "mobi", "azw", "azw3", "azw4", "prc", "pdb", "fb2", "abw", "fodt", "fods",
		"fodp", "fodg", "lit", "chm", "djvu", "cbr", "dbf", "wk1", "123",
	}, f) {
		return true
	}
	for _, k := range oleKinds {
		if slices.Contains(k.formats, f) {
			return true
		}
	}
	for _, k := range openXML {
		if k.format == f {
			return true
		}
	}
	for _, m := range marks {
		if m.format == f {
			return true
		}
	}
	return false
}
