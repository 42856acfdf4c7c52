package all_test

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
)

// hostile is a file that reaches out for what the links name.
type hostile struct {
	name    string
	from    convert.Format
	content func(links ...link) string
	alone   bool // its reader gives up at the first link that fails, so that each has a file of its own
	words   bool // it would draw words, which only eyes can read
}

// reaching are files that refer to others, by every way that their formats have.
func reaching() []hostile {
	return slices.Concat(officeFiles(), officeParts(), texts(), pages(), hostileDrawings(), hostileFilms(), hostileScans())
}

// each joins what is made of every link, each in the kind of file that fits.
func each(ext, format string) func(links ...link) string {
	return func(links ...link) string {
		var all strings.Builder
		for _, l := range links {
			all.WriteString(strings.ReplaceAll(format, "LINK", l(ext)))
		}
		return all.String()
	}
}

// around puts something around what another makes.
func around(before string, inner func(...link) string, after string) func(...link) string {
	return func(links ...link) string { return before + inner(links...) + after }
}

// texts are marked-up texts.
func texts() []hostile {
	tex := "\\documentclass{article}\n\\begin{document}seen BODY\\end{document}\n"
	texts := []hostile{
		{name: "pictures", from: "md", content: each("png", "seen ![x](LINK)\n\n<img src=\"LINK\">\n\n![y][z]\n\n[z]: LINK\n\n")},
		{name: "raw parts", from: "md", content: each("html", "seen\n\n<iframe src=\"LINK\"></iframe>\n\n<object data=\"LINK\"></object>\n\n")},
		{name: "front matter", from: "md", content: each("txt", "---\nbibliography: LINK\ncsl: LINK\ncss: LINK\ninclude-before: LINK\ntemplate: LINK\n---\nseen @x\n"), alone: true},
		{name: "picture", from: "rst", content: each("png", "seen\n\n.. image:: LINK\n\n.. figure:: LINK\n\n")},
		{name: "include", from: "rst", content: each("txt", "seen\n\n.. include:: LINK\n\n.. literalinclude:: LINK\n"), alone: true},
		{name: "raw and table", from: "rst", content: each("csv", "seen\n\n.. csv-table::\n   :file: LINK\n\n.. raw:: html\n   :file: LINK\n\n.. code::\n   :file: LINK\n"), alone: true},
		{name: "table by address", from: "rst", content: each("csv", "seen\n\n.. csv-table::\n   :url: LINK\n\n.. raw:: html\n   :url: LINK\n"), alone: true},
		{name: "include", from: "org", content: each("txt", "seen\n\n#+INCLUDE: \"LINK\"\n#+SETUPFILE: LINK\n\n"), alone: true},
		{name: "picture", from: "org", content: each("png", "seen [[LINK]] [[file:LINK]]\n\n")},
		{name: "picture", from: "textile", content: each("png", "seen !LINK!\n\n")},
		{name: "picture", from: "mediawiki", content: each("png", "seen [[File:LINK]] <img src=\"LINK\">\n\n")},
		{name: "include", from: "adoc", content: each("txt", "seen\n\ninclude::LINK[]\n\n"), alone: true},
		{name: "picture", from: "txt", content: each("png", "seen ![x](LINK) <img src=\"LINK\">\n\n")},
		{name: "formulas", from: "csv", content: each("csv", "seen,\"=WEBSERVICE(\"\"LINK\"\")\",\"='LINK'#$Sheet1.A1\",\"=DDE(\"\"soffice\"\",\"\"LINK\"\",\"\"A1\"\")\",\"=HYPERLINK(\"\"LINK\"\")\"\n")},
	}
	for _, macro := range []string{`\input{LINK}`, `\include{LINK}`, `\verbatiminput{LINK}`, `\lstinputlisting{LINK}`, `\usepackage{LINK}`,
		`\newread\f\openin\f=LINK \read\f to\x\x`, `\immediate\write18{cat LINK > out.txt}\input{|"cat LINK"}`, `\includegraphics{LINK}`, `\bibliography{LINK}`,
		`\font\f=LINK at 9pt \f x`, `\newwrite\f\immediate\openout\f=LINK.made \immediate\write\f{x}\immediate\closeout\f`, `\csname input\endcsname{LINK}`,
		`\begin{Form}[action={LINK}]\Submit{x}\end{Form}\href{run:LINK}{x}\pdfximage{LINK}\special{psfile=LINK}`} {
		ext := "tex"
		if strings.Contains(macro, "graphics") {
			ext = "png"
		}
		texts = append(texts, hostile{name: macro, from: "tex", content: each(ext, strings.Replace(tex, "BODY", macro, 1)), alone: true})
	}
	return texts
}

// hostileDrawings are vector drawings, and programs that draw.
func hostileDrawings() []hostile {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xi="http://www.w3.org/2001/XInclude" width="300" height="100">`
	svg := func(ext, body string) func(...link) string { return around(head, each(ext, body), `</svg>`) }
	entity := `<!DOCTYPE svg [<!ENTITY x SYSTEM "LINK"><!ENTITY %% p SYSTEM "LINK">]>` + head + `<text y="50" font-size="20">&x;</text></svg>`
	entity = strings.ReplaceAll(entity, "%%", "%")
	coders := ""
	for _, coder := range []string{"text", "label:@", "caption:@", "msl", "mvg", "ephemeral", "svg", "ps", "pango:@", "inline", "fd", "vid", "show", "clipboard", "magick"} {
		coders += fmt.Sprintf(`<image width="300" height="100" xlink:href="%s:LINK"/>`, strings.TrimSuffix(coder, ":"))
	}
	coders = strings.ReplaceAll(coders, "@:", "@")
	postscript := "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 100\n/Helvetica findfont 20 scalefont setfont 10 50 moveto\nBODY\nshowpage\n"
	all := []hostile{
		{name: "pictures", from: "svg", content: svg("png", `<image width="99" height="99" xlink:href="LINK"/><image width="99" height="99" href="LINK"/>`+
			`<filter id="f"><feImage xlink:href="LINK"/></filter><rect filter="url(#f)" width="9" height="9"/><foreignObject width="99" height="99"><img xmlns="http://www.w3.org/1999/xhtml" src="LINK"/></foreignObject>`)},
		{name: "drawings", from: "svg", content: svg("svg", `<use xlink:href="LINK#r"/><use href="LINK#r"/><rect width="99" height="99" fill="url(LINK#r)"/>`+
			`<style>@import url("LINK");@font-face{font-family:f;src:url(LINK)}</style><tref xlink:href="LINK#r"/><xi:include href="LINK"/><script xlink:href="LINK"/>`)},
		{name: "references", from: "svg", content: svg("svg", `<pattern id="p" xlink:href="LINK#r"/><linearGradient id="g" xlink:href="LINK#r"/><rect width="99" height="99" fill="url(#p)" mask="url(LINK#r)" `+
			`clip-path="url(LINK#r)" filter="url(LINK#r)" style="marker:url(LINK#r);cursor:url(LINK)"/><text><textPath href="LINK#r">x</textPath></text><color-profile xlink:href="LINK"/><cursor xlink:href="LINK"/>`+
			`<image width="99" height="99"><set attributeName="href" to="LINK" begin="0s"/></image><animate attributeName="x"><mpath href="LINK#r"/></animate>`)},
		{name: "texts", from: "svg", content: svg("txt", `<text y="50"><xi:include parse="text" href="LINK"/></text>`), words: true},
		{name: "coders", from: "svg", content: svg("txt", coders), words: true},
		{name: "entity", from: "svg", content: each("txt", entity), alone: true, words: true},
		{name: "stylesheet", from: "svg", content: each("css", `<?xml-stylesheet href="LINK"?>`+head+`<rect width="9" height="9"/></svg>`), alone: true},
	}
	for name, body := range map[string]string{
		"mvg":           "push graphic-context\nviewbox 0 0 300 100\nimage over 0,0 0,0 'LINK'\npop graphic-context\n",
		"mvg fill":      "push graphic-context\nviewbox 0 0 300 100\nfill 'url(LINK)'\nrectangle 0,0 300,100\npop graphic-context\n",
		"mvg shell":     "push graphic-context\nviewbox 0 0 300 100\nfill 'url(LINK\"|cat \"LINK)'\npop graphic-context\n",
		"mvg ephemeral": "push graphic-context\nviewbox 0 0 300 100\nimage over 0,0 0,0 'ephemeral:LINK'\npop graphic-context\n",
		"msl":           `<?xml version="1.0"?><image><read filename="LINK"/><write filename="out.png"/></image>`,
		"miff":          "id=ImageMagick  version=1.0\ncolumns=1 rows=1 depth=8\nfilename=LINK\nmontage=LINK\n\f\n:\x1a\x00\x00\x00",
	} {
		all = append(all, hostile{name: name, from: "mvg", content: each("png", body), alone: true})
	}
	all = append(all, hostile{name: "profile", from: "png", alone: true, content: func(links ...link) string { return profiled(links[0]("txt")) }})
	for name, body := range map[string]string{
		"read":    "(LINK) (r) file 99 string readline pop show",
		"run":     "(LINK) run",
		"pipe":    "(%pipe%cat LINK) (r) file 99 string readline pop show",
		"library": "(LINK) .libfile { 99 string readline pop show } { pop } ifelse",
		"escape":  "{ save restore } stopped {} if mark /OutputFile (%pipe%cat LINK) currentdevice putdeviceprops { (LINK) (r) file 99 string readline pop show } stopped",
		"write":   "(LINK.made) (w) file dup (x) writestring closefile (LINK) deletefile (LINK) (LINK.moved) renamefile",
		"names":   "(LINK*) { show } 99 string filenameforall /LINK where { pop } if (LINK) status { pop pop pop pop (" + canaryText[:7] + ") show (" + canaryText[7:] + ") show } if",
	} {
		for _, from := range []convert.Format{"ps", "eps"} {
			all = append(all, hostile{name: name, from: from, content: each("ps", strings.Replace(postscript, "BODY", body, 1)), alone: true})
		}
	}
	all = append(all, hostile{name: "references", from: "pdf", content: pdfWithLinks}, hostile{name: "pages", from: "xps", content: xpsWithLinks})
	return append(all, hostile{name: "Python", from: "ttf", alone: true, content: pickled})
}

// profiled is a PNG that asks to have a file taken for its profile (CVE-2022-44268).
func profiled(path string) string {
	chunk := func(kind, content string) string {
		return string(size4(len(content))) + kind + content + string(size4(int(crc32.ChecksumIEEE([]byte(kind+content)))))
	}
	return "\x89PNG\r\n\x1a\n" + chunk("IHDR", string(size4(1))+string(size4(1))+"\x08\x00\x00\x00\x00") +
		chunk("tEXt", "profile\x00"+path) + chunk("IDAT", "\x78\x9c\x63\x00\x00\x00\x02\x00\x01") + chunk("IEND", "")
}

// pdfWithLinks is a PDF that has every kind of reference to another file, and PostScript inside.
func pdfWithLinks(links ...link) string {
	objects := []string{"", "", ""}
	var names, contents strings.Builder
	for i, l := range links {
		image := len(objects) + 1
		objects = append(objects, fmt.Sprintf("<</Type/XObject/Subtype/Image/Width 64/Height 64/BitsPerComponent 8/ColorSpace/DeviceRGB"+
			"/F<</FS/URL/F(%s)>>/FFilter/FlateDecode/Length 0>>stream\n\nendstream", l("png")),
			"<</Type/XObject/Subtype/PS/Length 60>>stream\n("+l("txt")+") (r) file 99 string readline pop show\nendstream",
			fmt.Sprintf("<</Type/XObject/Subtype/Form/BBox[0 0 300 300]/Ref<</F<</F(%s)>>/Page 0>>/Length 0>>stream\n\nendstream", l("pdf")))
		fmt.Fprintf(&names, "/I%d %d 0 R/P%d %d 0 R/R%d %d 0 R", i, image, i, image+1, i, image+2)
		fmt.Fprintf(&contents, "q 99 0 0 99 %d 0 cm /I%d Do Q /P%d Do /R%d Do ", i*99, i, i, i)
		for _, action := range []string{"/S/URI/URI", "/S/Launch/F", "/S/GoToR/D[0/Fit]/F", "/S/SubmitForm/F", "/S/ImportData/F"} {
			objects = append(objects, fmt.Sprintf("<</Type/Annot/Subtype/Link/Rect[0 0 300 300]/A<<%s(%s)>>/AA<</PO<<%[1]s(%[2]s)>>>>>>", action, l("txt")))
		}
	}
	var annotations strings.Builder
	for i := range objects {
		if strings.Contains(objects[i], "/Annot/") {
			fmt.Fprintf(&annotations, "%d 0 R ", i+1)
		}
	}
	form := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "` + links[0]("txt") + `">]><xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"><template>` +
		`<subform><field><value><image href="` + links[0]("png") + `"/><text>&e;</text></value></field></subform></template></xdp:xdp>`
	at := len(objects)
	objects = append(objects, fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(form), form),
		fmt.Sprintf("<</Type/Filespec/F(%s)/UF(../../made.ps)/EF<</F %d 0 R>>>>", links[0]("ps"), at+1),
		fmt.Sprintf("<</F<</FS/URL/F(%s)>>/FFilter[]/Length 0>>stream\n\nendstream", links[0]("ps")))
	objects[0] = fmt.Sprintf("<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.launchURL\\('%s'\\))>>/AcroForm<</XFA %d 0 R/Fields[]>>"+
		"/Names<</EmbeddedFiles<</Names[(../made)%d 0 R]>>/JavaScript<</Names[(x)<</S/JavaScript/JS(this.submitForm\\('%[1]s'\\))>>]>>>>>>",
		links[0]("txt"), at+1, at+2)
	objects[1] = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
	objects[2] = fmt.Sprintf("<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 300]/Resources<</XObject<<%s>>>>/Annots[%s]/Contents[%d 0 R %d 0 R]>>",
		names.String(), annotations.String(), at+3, len(objects)+1)
	objects = append(objects, fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", contents.Len(), contents.String()))
	return string(pdftest.Written(objects...))
}

// hostileFilms are playlists, and containers that refer to another file.
func hostileFilms() []hostile {
	hls := "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"
	var all []hostile
	for name, body := range map[string]string{
		"HLS":         fmt.Sprintf(hls, "LINK"),
		"HLS key":     strings.Replace(fmt.Sprintf(hls, "LINK"), "#EXTINF", "#EXT-X-KEY:METHOD=AES-128,URI=\"LINK\"\n#EXTINF", 1),
		"HLS data":    fmt.Sprintf(hls, "data:application/x-mpegurl,%23EXTM3U%0A%23EXT-X-TARGETDURATION:1%0A%23EXTINF:1,%0ALINK%0A%23EXT-X-ENDLIST"),
		"HLS map":     strings.Replace(fmt.Sprintf(hls, "LINK"), "#EXTINF", "#EXT-X-MAP:URI=\"LINK\"\n#EXTINF", 1),
		"HLS master":  "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"LINK\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nLINK\n",
		"HLS crypto":  fmt.Sprintf(hls, "crypto+file:LINK"),
		"HLS concat":  fmt.Sprintf(hls, "concat:LINK|LINK"),
		"HLS subfile": fmt.Sprintf(hls, "subfile,,start,0,end,9999,,:LINK"),
		"concat":      "ffconcat version 1.0\nfile 'LINK'\n",
		"DASH": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" mediaPresentationDuration="PT1S">` +
			`<Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>LINK</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"SDP":    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nu=LINK\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:LINK\n",
		"ASX":    `<asx version="3.0"><entry><ref href="LINK"/></entry></asx>`,
		"script": "AviSynth\nDirectShowSource(\"LINK\")\n",
	} {
		all = append(all, hostile{name: name, from: "m3u8", content: each("ts", body), alone: true})
	}
	return append(all, hostile{name: "reference", from: "mov", alone: true, content: func(links ...link) string { return movie(links[0]("ts")) }},
		hostile{name: "playlist behind a mark", from: "mp4", alone: true, content: around("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\n", each("ts", fmt.Sprintf(hls, "LINK")), "")},
		hostile{name: "playlist as subtitles", from: "avi", alone: true, content: func(links ...link) string { return subtitled(fmt.Sprintf(hls, links[0]("ts"))) }})
}

// movie is a QuickTime film that lies elsewhere.
func movie(address string) string {
	box := func(kind, content string) string { return string(size4(len(content)+8)) + kind + content }
	return box("ftyp", "qt  \x00\x00\x00\x00qt  ") + box("moov", box("rmra", box("rmda", box("rdrf", "\x00\x00\x00\x00url "+string(size4(len(address)+1))+address+"\x00"))))
}

func size4(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// subtitled is an AVI whose subtitles are a playlist.
func subtitled(playlist string) string {
	little := func(n int) string { return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}) }
	chunk := func(kind, content string) string {
		if len(content)%2 == 1 {
			content += "\x00"
		}
		return kind + little(len(content)) + content
	}
	header := chunk("avih", strings.Repeat("\x00", 24)+little(1)+strings.Repeat("\x00", 28))
	stream := chunk("LIST", "strl"+chunk("strh", "txtsGAB2"+strings.Repeat("\x00", 48))+chunk("strf", ""))
	gab := "GAB2\x00\x02\x00" + little(2) + "x\x00" + "\x04\x00" + little(len(playlist)) + playlist
	return chunk("RIFF", "AVI "+chunk("LIST", "hdrl"+header+stream)+chunk("LIST", "movi"+chunk("00tx", gab)))
}

// packedFile is a file in a packed one: its name and its content.
type packedFile = [2]string

func packed(members ...packedFile) string { return converttest.ZIP(members...) }
