package all_test

import (
	"fmt"
	"strings"

	"github.com/gantry-engine/gantry/tasks/convert"
)

const (
	xmlHead       = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	relationships = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	contentTypes  = xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>`
	related = xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
)

// openXML is a package of Office Open XML with one part, and relations that point outside.
func openXML(part, kind, content, relations string, more ...packedFile) string {
	folder, name, _ := strings.Cut(part, "/")
	return packed(append([]packedFile{
		{"[Content_Types].xml", contentTypes + `<Override PartName="/` + part + `" ContentType="application/vnd.openxmlformats-officedocument.` + kind + `.main+xml"/></Types>`},
		{"_rels/.rels", related + `<Relationship Id="r1" Type="` + relationships + `/officeDocument" Target="` + part + `"/></Relationships>`},
		{folder + "/_rels/" + name + ".rels", related + relations + `</Relationships>`},
		{part, xmlHead + content},
	}, more...)...)
}

func wordFile(body, relations string) string {
	return openXML("word/document.xml", "wordprocessingml.document",
		`<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="`+relationships+`" `+
			`xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" `+
			`xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" `+
			`xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:v="urn:schemas-microsoft-com:vml"><w:body><w:p><w:r><w:t>seen</w:t></w:r></w:p>`+
			body+`</w:body></w:document>`, relations)
}

// wordWith is a document with a body and a relation for each link, in both of which N is its number.
func wordWith(ext, kind, body string) func(links ...link) string {
	return func(links ...link) string {
		var bodies, relations strings.Builder
		for i, l := range links {
			number := fmt.Sprint("x", i)
			bodies.WriteString(strings.ReplaceAll(strings.ReplaceAll(body, "NUMBER", number), "LINK", l(ext)))
			fmt.Fprintf(&relations, `<Relationship Id="%s" Type="%s/%s" Target="%s" TargetMode="External"/>`, number, relationships, kind, l(ext))
		}
		return wordFile(bodies.String(), relations.String())
	}
}

// flatODF is an OpenDocument file without a ZIP around it.
func flatODF(kind, body string) string {
	const ns = `urn:oasis:names:tc:opendocument:xmlns:`
	return `<?xml version="1.0" encoding="UTF-8"?><office:document ` + strings.NewReplacer("NS:", ns).Replace(
		`xmlns:office="NS:office:1.0" xmlns:text="NS:text:1.0" xmlns:table="NS:table:1.0" xmlns:draw="NS:drawing:1.0" xmlns:svg="NS:svg-compatible:1.0" `+
			`xmlns:presentation="NS:presentation:1.0" xmlns:style="NS:style:1.0" xmlns:meta="NS:meta:1.0" xmlns:of="NS:of:1.2" xmlns:xlink="http://www.w3.org/1999/xlink" `) +
		`office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.` + kind + `">` + body + `</office:document>`
}

// zippedODF is the same as a package.
func zippedODF(kind, body string) string {
	content := strings.Replace(flatODF(kind, body), ` office:mimetype="application/vnd.oasis.opendocument.`+kind+`"`, "", 1)
	content = strings.NewReplacer("<office:document ", "<office:document-content ", "</office:document>", "</office:document-content>").Replace(content)
	return packed(packedFile{"mimetype", "application/vnd.oasis.opendocument." + kind}, packedFile{"content.xml", content},
		packedFile{"META-INF/manifest.xml", `<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">` +
			`<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.` + kind + `"/>` +
			`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>`})
}

// openDocuments are the same contents, flat and zipped.
func openDocuments(name, kind string, flat, zipped convert.Format, body func(...link) string) []hostile {
	return []hostile{
		{name: name, from: flat, content: func(l ...link) string { return flatODF(kind, body(l...)) }},
		{name: name, from: zipped, content: func(l ...link) string { // whose own parts are beside it
			return zippedODF(kind, strings.ReplaceAll(body(l...), `"canary.`, `"../canary.`))
		}},
	}
}

func officeFiles() []hostile {
	picture := `<w:p><w:r><w:drawing><wp:inline><wp:extent cx="990000" cy="990000"/><a:graphic>` +
		`<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:blipFill><a:blip r:link="NUMBER"/>` +
		`</pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>`
	object := `<w:p><w:r><w:object><o:OLEObject Type="Link" ProgID="Word.Document.12" ShapeID="s" DrawAspect="Content" ObjectID="_1" r:id="NUMBER" UpdateMode="Always"/></w:object></w:r></w:p>`
	field := func(code string) string {
		return `<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>` + code + `</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>`
	}
	all := []hostile{
		{name: "picture", from: "docx", content: wordWith("png", "image", picture)},
		{name: "object", from: "docx", content: wordWith("txt", "oleObject", object)},
		{name: "template", from: "docx", content: wordWith("txt", "attachedTemplate", "")},
		{name: "part", from: "docx", content: wordWith("html", "aFChunk", `<w:altChunk r:id="NUMBER"/>`)},
		{name: "documents", from: "docx", content: wordWith("txt", "subDocument", `<w:subDoc r:id="NUMBER"/>`)},
		{name: "fields", from: "docx", content: wordWith("txt", "hyperlink", field(`INCLUDETEXT "LINK"`)+field(`DDEAUTO soffice "LINK" "A1"`)+field(`LINK Word.Document.8 "LINK" "" \a`))},
		{name: "included picture", from: "docx", content: wordWith("png", "hyperlink", field(`INCLUDEPICTURE "LINK" \d`)+
			`<w:p><w:r><w:pict><v:shape style="width:90pt;height:90pt"><v:imagedata src="LINK" r:href="NUMBER"/></v:shape></w:pict></w:r></w:p>`)},
		{name: "picture", from: "rtf", content: around(`{\rtf1 seen `, each("png", `{\field{\*\fldinst INCLUDEPICTURE "LINK" \\d}{\fldrslt x}}`), `}`)},
		{name: "text", from: "rtf", content: around(`{\rtf1 {\*\template TEMPLATE}seen `, each("txt", `{\field{\*\fldinst INCLUDETEXT "LINK"}{\fldrslt x}}{\object\objautlink\rsltpict{\*\objclass Word.Document.8}{\*\objdata 00}}`), `}`)},
		{name: "links", from: "xlsx", content: workbook},
		{name: "picture", from: "pptx", content: slideFile},
		{name: "pages", from: "epub", content: book},
		{name: "pages", from: "htmlz", content: func(l ...link) string { return packed(packedFile{"index.html", page(l...)}) }},
		{name: "pictures", from: "txtz", content: func(l ...link) string {
			return packed(packedFile{"index.txt", each("png", "seen ![x](LINK) <img src=\"LINK\">\n\n")(l...)})
		}},
		{name: "pictures", from: "fb2", content: around(`<?xml version="1.0"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0" xmlns:l="http://www.w3.org/1999/xlink" xmlns:xlink="http://www.w3.org/1999/xlink"><body><section><p>seen</p>`,
			each("png", `<image l:href="LINK"/><image xlink:href="LINK"/><p><a l:href="LINK">x</a></p>`), `</section></body></FictionBook>`)},
		{name: "entity", from: "fb2", alone: true, content: each("txt", `<?xml version="1.0"?><!DOCTYPE f [<!ENTITY x SYSTEM "LINK">]><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><body><section><p>seen &x;</p></section></body></FictionBook>`)},
		{name: "entity", from: "fodt", alone: true, content: each("txt", strings.Replace(flatODF("text", `<office:body><office:text><text:p>seen &x;</text:p></office:text></office:body>`),
			`?><office:document `, `?><!DOCTYPE office:document [<!ENTITY x SYSTEM "LINK">]><office:document `, 1))},
		{name: "picture", from: "dxf", content: each("png", "0\nSECTION\n2\nOBJECTS\n0\nIMAGEDEF\n1\nLINK\n0\nENDSEC\n0\nSECTION\n2\nBLOCKS\n0\nBLOCK\n70\n4\n2\nx\n1\nLINK\n0\nENDBLK\n0\nENDSEC\n0\nEOF\n"), alone: true},
	}
	text := func(body func(...link) string) func(...link) string {
		return around(`<office:body><office:text><text:p>seen</text:p>`, body, `</office:text></office:body>`)
	}
	frame := `<draw:frame svg:width="5cm" svg:height="5cm"><draw:image xlink:href="LINK" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame>`
	inFrame := func(body string) string { return strings.Replace(frame, `<draw:image `, `<`+body+` `, 1) }
	cells := func(formulas string) func(...link) string {
		return around(`<office:body><office:spreadsheet><table:table table:name="A"><table:table-row><table:table-cell office:value-type="string"><text:p>seen</text:p></table:table-cell>`,
			each("csv", formulas), `</table:table-row></table:table></office:spreadsheet></office:body>`)
	}
	all = append(all, openDocuments("picture", "text", "fodt", "odt", text(each("png", `<text:p>`+frame+`</text:p>`)))...)
	all = append(all, openDocuments("section", "text", "fodt", "odt", text(each("txt", `<text:section text:name="s"><text:section-source xlink:href="LINK" text:filter-name="Text"/></text:section>`)))...)
	all = append(all, openDocuments("objects", "text", "fodt", "odt", text(each("html", `<text:p>`+inFrame("draw:object")+inFrame("draw:object-ole")+inFrame("draw:floating-frame")+inFrame("draw:plugin")+`</text:p>`)))...)
	all = append(all, openDocuments("formulas", "spreadsheet", "fods", "ods", cells(
		`<table:table-cell table:formula="of:=COM.MICROSOFT.WEBSERVICE(&quot;LINK&quot;)" office:value-type="string"/><table:table-cell table:formula="of:=[&apos;LINK&apos;#$A.A1]" office:value-type="string"/>`+
			`<table:table-cell table:formula="of:=DDE(&quot;soffice&quot;;&quot;LINK&quot;;&quot;A1&quot;)" office:value-type="string"/>`))...)
	all = append(all, openDocuments("table", "spreadsheet", "fods", "ods", around(`<office:body><office:spreadsheet>`, each("csv",
		`<table:table table:name="A"><table:table-source xlink:href="LINK" table:filter-name="Text - txt - csv (StarCalc)" table:mode="copy-all"/><table:table-row><table:table-cell/></table:table-row></table:table>`),
		`</office:spreadsheet></office:body>`))...)
	all = append(all, openDocuments("picture", "presentation", "fodp", "odp", around(`<office:body><office:presentation><draw:page>`, each("png", frame), `</draw:page></office:presentation></office:body>`))...)
	return append(all, openDocuments("picture", "graphics", "fodg", "odg", around(`<office:body><office:drawing><draw:page>`, each("png", frame), `</draw:page></office:drawing></office:body>`))...)
}

// workbook has formulas and a linked workbook.
func workbook(links ...link) string {
	const main = `http://schemas.openxmlformats.org/spreadsheetml/2006/main`
	var cells, references, relations string
	more := []packedFile{{"xl/worksheets/sheet1.xml", ""}}
	for i, l := range links {
		cells += fmt.Sprintf(`<c r="%c2" t="str"><f>[%d]Sheet1!$A$1</f></c><c r="%[1]c3" t="str"><f>WEBSERVICE("%[3]s")</f></c>`, 'A'+i, i+1, l("csv"))
		references += fmt.Sprintf(`<externalReference r:id="e%d"/>`, i)
		relations += fmt.Sprintf(`<Relationship Id="e%d" Type="%s/externalLink" Target="externalLinks/externalLink%[1]d.xml"/>`, i, relationships)
		more = append(more,
			packedFile{fmt.Sprintf("xl/externalLinks/externalLink%d.xml", i), xmlHead + `<externalLink xmlns="` + main + `"><externalBook xmlns:r="` + relationships + `" r:id="r1"><sheetNames><sheetName val="Sheet1"/></sheetNames></externalBook></externalLink>`},
			packedFile{fmt.Sprintf("xl/externalLinks/_rels/externalLink%d.xml.rels", i), related + `<Relationship Id="r1" Type="` + relationships + `/externalLinkPath" Target="` + l("csv") + `" TargetMode="External"/></Relationships>`})
	}
	more[0][1] = xmlHead + `<worksheet xmlns="` + main + `"><sheetData><row r="1"><c r="A1" t="str"><v>seen</v></c></row><row r="2">` + cells + `</row></sheetData></worksheet>`
	return openXML("xl/workbook.xml", "spreadsheetml.sheet", `<workbook xmlns="`+main+`" xmlns:r="`+relationships+`"><sheets><sheet name="A" sheetId="1" r:id="s1"/></sheets><externalReferences>`+references+`</externalReferences></workbook>`,
		`<Relationship Id="s1" Type="`+relationships+`/worksheet" Target="worksheets/sheet1.xml"/>`+relations, more...)
}

// slideFile has linked pictures.
func slideFile(links ...link) string {
	const names = `xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="` + relationships + `" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"`
	var pictures, relations string
	for i, l := range links {
		pictures += fmt.Sprintf(`<p:pic><p:nvPicPr><p:cNvPr id="%d" name="p"/><p:cNvPicPr/><p:nvPr/></p:nvPicPr><p:blipFill><a:blip r:link="x%[1]d"/><a:stretch><a:fillRect/></a:stretch></p:blipFill>`+
			`<p:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="990000" cy="990000"/></a:xfrm><a:prstGeom prst="rect"/></p:spPr></p:pic>`, i+2)
		relations += fmt.Sprintf(`<Relationship Id="x%d" Type="%s/image" Target="%s" TargetMode="External"/>`, i+2, relationships, l("png"))
	}
	return openXML("ppt/presentation.xml", "presentationml.presentation", `<p:presentation `+names+`><p:sldIdLst><p:sldId id="256" r:id="s1"/></p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/></p:presentation>`,
		`<Relationship Id="s1" Type="`+relationships+`/slide" Target="slides/slide1.xml"/>`,
		packedFile{"ppt/slides/slide1.xml", xmlHead + `<p:sld ` + names + `><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>` + pictures + `</p:spTree></p:cSld></p:sld>`},
		packedFile{"ppt/slides/_rels/slide1.xml.rels", related + relations + `</Relationships>`})
}

// page is XHTML that refers to all.
func page(links ...link) string {
	return around(`<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title>`+each("css", `<link rel="stylesheet" href="LINK"/>`)(links...)+`</head><body><p>seen</p>`,
		func(l ...link) string {
			return each("png", `<img src="LINK"/><img src="../../../../../../LINK"/>`)(l...) + each("html", `<iframe src="LINK"></iframe><a href="LINK">x</a><object data="LINK"></object>`)(l...)
		}, `</body></html>`)(links...)
}

// book is an EPUB whose pages and manifest refer to all.
func book(links ...link) string {
	items := each("html", `<item id="IDLINK" href="LINK" media-type="application/xhtml+xml"/>`)(links...) + each("png", `<item id="IDLINK" href="LINK" media-type="image/png"/>`)(links...)
	return bookOf("", items, page(links...))
}

// bookOf is an EPUB of one page, with something before each of its parts.
func bookOf(before, items, text string) string {
	return packed(packedFile{"mimetype", "application/epub+zip"},
		packedFile{"META-INF/container.xml", `<?xml version="1.0"?>` + before + `<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>`},
		packedFile{"a.opf", `<?xml version="1.0"?>` + before + `<package xmlns="http://www.idpf.org/2007/opf" version="2.0" unique-identifier="i"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>t</dc:title><dc:identifier id="i">1</dc:identifier><dc:language>en</dc:language></metadata>` +
			`<manifest><item id="p" href="p.xhtml" media-type="application/xhtml+xml"/>` + items + `</manifest><spine><itemref idref="p"/></spine></package>`},
		packedFile{"p.xhtml", before + text})
}
