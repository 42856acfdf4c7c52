package all_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/media"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// TestBombs gives every engine of the catalog the files of its formats that are small and want much: each conversion must
// end within its bounds, and leave nothing beside its own folder. Those that may be converted take minutes, and are tried
// with -every-attack alone.
func TestBombs(t *testing.T) {
	box := boxOf(t, toolbox.Bubblewrap, time.Second)
	files := bombs(t)
	for _, e := range all.Engines(t.Context(), box, media.New(t.Context(), box)) {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			c, made := &canary{}, targets(e)
			for _, b := range files {
				if made[b.from] == nil || !b.refused && !*everyAttack {
					continue
				}
				dir := t.TempDir()
				job := convert.Job{
					In: filepath.Join(dir, "in."+string(b.from)), Name: "in." + string(b.from), From: b.from, To: made[b.from][0],
					Dir: filepath.Join(dir, "out"), Options: convert.DefaultOptions(), Limits: convert.LimitsOf(engine.DefaultLimits()),
				}
				job.Limits.Unpacked = 64 << 20
				if os.WriteFile(job.In, []byte(b.content()), 0o600) != nil || os.Mkdir(job.Dir, 0o700) != nil {
					t.Fatal("the folder of a conversion cannot be made")
				}
				_, err := c.convert(t, e, job, b.name)
				t.Logf("%s (%s): %v", b.name, b.from, err)
				if b.refused && err == nil {
					t.Errorf("%s (%s) is converted", b.name, b.from)
				}
				if left, _ := os.ReadDir(dir); len(left) != 2 {
					t.Errorf("%s (%s) left %v", b.name, b.from, left)
				}
			}
		})
	}
}

// bomb is a file that wants more than there is.
type bomb struct {
	name    string
	from    convert.Format
	content func() string
	refused bool // by whatever meets it
}

func bombs(t *testing.T) (all []bomb) {
	add := func(name string, from convert.Format, refused bool, content func() string) {
		all = append(all, bomb{name, from, content, refused})
	}
	for name, content := range pdftest.Hostile(t) {
		add(name, "pdf", false, func() string { return string(content) })
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="100">`
	add("laughing use", "svg", false, func() string {
		drawing := svg + `<defs><rect id="a0" width="9" height="9"/>`
		for n := range 30 {
			drawing += `<g id="a` + string(rune('A'+n)) + `">` + strings.Repeat(`<use xlink:href="#a`+map[bool]string{true: "0", false: string(rune('A' + n - 1))}[n == 0]+`"/>`, 10) + `</g>`
		}
		return drawing + `</defs><use xlink:href="#a` + string(rune('A'+29)) + `"/></svg>`
	})
	add("use of itself", "svg", false, func() string { return svg + `<g id="a"><use xlink:href="#a"/></g></svg>` })
	add("flood", "svg", false, func() string { return strings.Replace(svg, `"100"`, `"1000000"`, 2) + `</svg>` })
	add("laughs", "svg", false, func() string { return laughs("svg") + svg + `<text y="50">&z;</text></svg>` })
	add("laughs", "fodt", false, func() string {
		return strings.Replace(flatODF("text", `<office:body><office:text><text:p>&z;</text:p></office:text></office:body>`), `?><`, `?>`+laughs("office:document")+`<`, 1)
	})
	add("flood", "png", true, func() string { return flooded(picture(t, 8, 8, canaryColor)) })
	add("flood", "gif", true, func() string {
		return "GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;"
	})
	add("flood", "bmp", true, func() string {
		return "BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x00\x00\x10\x00\x00\x00\x10\x00\x01\x00\x18\x00" + strings.Repeat("\x00", 28)
	})
	const postscript = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n"
	add("loop", "ps", true, func() string { return postscript + "{} loop\n" })
	add("pages", "eps", true, func() string { return postscript + "{showpage} loop\n" })
	many := strings.Repeat(" ", 80<<20)
	add("bomb", "docx", false, func() string { return wordFile("<w:p><w:r><w:t>"+many+"</w:t></w:r></w:p>", "") })
	add("bomb", "odt", false, func() string {
		return zippedODF("text", `<office:body><office:text><text:p>`+many+`</text:p></office:text></office:body>`)
	})
	add("bomb", "epub", false, func() string {
		return packed(packedFile{"mimetype", "application/epub+zip"}, packedFile{"a.xhtml", many})
	})
	add("bomb", "xlsx", false, func() string {
		return openXML("xl/workbook.xml", "spreadsheetml.sheet", "<workbook>"+many+"</workbook>", "")
	})
	add("bomb", "zip", true, func() string { return packed(packedFile{"a", many}) })
	add("nested bomb", "zip", false, func() string {
		return packed(packedFile{"a.zip", packed(packedFile{"a.zip", packed(packedFile{"a", many})})})
	})
	add("slip", "zip", true, func() string { return packed(packedFile{"../slipped", "x"}) })
	add("backward slip", "zip", true, func() string { return packed(packedFile{`..\slipped`, "x"}) })
	add("absolute slip", "zip", true, func() string { return packed(packedFile{"/slipped", "x"}) })
	add("link", "tar", true, func() string {
		return tarred(tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../.."}, tar.Header{Name: "a/slipped"})
	})
	add("hard link", "tar", true, func() string { return tarred(tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}) })
	add("device", "tar", true, func() string { return tarred(tar.Header{Name: "a", Typeflag: tar.TypeBlock, Devmajor: 8}) })
	add("bomb", "tar.gz", true, func() string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		_ = w.WriteHeader(&tar.Header{Name: "a", Size: int64(len(many))}) // writing to memory does not fail
		_, _ = io.WriteString(w, many)
		_, _ = w.Close(), z.Close()
		return b.String()
	})
	add("bomb", "rar", true, func() string { return rarBomb(20_000) })
	add("dictionary", "rar", true, func() string {
		content, _ := rarRun(1)
		return claimed(rarClaim{name: "a", size: 1 << 50, dictionary: 15, method: 3}, content)
	})
	add("claim", "rar", true, func() string { return claimed(rarClaim{name: "a", size: 1 << 50}, "abc") })
	add("link", "rar", true, func() string { return claimed(rarClaim{name: "a", link: "/etc/passwd"}, "") })
	add("slip", "rar", true, func() string { return claimed(rarClaim{name: "../slipped", size: 1}, "x") })
	add("slip", "cbr", true, func() string { return rar("../slipped.png", "x") })
	add("slip", "jar", true, func() string { return packed(packedFile{"../slipped", "x"}) })
	add("slip", "lha", false, func() string { return lha("../slipped", "x") })
	for _, name := range []string{"../slipped", "/tmp/slipped", "a/slipped"} {
		add("cpio with "+name, "cpio", true, func() string { return cpio([2]string{"a", "../.."}, [2]string{name, ""}) })
	}
	for _, from := range []convert.Format{"epub", "docx", "odt", "htmlz", "cbz", "xps"} {
		add("slip", from, false, func() string {
			return packed(packedFile{"mimetype", "application/epub+zip"}, packedFile{"../slipped.png", "x"}, packedFile{`..\slipped.html`, "x"}, packedFile{"/slipped", "x"})
		})
	}
	add("nested a thousand times", "gz", false, func() string { return nested(1000) })
	add("nested a thousand times", "tar.gz", true, func() string { return nested(1000) })
	for _, from := range []convert.Format{"md", "html", "rst", "tex", "org"} {
		add("brackets", from, false, func() string { return strings.Repeat("[![$*{_`", 10_000) })
	}
	add("depth", "html", false, func() string { return strings.Repeat("<div><table><tr><td>", 2000) })
	add("columns", "csv", false, func() string { return strings.Repeat(",", 1<<20) })
	return all
}

// nested is a file that was packed with gzip again and again.
func nested(times int) string {
	inner := "seen"
	for range times {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, inner) // writing to memory does not fail
		_ = z.Close()
		inner = b.String()
	}
	return inner
}

// cpio is an archive of links and of empty files, each a name with where it points to.
func cpio(members ...[2]string) string {
	var all strings.Builder
	for i, m := range append(members, [2]string{"TRAILER!!!", ""}) {
		mode := map[bool]int{true: 0o100644, false: 0o120777}[m[1] == ""]
		fmt.Fprintf(&all, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", i+1, mode, 0, 0, 1, 0, len(m[1]), 0, 0, 0, 0, len(m[0])+1, 0, m[0]+"\x00")
		for all.Len()%4 > 0 {
			all.WriteByte(0)
		}
		for all.WriteString(m[1]); all.Len()%4 > 0; {
			all.WriteByte(0)
		}
	}
	return all.String()
}

// laughs are entities that become a billion words.
func laughs(root string) string {
	list := `<?xml version="1.0"?><!DOCTYPE ` + root + ` [<!ENTITY a "laugh">`
	for n := 'b'; n <= 'z'; n++ {
		list += `<!ENTITY ` + string(n) + ` "` + strings.Repeat("&"+string(n-1)+";", 10) + `">`
	}
	return list + `]>`
}

// flooded is a PNG that says to be 60,000 points wide and high.
func flooded(png string) string {
	b := []byte(png)
	binary.BigEndian.PutUint32(b[16:], 60_000)
	binary.BigEndian.PutUint32(b[20:], 60_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return string(b)
}

// tarred is a tar of entries without content.
func tarred(entries ...tar.Header) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
