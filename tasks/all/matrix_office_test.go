package all_test

import (
	"encoding/binary"
	"slices"
	"unicode/utf16"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
)

// relations lists the targets of a part of one of Microsoft's packages, each with its type.
func relations(pairs ...string) string {
	list := `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	for i := 0; i < len(pairs); i += 2 {
		list += `<Relationship Id="rId1" Type="` + pairs[i] + `" Target="` + pairs[i+1] + `"/>`
	}
	return list + `</Relationships>`
}

// partTypes lists the types of parts.
func partTypes(pairs ...string) string {
	list := `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`
	for i := 0; i < len(pairs); i += 2 {
		list += `<Override PartName="` + pairs[i] + `" ContentType="application/vnd.` + pairs[i+1] + `"/>`
	}
	return list + `</Types>`
}

const officeRelations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

// xlsb is a table of one cell, in records of a number, a length and fields ([MS-XLSB]).
func xlsb(text string) string {
	le := binary.LittleEndian
	record := func(number int, fields ...byte) string {
		if number >= 0x80 {
			return string([]byte{byte(number&0x7f | 0x80), byte(number >> 7), byte(len(fields))}) + string(fields)
		}
		return string([]byte{byte(number), byte(len(fields))}) + string(fields)
	}
	wide := func(s string) []byte {
		units := utf16.Encode([]rune(s))
		b := le.AppendUint32(nil, uint32(len(units)))
		for _, u := range units {
			b = le.AppendUint16(b, u)
		}
		return b
	}
	sheet := slices.Concat([]byte{0, 0, 0, 0, 1, 0, 0, 0}, wide("rId1"), wide("Sheet1"))
	row := slices.Concat(make([]byte, 8), []byte{44, 1, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 8))
	book := record(131) + record(143) + record(156, sheet...) + record(144) + record(132)
	cells := record(129) + record(145) + record(0, row...) + record(6, append(make([]byte, 8), wide(text)...)...) + record(146) + record(130)
	return converttest.ZIP(
		[2]string{"[Content_Types].xml", partTypes("/xl/workbook.bin", "ms-excel.sheet.binary.macroEnabled.main",
			"/xl/worksheets/sheet1.bin", "ms-excel.worksheet")},
		[2]string{"_rels/.rels", relations(officeRelations+"/officeDocument", "xl/workbook.bin")},
		[2]string{"xl/_rels/workbook.bin.rels", relations(officeRelations+"/worksheet", "worksheets/sheet1.bin")},
		[2]string{"xl/workbook.bin", book}, [2]string{"xl/worksheets/sheet1.bin", cells})
}

// visio is a drawing of one line with a text; the kind says whether it may have macros.
func visio(kind, text string) string {
	const relation = "http://schemas.microsoft.com/visio/2010/relationships"
	const space = ` xmlns="http://schemas.microsoft.com/office/visio/2012/main" xmlns:r="` + officeRelations + `"`
	const shape = `<PageContents` + space + `><Shapes><Shape ID="1" Type="Shape"><Cell N="PinX" V="4"/><Cell N="PinY" V="5"/><Cell N="Width" V="4"/>` +
		`<Cell N="Height" V="1"/><Cell N="LocPinX" V="2"/><Cell N="LocPinY" V="0.5"/><Section N="Geometry" IX="0"><Row T="MoveTo" IX="1">` +
		`<Cell N="X" V="0"/><Cell N="Y" V="0"/></Row><Row T="LineTo" IX="2"><Cell N="X" V="4"/><Cell N="Y" V="1"/></Row></Section><Text>`
	return converttest.ZIP(
		[2]string{"[Content_Types].xml", partTypes("/visio/document.xml", "ms-visio."+kind+".main+xml",
			"/visio/pages/pages.xml", "ms-visio.pages+xml", "/visio/pages/page1.xml", "ms-visio.page+xml")},
		[2]string{"_rels/.rels", relations(relation+"/document", "visio/document.xml")},
		[2]string{"visio/document.xml", `<VisioDocument` + space + `/>`},
		[2]string{"visio/_rels/document.xml.rels", relations(relation+"/pages", "pages/pages.xml")},
		[2]string{"visio/pages/pages.xml", `<Pages` + space + `><Page ID="0" Name="p"><PageSheet><Cell N="PageWidth" V="8"/>` +
			`<Cell N="PageHeight" V="11"/></PageSheet><Rel r:id="rId1"/></Page></Pages>`},
		[2]string{"visio/pages/_rels/pages.xml.rels", relations(relation+"/page", "page1.xml")},
		[2]string{"visio/pages/page1.xml", shape + text + "\n</Text></Shape></Shapes></PageContents>"})
}

// iWork is a document of Apple's of 2009, which is XML: a text, slides or a table.
func iWork(format convert.Format, text string) string {
	const spaces = ` xmlns:sfa="http://developer.apple.com/namespaces/sfa" xmlns:sf="http://developer.apple.com/namespaces/sf"` +
		` xmlns:sl="http://developer.apple.com/namespaces/sl" xmlns:ls="http://developer.apple.com/namespaces/ls"` +
		` xmlns:key="http://developer.apple.com/namespaces/keynote2"`
	const size = `<sf:size sfa:w="400" sfa:h="100"/>`
	const place = `<sf:geometry sfa:ID="g"><sf:naturalSize sfa:w="400" sfa:h="100"/>` + size + `<sf:position sfa:x="0" sfa:y="0"/></sf:geometry>`
	const layers = `<sf:layers sfa:ID="y"><sf:layer sfa:ID="z"><sf:type><sf:string sfa:string="SFDLayerTypeBody"/></sf:type><sf:drawables sfa:ID="v">`
	const end = `</sf:drawables></sf:layer></sf:layers>`
	switch format {
	case "key":
		return converttest.ZIP([2]string{"index.apxl", `<key:presentation` + spaces + ` key:version="92008102400"><key:size sfa:w="800" sfa:h="600"/>` +
			`<key:slide-list sfa:ID="l"><key:slide sfa:ID="s"><key:page sfa:ID="p">` + size + layers + `<sf:shape sfa:ID="h">` + place +
			`<sf:style/><sf:path sfa:ID="b"><sf:bezier-path><sf:bezier sfa:path="M 0 0 L 400 0 L 400 100 L 0 100 Z"/></sf:bezier-path></sf:path>` +
			`<sf:text sfa:ID="t"><sf:text-storage sfa:ID="u" sf:kind="textbox"><sf:text-body><sf:layout><sf:p>` + text +
			`</sf:p></sf:layout></sf:text-body></sf:text-storage></sf:text></sf:shape>` + end + `</key:page></key:slide></key:slide-list></key:presentation>`})
	case "numbers":
		column := `<sf:grid-column sf:width="98" sf:nc="1"/>`
		return converttest.ZIP([2]string{"index.xml", `<ls:document` + spaces + ` ls:version="72007061400"><ls:workspace-array sfa:ID="a">` +
			`<ls:workspace ls:workspace-name="s" sfa:ID="w"><ls:page-info sfa:ID="i">` + layers + `<sf:tabular-info sfa:ID="t">` + place +
			`<sf:tabular-model sf:name="t" sfa:ID="m"><sf:grid sfa:ID="r" sf:numcols="2" sf:numrows="1"><sf:columns sf:count="2">` + column + column +
			`</sf:columns><sf:rows sf:count="1"><sf:grid-row sf:height="20" sf:nc="1"/></sf:rows><sf:datasource><sf:t sfa:ID="c"><sf:ct sfa:s="` +
			text + `"/></sf:t></sf:datasource></sf:grid></sf:tabular-model></sf:tabular-info>` + end +
			`</ls:page-info></ls:workspace></ls:workspace-array></ls:document>`})
	}
	return converttest.ZIP([2]string{"index.xml", `<sl:document` + spaces + ` sl:version="92008102400"><sf:text-storage sfa:ID="s" sf:kind="body">` +
		`<sf:text-body><sf:section><sf:layout><sf:p>` + text + `</sf:p></sf:layout></sf:section></sf:text-body></sf:text-storage></sl:document>`})
}
