package office

import (
	"maps"
	"slices"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// kind is one of LibreOffice's applications.
type kind int

const (
	text kind = iota
	sheet
	slides
	drawing
)

// source is a format that LibreOffice reads. What Detect has told apart by content LibreOffice tells apart itself; it is
// told the filter where it would guess: of texts, and of what could be read by two applications.
type source struct {
	kind   kind
	filter string // of the import, with its options; "" to let LibreOffice decide by content and extension
	alone  bool   // only the command line can be told the filter
}

// sources are from LibreOffice's own list of filters, without what Detect does not know, and without dbf, std and sti, which
// Debian's packages do not open.
var sources = map[convert.Format]source{
	"doc": {kind: text}, "docx": {kind: text}, "docm": {kind: text}, "dot": {kind: text}, "dotx": {kind: text},
	"dotm": {kind: text}, "odt": {kind: text}, "ott": {kind: text}, "fodt": {kind: text}, "sxw": {kind: text},
	"stw": {kind: text}, "rtf": {kind: text}, "wpd": {kind: text}, "wps": {kind: text}, "lwp": {kind: text},
	"pages": {kind: text}, "abw": {kind: text}, "zabw": {kind: text}, "hwp": {kind: text}, "sdw": {kind: text},
	"txt":  {kind: text, filter: "Text (encoded):UTF8", alone: true},
	"html": {kind: text, filter: "HTML (StarWriter)", alone: true},

	"xls": {kind: sheet}, "xlsx": {kind: sheet}, "xlsm": {kind: sheet}, "xlsb": {kind: sheet}, "xlt": {kind: sheet},
	"xltx": {kind: sheet}, "xltm": {kind: sheet}, "et": {kind: sheet}, "ods": {kind: sheet}, "ots": {kind: sheet},
	"fods": {kind: sheet}, "sxc": {kind: sheet}, "stc": {kind: sheet}, "sdc": {kind: sheet}, "numbers": {kind: sheet},
	"slk": {kind: sheet, filter: "SYLK", alone: true}, "dif": {kind: sheet, filter: "DIF", alone: true},
	"csv": {kind: sheet, filter: "Text - txt - csv (StarCalc):44,34,76,1", alone: true},
	"tsv": {kind: sheet, filter: "Text - txt - csv (StarCalc):9,34,76,1", alone: true},

	"ppt": {kind: slides}, "pptx": {kind: slides}, "pptm": {kind: slides}, "pot": {kind: slides}, "potx": {kind: slides},
	"potm": {kind: slides}, "pps": {kind: slides}, "ppsx": {kind: slides}, "ppsm": {kind: slides}, "odp": {kind: slides},
	"dps": {kind: slides}, "otp": {kind: slides}, "fodp": {kind: slides}, "sxi": {kind: slides}, "sdd": {kind: slides},
	"key": {kind: slides},

	"odg": {kind: drawing}, "otg": {kind: drawing}, "fodg": {kind: drawing}, "sxd": {kind: drawing},
	"sda": {kind: drawing}, "vsd": {kind: drawing}, "vsdx": {kind: drawing}, "vsdm": {kind: drawing}, "pub": {kind: drawing},
	"dxf": {kind: drawing}, "cdr": {kind: drawing}, "wmf": {kind: drawing}, "emf": {kind: drawing}, "svg": {kind: drawing},
	"png": {kind: drawing},
}

// target is a format that an application writes.
type target struct {
	filter  string // of the export
	options string // of that filter
	kit     string // how LibreOfficeKit calls it; "" where only the command line knows the filter
}

var targets = map[kind]map[convert.Format]target{
	text: {
		"pdf":  {filter: "writer_pdf_Export", kit: "pdf"},
		"docx": {filter: "MS Word 2007 XML", kit: "docx"},
		"docm": {filter: "MS Word 2007 XML VBA", kit: "docm"},
		"dotx": {filter: "MS Word 2007 XML Template"},
		"doc":  {filter: "MS Word 97", kit: "doc"},
		"dot":  {filter: "MS Word 97 Vorlage"},
		"odt":  {filter: "writer8", kit: "odt"},
		"ott":  {filter: "writer8_template", kit: "ott"},
		"fodt": {filter: "OpenDocument Text Flat XML", kit: "fodt"},
		"rtf":  {filter: "Rich Text Format", kit: "rtf"},
		"txt":  {filter: "Text (encoded)", options: "UTF8,LF,,,false"},
		"html": {filter: "HTML (StarWriter)", options: "EmbedImages", kit: "html"},
		"epub": {filter: "EPUB", kit: "epub"},
	},
	sheet: {
		"pdf":  {filter: "calc_pdf_Export", kit: "pdf"},
		"xlsx": {filter: "Calc MS Excel 2007 XML", kit: "xlsx"},
		"xlsm": {filter: "Calc MS Excel 2007 VBA XML", kit: "xlsm"},
		"xltx": {filter: "Calc MS Excel 2007 XML Template"},
		"xls":  {filter: "MS Excel 97", kit: "xls"},
		"xlt":  {filter: "MS Excel 97 Vorlage/Template"},
		"et":   {filter: "MS Excel 97"},
		"ods":  {filter: "calc8", kit: "ods"},
		"ots":  {filter: "calc8_template", kit: "ots"},
		"fods": {filter: "OpenDocument Spreadsheet Flat XML", kit: "fods"},
		"csv":  {filter: "Text - txt - csv (StarCalc)", options: "44,34,76,1,,0,false,true,false", kit: "csv"},
		"tsv":  {filter: "Text - txt - csv (StarCalc)", options: "9,34,76,1,,0,false,true,false"},
		"html": {filter: "HTML (StarCalc)", options: "EmbedImages", kit: "html"},
		"slk":  {filter: "SYLK"},
		"dif":  {filter: "DIF", options: "76"},
	},
	slides: {
		"pdf":  {filter: "impress_pdf_Export", kit: "pdf"},
		"pptx": {filter: "Impress MS PowerPoint 2007 XML", kit: "pptx"},
		"pptm": {filter: "Impress MS PowerPoint 2007 XML VBA"},
		"potx": {filter: "Impress MS PowerPoint 2007 XML Template"},
		"ppt":  {filter: "MS PowerPoint 97", kit: "ppt"},
		"pot":  {filter: "MS PowerPoint 97 Vorlage"},
		"pps":  {filter: "MS PowerPoint 97 AutoPlay"},
		"dps":  {filter: "MS PowerPoint 97"},
		"odp":  {filter: "impress8", kit: "odp"},
		"otp":  {filter: "impress8_template", kit: "otp"},
		"fodp": {filter: "OpenDocument Presentation Flat XML", kit: "fodp"},
	},
	drawing: {
		"pdf":  {filter: "draw_pdf_Export", kit: "pdf"},
		"odg":  {filter: "draw8", kit: "odg"},
		"otg":  {filter: "draw8_template"},
		"fodg": {filter: "OpenDocument Drawing Flat XML", kit: "fodg"},
		"svg":  {filter: "draw_svg_Export", kit: "svg"},
		"emf":  {filter: "draw_emf_Export"},
		"wmf":  {filter: "draw_wmf_Export"},
		"eps":  {filter: "draw_eps_Export"},
	},
}

// pairs lists what can become what, sorted.
func pairs() []convert.Pair {
	var all []convert.Pair
	for _, from := range slices.Sorted(maps.Keys(sources)) {
		made := targets[sources[from].kind]
		for _, to := range slices.Sorted(maps.Keys(made)) {
			if from == "png" && to != "odg" { // others do more with pictures
				continue
			}
			all = append(all, convert.Pair{From: from, To: to, Options: fields(from, to)})
		}
	}
	return all
}
