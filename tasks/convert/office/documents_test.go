package office_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/tasks/convert/converttest"
)

// member is a file in a ZIP.
type member = [2]string // name and content

const (
	xmlHead       = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	relationships = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	word          = `http://schemas.openxmlformats.org/wordprocessingml/2006/main`
)

// docx is a document of Word with these paragraphs.
func docx(paragraphs ...string) string {
	var body strings.Builder
	for _, p := range paragraphs {
		body.WriteString(`<w:p><w:r><w:t>` + p + `</w:t></w:r></w:p>`)
	}
	return docxOf(body.String(), "")
}

// docxOf is a document of Word with a body and relations of its own.
func docxOf(body, relations string, more ...member) string {
	return converttest.ZIP(append([]member{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ` +
			`ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="` + relationships + `/officeDocument" Target="word/document.xml"/></Relationships>`},
		{"word/_rels/document.xml.rels", xmlHead +
			`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + relations + `</Relationships>`},
		{"word/document.xml", xmlHead + `<w:document xmlns:w="` + word + `" xmlns:r="` + relationships + `" ` +
			`xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" ` +
			`xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" ` +
			`xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" ` +
			`xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:v="urn:schemas-microsoft-com:vml"><w:body>` +
			body + `</w:body></w:document>`},
	}, more...)...)
}

// flat is an OpenDocument file without a ZIP around it.
func flat(kind, body string) string {
	const ns = `urn:oasis:names:tc:opendocument:xmlns:`
	return `<?xml version="1.0" encoding="UTF-8"?><office:document xmlns:office="` + ns + `office:1.0" xmlns:text="` + ns +
		`text:1.0" xmlns:table="` + ns + `table:1.0" xmlns:draw="` + ns + `drawing:1.0" xmlns:svg="` + ns +
		`svg-compatible:1.0" xmlns:script="` + ns + `script:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
		`xmlns:presentation="` + ns + `presentation:1.0" xmlns:form="` + ns + `form:1.0" ` +
		`xmlns:style="` + ns + `style:1.0" xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2" ` +
		`office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.` + kind + `">` + body + `</office:document>`
}

func fodt(text string) string {
	return flat("text", `<office:body><office:text><text:p>`+text+`</text:p></office:text></office:body>`)
}

// label is a document of labels that are kept alike.
func label(text string) string {
	const ns = `urn:oasis:names:tc:opendocument:xmlns:`
	return converttest.ZIP(
		member{"mimetype", "application/vnd.oasis.opendocument.text"},
		member{"META-INF/manifest.xml", `<manifest:manifest xmlns:manifest="` + ns + `manifest:1.0" manifest:version="1.2">` +
			`<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>` +
			`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>` +
			`<manifest:file-entry manifest:full-path="settings.xml" manifest:media-type="text/xml"/></manifest:manifest>`},
		member{"content.xml", `<office:document-content xmlns:office="` + ns + `office:1.0" xmlns:text="` + ns + `text:1.0" ` +
			`office:version="1.2"><office:body><office:text><text:p>` + text + `</text:p></office:text></office:body></office:document-content>`},
		member{"settings.xml", `<office:document-settings xmlns:office="` + ns + `office:1.0" xmlns:config="` + ns + `config:1.0" ` +
			`xmlns:ooo="http://openoffice.org/2004/office" office:version="1.2"><office:settings><config:config-item-set ` +
			`config:name="ooo:configuration-settings"><config:config-item config:name="IsLabelDocument" config:type="boolean">true` +
			`</config:config-item></config:config-item-set></office:settings></office:document-settings>`})
}

func fods(text string) string {
	return flat("spreadsheet", `<office:body><office:spreadsheet><table:table table:name="A"><table:table-row>`+
		`<table:table-cell office:value-type="string"><text:p>`+text+`</text:p></table:table-cell></table:table-row>`+
		`</table:table></office:spreadsheet></office:body>`)
}

// frame is a text on a slide or drawing.
func frame(text string) string {
	return `<draw:frame svg:x="1cm" svg:y="1cm" svg:width="9cm" svg:height="3cm"><draw:text-box><text:p>` + text +
		`</text:p></draw:text-box></draw:frame>`
}

func fodp(slides ...string) string {
	var body strings.Builder
	for _, s := range slides {
		body.WriteString(`<draw:page>` + frame(s) + `</draw:page>`)
	}
	return flat("presentation", `<office:body><office:presentation>`+body.String()+`</office:presentation></office:body>`)
}

func fodg(text string) string {
	return flat("graphics", `<office:body><office:drawing><draw:page>`+frame(text)+`</draw:page></office:drawing></office:body>`)
}

// xlsx is a workbook with a text in its first cell.
func xlsx(t *testing.T, text string, options ...excelize.Options) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetCellValue("Sheet1", "A1", text); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, options...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// lockedODT is an OpenDocument text encrypted as section 3.4 of part 3 of OpenDocument 1.2 says, with AES-256.
func lockedODT(t *testing.T, text, password string) string {
	t.Helper()
	content := fodt(text)
	content = strings.ReplaceAll(content, "office:document ", "office:document-content ")
	content = strings.ReplaceAll(content, "</office:document>", "</office:document-content>")
	content = strings.Replace(content, ` office:mimetype="application/vnd.oasis.opendocument.text"`, "", 1)
	var squeezed bytes.Buffer
	w, err := flate.NewWriter(&squeezed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	plain := squeezed.Bytes()
	sum := sha256.Sum256(plain[:min(1024, len(plain))])
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(padding)}, padding)...)
	salt, iv, start := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 16), sha256.Sum256([]byte(password))
	key, err := pbkdf2.Key(sha1.New, string(start[:]), salt, 1024, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	base := base64.StdEncoding.EncodeToString
	manifest := `<?xml version="1.0" encoding="UTF-8"?><manifest:manifest ` +
		`xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">` +
		`<manifest:file-entry manifest:full-path="/" manifest:version="1.2" manifest:media-type="application/vnd.oasis.opendocument.text"/>` +
		`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml" manifest:size="` + strconv.Itoa(len(content)) +
		`"><manifest:encryption-data manifest:checksum-type="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0#sha256-1k" ` +
		`manifest:checksum="` + base(sum[:]) + `"><manifest:algorithm manifest:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" ` +
		`manifest:initialisation-vector="` + base(iv) + `"/><manifest:key-derivation manifest:key-derivation-name="PBKDF2" ` +
		`manifest:key-size="32" manifest:iteration-count="1024" manifest:salt="` + base(salt) + `"/><manifest:start-key-generation ` +
		`manifest:start-key-generation-name="http://www.w3.org/2000/09/xmldsig#sha256" manifest:key-size="32"/>` +
		`</manifest:encryption-data></manifest:file-entry></manifest:manifest>`
	return converttest.StoredZIP(member{"mimetype", "application/vnd.oasis.opendocument.text"}, member{"content.xml", string(plain)},
		member{"META-INF/manifest.xml", manifest})
}
