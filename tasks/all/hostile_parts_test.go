package all_test

import (
	"fmt"
	"strings"
)

// officeParts are what office documents and books have beside their contents: entities, data, forms, fonts and addresses of
// kinds that LibreOffice alone knows.
func officeParts() []hostile {
	doctype := func(links ...link) string { return each("txt", `<!DOCTYPE x [<!ENTITY x SYSTEM "LINK">]>`)(links...) }
	odf := func(before, inside string) func(...link) string {
		return func(links ...link) string {
			return each("png", before)(links...) + `<office:body><office:text>` + each("png", inside)(links...) + `<text:p>seen</text:p></office:text></office:body>`
		}
	}
	all := []hostile{
		{name: "mail merge", from: "docx", content: mailMerge},
		{name: "entity", from: "docx", alone: true, content: func(l ...link) string {
			return openXML("word/document.xml", "wordprocessingml.document", doctype(l...)+
				`<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>seen &x;</w:t></w:r></w:p></w:body></w:document>`, "")
		}},
		{name: "entity", from: "xlsx", alone: true, content: func(l ...link) string {
			return sheetOf(doctype(l...), `<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>seen &x;</t></is></c></row></sheetData>`)
		}},
		{name: "entity", from: "odt", alone: true, content: func(l ...link) string {
			return strings.Replace(flatODF("text", `<office:body><office:text><text:p>seen &x;</text:p></office:text></office:body>`), `?>`, `?>`+doctype(l...), 1)
		}},
		{name: "entity", from: "epub", alone: true, content: func(l ...link) string {
			return bookOf(doctype(l...), `<item id="c" href="`+l[0]("png")+`" media-type="image/png"/>`, `<html xmlns="http://www.w3.org/1999/xhtml"><body><p>seen &x;</p></body></html>`)
		}},
		{name: "cover", from: "epub", alone: true, content: func(l ...link) string {
			return strings.Replace(bookOf("", `<item id="c" href="`+l[0]("png")+`" media-type="image/png" properties="cover-image"/>`, page(l...)),
				`<dc:title>`, `<meta name="cover" content="c"/><dc:title>`, 1)
		}},
		{name: "data", from: "xlsx", content: connections},
	}
	all = append(all, openDocuments("fonts", "text", "fodt", "odt", odf(`<office:font-face-decls><style:font-face style:name="../../../../made" svg:font-family="../../../../made"><svg:font-face-src>`+
		`<svg:font-face-uri xlink:href="LINK" xlink:type="simple"><svg:font-face-format svg:string="truetype"/></svg:font-face-uri></svg:font-face-src></style:font-face></office:font-face-decls>`, ""))...)
	all = append(all, openDocuments("forms", "text", "fodt", "odt", odf("", `<office:forms form:automatic-focus="true"><xforms:model xmlns:xforms="http://www.w3.org/2002/xforms" xmlns:ev="http://www.w3.org/2001/xml-events" id="m" schema="LINK">`+
		`<xforms:instance id="i" src="LINK"/><xforms:submission id="s" action="LINK" method="put" replace="all"/><xforms:send ev:event="xforms-ready" submission="s"/></xforms:model>`+
		`<form:form xmlns:form="urn:oasis:names:tc:opendocument:xmlns:form:1.0" form:name="f" xlink:href="LINK" form:method="post" form:datasource="LINK" form:command="x" form:command-type="table"><form:connection-resource xlink:href="LINK"/>`+
		`<form:image-frame form:image-data="LINK"/></form:form></office:forms>`))...)
	var frames string
	for _, address := range []string{"vnd.sun.star.expand:LINK?${CANARY}", "vnd.sun.star.expand:${LINK::CANARY}", "vnd.sun.star.pkg://LINK/", "vnd.sun.star.zip://LINK/", "vnd.sun.star.webdav:LINK",
		"vnd.sun.star.tdoc:/", "vnd.sun.star.script:LINK?language=Basic&amp;location=application", "vnd.libreoffice.command:LINK", "macro:///LINK", "private:stream:LINK", "slot:5500", "hid:LINK"} {
		frames += `<text:p><draw:frame svg:width="5cm" svg:height="5cm"><draw:image xlink:href="` + address + `" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p>`
	}
	return append(all, openDocuments("addresses", "text", "fodt", "odt", odf("", frames))...)
}

// mailMerge has its recipients, a picture of its letterhead and a font elsewhere.
func mailMerge(links ...link) string {
	const main = `http://schemas.openxmlformats.org/wordprocessingml/2006/main`
	var sources, relations string
	for i, l := range links {
		sources += fmt.Sprintf(`<w:mailMerge><w:mainDocumentType w:val="formLetters"/><w:dataType w:val="textFile"/><w:connectString w:val="%s"/><w:query w:val="SELECT * FROM x"/><w:dataSource r:id="m%d"/></w:mailMerge>`, l("csv"), i)
		relations += fmt.Sprintf(`<Relationship Id="m%d" Type="%s/mailMergeSource" Target="%s" TargetMode="External"/><Relationship Id="t%[1]d" Type="%[2]s/attachedTemplate" Target="%[3]s" TargetMode="External"/>`, i, relationships, l("csv"))
	}
	return openXML("word/document.xml", "wordprocessingml.document", `<w:document xmlns:w="`+main+`"><w:body><w:p><w:r><w:t>seen</w:t></w:r></w:p></w:body></w:document>`,
		`<Relationship Id="s" Type="`+relationships+`/settings" Target="settings.xml"/><Relationship Id="f" Type="`+relationships+`/fontTable" Target="fontTable.xml"/>`,
		packedFile{"word/settings.xml", xmlHead + `<w:settings xmlns:w="` + main + `" xmlns:r="` + relationships + `"><w:attachedTemplate r:id="t0"/>` + sources + `</w:settings>`},
		packedFile{"word/_rels/settings.xml.rels", related + relations + `</Relationships>`},
		packedFile{"word/fontTable.xml", xmlHead + `<w:fonts xmlns:w="` + main + `" xmlns:r="` + relationships + `"><w:font w:name="../../../../made"><w:embedRegular r:id="t0"/></w:font></w:fonts>`},
		packedFile{"word/_rels/fontTable.xml.rels", related + `<Relationship Id="t0" Type="` + relationships + `/font" Target="` + links[0]("txt") + `" TargetMode="External"/></Relationships>`})
}

// connections is a workbook whose data are asked for anew when it is opened.
func connections(links ...link) string {
	const main = `http://schemas.openxmlformats.org/spreadsheetml/2006/main`
	var all, books, references, relations string
	more := []packedFile{}
	for i, l := range links {
		all += fmt.Sprintf(`<connection id="%d" name="a%[1]d" type="4" refreshedVersion="6" refreshOnLoad="1" background="0"><webPr url="%s" htmlTables="1"/></connection>`+
			`<connection id="%d" name="b%[1]d" type="6" refreshedVersion="6" refreshOnLoad="1"><textPr sourceFile="%[2]s" comma="1"/></connection>`, 2*i+1, l("csv"), 2*i+2)
		books += fmt.Sprintf(`<row r="%d"><c r="A%[1]d"><f>[%[1]d]!A1</f><v>1</v></c></row>`, i+1)
		references += fmt.Sprintf(`<externalReference r:id="e%d"/>`, i)
		relations += fmt.Sprintf(`<Relationship Id="e%d" Type="%s/externalLink" Target="externalLinks/externalLink%[1]d.xml"/>`, i, relationships)
		more = append(more, packedFile{fmt.Sprintf("xl/externalLinks/externalLink%d.xml", i), xmlHead + `<externalLink xmlns="` + main + `"><ddeLink ddeService="soffice" ddeTopic="` + l("csv") +
			`"><ddeItems><ddeItem name="A1" advise="1"/></ddeItems></ddeLink></externalLink>`})
	}
	more = append(more, packedFile{"xl/connections.xml", xmlHead + `<connections xmlns="` + main + `">` + all + `</connections>`},
		packedFile{"xl/worksheets/sheet1.xml", xmlHead + `<worksheet xmlns="` + main + `"><sheetData>` + books + `</sheetData></worksheet>`})
	return openXML("xl/workbook.xml", "spreadsheetml.sheet", `<workbook xmlns="`+main+`" xmlns:r="`+relationships+`"><sheets><sheet name="A" sheetId="1" r:id="s1"/></sheets><externalReferences>`+references+`</externalReferences></workbook>`,
		`<Relationship Id="s1" Type="`+relationships+`/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="c1" Type="`+relationships+`/connections" Target="connections.xml"/>`+relations, more...)
}
