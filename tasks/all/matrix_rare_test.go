package all_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/filetype"
)

// rare makes what programs write on demand, and what has another format's content under a name of its own.
func rare(t *testing.T, m *matrix) (made []sample) {
	for _, s := range []struct {
		name, script string
		facts
	}{
		{"x.aifc", `ffmpeg -v error -y -f lavfi -i sine=duration=2 -c:a pcm_s16le -f aiff x.aifc`, facts{seconds: seconds}},
		{"x.asf", `ffmpeg -v error -y -i x.mp4 -f asf x.asf`, facts{seconds: seconds}},
		{"x.ra", `ffmpeg -v error -y -f lavfi -i sine=duration=2 -c:a ac3 -f rm x.ra`, facts{}},
		{"x.mov", `ffmpeg -v error -y -i x.mp4 x.mov`, facts{seconds: seconds}},
		{"x.mpeg", `ffmpeg -v error -y -i x.mp4 -c:v mpeg2video -r 25 x.mpeg`, facts{seconds: seconds}},
		{"x.ts", `ffmpeg -v error -y -i x.mp4 x.ts`, facts{seconds: seconds}},
		{"x.mqv", `cp x.mov x.mqv`, facts{seconds: seconds}}, {"x.mod", `cp x.mpeg x.mod`, facts{seconds: seconds}},
		{"x.tod", `cp x.ts x.tod`, facts{seconds: seconds}}, {"x.ogx", `cp x.ogg x.ogx`, facts{seconds: seconds}},
		{"x.rmvb", `cp x.rm x.rmvb`, facts{}}, {"x.dvr", `cp x.asf x.dvr`, facts{seconds: seconds}},
		{"x.arj", `cd content && arj a -y ../x.arj ` + member, facts{member: member}},
		{"x.arc", `cd content && arc a ../x.arc ` + member, facts{member: member}},
		{"x.cab", `cd content && gcab -c ../x.cab ` + member, facts{member: member}},
		{"x.dcm", `convert x.png x.jpg && img2dcm x.jpg x.dcm`, facts{}},
		{"x.psb", `convert png:x.png psb:x.psb`, facts{size: size}}, {"x.pnm", `convert png:x.png ppm:x.pnm`, facts{size: size}},
		{"x.xps", `printf '%%!PS\n/Helvetica 40 selectfont 100 500 moveto (x) show showpage\n' >x.ps; gs -q -dBATCH -dNOPAUSE -sDEVICE=xpswrite -o x.xps x.ps`, facts{}},
		{"x.mobi", `ebook-convert x.html x.mobi`, facts{word: word}},
		{"x.azw", `cp x.mobi x.azw`, facts{word: word}}, {"x.prc", `cp x.mobi x.prc`, facts{word: word}},
		{"x.cbc", `echo 1.cbz:One >comics.txt; 7z a -tzip x.cbc comics.txt >/dev/null; cp x.cbz 1.cbz; 7z a -tzip x.cbc 1.cbz`, facts{}},
		{"x.zabw", `gzip -c x.abw >x.zabw`, facts{word: word}},
		{"x.chm", `printf '[OPTIONS]\nCompiled file=x.chm\nDefault topic=x.html\nTitle=x\n\n[FILES]\nx.html\n' >x.hhp; chmcmd-3.2.2 x.hhp`, facts{word: word}},
	} {
		if program(t, m.dir, "bash", "-euc", "{ "+s.script+"; } >/dev/null 2>&1") {
			made = append(made, sample{filepath.Join(m.dir, s.name), filetype.OfName(s.name), s.facts})
		}
	}
	return made
}

// byHand makes what no program at hand writes.
func byHand(t *testing.T, m *matrix) (made []sample) {
	add := func(format convert.Format, content string, f facts) {
		made = append(made, sample{m.write(t, "x."+string(format), content), format, f})
	}
	text, png := word+"\n", picture(t, size.X, size.Y, color.NRGBA{R: 200, A: 255})
	add("lha", lha(member, text), facts{member: member})
	add("rar", rar(member, text), facts{member: member})
	add("zoo", zoo(member, text), facts{member: member})
	add("alz", alz(member, text), facts{member: member})
	add("sit", sit(member, text), facts{member: member})
	add("dmg", dmg(text), facts{})
	add("xlsb", xlsb(word), facts{word: word})
	add("vsdx", visio("drawing", word), facts{word: word})
	add("vsdm", visio("drawing.macroEnabled", word), facts{word: word})
	add("wpd", "\xffWPC\x10\x00\x00\x00\x01\x0a\x00\x01\x00\x00\x00\x00"+word+"\n", facts{word: word})
	for _, format := range []convert.Format{"pages", "key", "numbers"} {
		add(format, iWork(format, word), facts{word: word})
	}
	add("mrw", mrw(), facts{})
	add("cr2", cr2(converttest.Negative()), facts{})
	add("orf", "IIRO"+converttest.Negative()[4:], facts{})
	add("rw2", "IIU\x00"+converttest.Negative()[4:], facts{})
	add("cbr", rar("1.png", png), facts{})
	add("amr", "#!AMR\n"+strings.Repeat("\x3c"+strings.Repeat("\x55", 31), 50*seconds), facts{})
	add("dxf", "0\nSECTION\n2\nENTITIES\n0\nLINE\n8\n0\n10\n0.0\n20\n0.0\n11\n100.0\n21\n50.0\n0\nENDSEC\n0\nEOF\n", facts{})
	add("abw", `<?xml version="1.0"?><abiword xmlns="http://www.abisource.com/awml.dtd" fileformat="1.1"><section><p>`+word+`</p></section></abiword>`, facts{word: word})
	add("azw4", azw4(wordy(t)), facts{word: word})
	add("xcf", xcf(), facts{size: size})
	for _, format := range []convert.Format{"dng", "3fr", "arw", "dcr", "erf", "kdc", "mef", "mos", "nef", "nrw", "pef", "raw", "sr2", "srf", "srw"} {
		add(format, converttest.Negative(), facts{}) // what the other cameras write begins like it; the name tells
	}
	const oldOffice = `<?xml version="1.0"?><office:document-content xmlns:office="http://openoffice.org/2000/office" xmlns:text="http://openoffice.org/2000/text" ` +
		`xmlns:table="http://openoffice.org/2000/table" xmlns:draw="http://openoffice.org/2000/drawing" xmlns:svg="http://www.w3.org/2000/svg" office:class="CLASS" office:version="1.0"><office:body>BODY</office:body></office:document-content>`
	const page = `<draw:page draw:name="p" draw:master-page-name="Default"><draw:text-box svg:x="1cm" svg:y="1cm" svg:width="9cm" svg:height="3cm"><text:p>` + word + `</text:p></draw:text-box></draw:page>`
	for class, c := range map[string]struct {
		formats []convert.Format
		body    string
	}{
		"writer":  {[]convert.Format{"sxw", "stw"}, `<text:p>` + word + `</text:p>`},
		"calc":    {[]convert.Format{"sxc", "stc"}, `<table:table table:name="t"><table:table-row><table:table-cell><text:p>` + word + `</text:p></table:table-cell></table:table-row></table:table>`},
		"impress": {[]convert.Format{"sxi"}, page},
		"draw":    {[]convert.Format{"sxd"}, page},
	} {
		inner := strings.NewReplacer("CLASS", map[string]string{"writer": "text", "calc": "spreadsheet", "impress": "presentation", "draw": "drawing"}[class], "BODY", c.body).Replace(oldOffice)
		for i, format := range c.formats {
			mime := "application/vnd.sun.xml." + class + []string{"", ".template"}[i]
			add(format, converttest.StoredZIP([2]string{"mimetype", mime}, [2]string{"content.xml", inner},
				[2]string{"META-INF/manifest.xml", `<?xml version="1.0"?><manifest:manifest xmlns:manifest="http://openoffice.org/2001/manifest"><manifest:file-entry manifest:media-type="` + mime +
					`" manifest:full-path="/"/><manifest:file-entry manifest:media-type="text/xml" manifest:full-path="content.xml"/></manifest:manifest>`}), facts{word: word})
		}
	}
	return made
}

// retyped makes Microsoft's formats that differ from another in what its list of types says alone.
func retyped(t *testing.T, m *matrix) (made []sample) {
	for _, c := range []struct {
		from, was, is string
		to            convert.Format
	}{
		{"docx", "wordprocessingml.document.main", "ms-word.template.macroEnabledTemplate.main", "dotm"},
		{"xlsx", "spreadsheetml.sheet.main", "ms-excel.template.macroEnabled.main", "xltm"},
		{"pptx", "presentationml.presentation.main", "ms-powerpoint.template.macroEnabled.main", "potm"},
		{"pptx", "presentationml.presentation.main", "ms-powerpoint.slideshow.macroEnabled.main", "ppsm"},
		{"pptx", "presentationml.presentation.main", "presentationml.slideshow.main", "ppsx"},
	} {
		path := filepath.Join(m.dir, "x."+c.from)
		if _, err := os.Stat(path); err != nil && !program(t, m.dir, "bash", "-euc", map[string]string{
			"docx": "pandoc -f gfm -o x.docx x.md", "xlsx": "soffice -env:UserInstallation=file://$PWD/office --headless --convert-to xlsx x.csv",
		}[c.from]+" >/dev/null") {
			continue
		}
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		var members [][2]string
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(r)
			r.Close()
			if f.Name == "[Content_Types].xml" {
				was := "application/vnd.openxmlformats-officedocument." + c.was
				is := "application/vnd." + c.is
				if !strings.HasPrefix(c.is, "ms-") {
					is = "application/vnd.openxmlformats-officedocument." + c.is
				}
				content = bytes.ReplaceAll(content, []byte(was), []byte(is))
			}
			members = append(members, [2]string{f.Name, string(content)})
		}
		z.Close()
		made = append(made, sample{m.write(t, "x."+string(c.to), converttest.ZIP(members...)), c.to, facts{word: word}})
	}
	return made
}

// lha is an archive of LHA with one member as it is (header of level 0, method -lh0-).
func lha(name, content string) string {
	le := binary.LittleEndian
	body := []byte("-lh0-")
	body = le.AppendUint32(body, uint32(len(content)))
	body = le.AppendUint32(body, uint32(len(content)))
	body = le.AppendUint32(body, 0x5a21_6000) // when, in DOS's way
	body = append(body, 0x20, 0, byte(len(name)))
	body = append(body, name...)
	body = le.AppendUint16(body, crc16(content))
	var sum byte
	for _, b := range body {
		sum += b
	}
	return string([]byte{byte(len(body)), sum}) + string(body) + content + "\x00"
}

// crc16 is the check sum of LHA: the polynomial 0xa001, from the low end.
func crc16(s string) (crc uint16) {
	for _, b := range []byte(s) {
		crc ^= uint16(b)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}

// rar is an archive of RAR 2.9 with one member as it is.
func rar(name, content string) string {
	le := binary.LittleEndian
	block := func(kind byte, flags uint16, rest []byte) string {
		head := le.AppendUint16(le.AppendUint16([]byte{kind}, flags), uint16(7+len(rest)))
		head = append(head, rest...)
		return string(le.AppendUint16(nil, uint16(crc32.ChecksumIEEE(head)))) + string(head)
	}
	file := le.AppendUint32(le.AppendUint32(nil, uint32(len(content))), uint32(len(content)))
	file = le.AppendUint32(append(file, 3), crc32.ChecksumIEEE([]byte(content)))
	file = append(le.AppendUint32(file, 0x5a21_6000), 20, 0x30) // when, in DOS's way; version 2; stored
	file = le.AppendUint32(le.AppendUint16(file, uint16(len(name))), 0o100644)
	return "Rar!\x1a\x07\x00" + block(0x73, 0, make([]byte, 6)) + block(0x74, 0x8000, append(file, name...)) + content + block(0x7b, 0x4000, nil)
}

// xcf is a picture of GIMP of one red layer, in tiles of 64 by 64: of each channel one long run.
func xcf() string {
	be := binary.BigEndian
	words := func(n ...uint32) (b []byte) {
		for _, v := range n {
			b = be.AppendUint32(b, v)
		}
		return b
	}
	w, h := uint32(size.X), uint32(size.Y)
	head := append([]byte("gimp xcf file\x00"), words(w, h, 0, 17, 1)...)
	head = append(append(head, 1), words(0, 0)...)
	layerAt := uint32(len(head) + 12)
	out := append(head, words(layerAt, 0, 0)...) // the layer, the end of layers, the end of channels
	layer := append(words(w, h, 0, 2), "l\x00"...)
	layer = append(layer, words(6, 4, 255, 8, 4, 1, 0, 0)...) // opaque, visible
	hierarchyAt := layerAt + uint32(len(layer)) + 8
	out = append(append(out, layer...), words(hierarchyAt, 0)...)
	levelAt := hierarchyAt + 20
	out = append(out, words(w, h, 3, levelAt, 0)...)
	whole, rest := "\x7f\x10\x00\xc8\x7f\x10\x00\x00\x7f\x10\x00\x00", "\x7f\x08\x00\xc8\x7f\x08\x00\x00\x7f\x08\x00\x00"
	at := levelAt + 8 + 4*3
	return string(append(out, words(w, h, at, at+uint32(len(whole)), 0)...)) + whole + rest
}

// azw4 is a PDF in a database of Palm's.
func azw4(pdf string) string {
	head := slices.Concat([]byte("x"), make([]byte, 59), []byte("BOOKMOBI"), make([]byte, 8), []byte{0, 1}, []byte{0, 0, 0, 88, 0, 0, 0, 0}, []byte{0, 0})
	return string(head) + pdf
}
