package all_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/all"
	"github.com/gantry-engine/gantry/tasks/pdf/pdftest"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// glutton is a job that wants more than there is.
type glutton struct {
	name      string // of the file
	operation string
	params    string
	content   string
	want      engine.Code // "" if it may be done, or be refused in any clear way
	slow      bool        // it is left until a bound ends it
}

// clear are the codes of what was refused because of the file.
var clear = []engine.Code{"", engine.Invalid, engine.TooLarge, engine.Timeout, engine.Unsupported}

// TestGluttons sends all of them to one engine at once. Each ends with a clear code, the next job runs, and nothing is left:
// no file in the work folder, and no process once the box is closed.
func TestGluttons(t *testing.T) {
	box := openBox(t, toolbox.Bubblewrap, 10*time.Second)
	limits := engine.DefaultLimits()
	limits.FreeSpace, limits.ArchiveBytes, limits.Run = 0, 64<<20, 2*time.Minute
	s := enginetest.New(t, enginetest.Config{Operations: append(all.Operations(t.Context(), box), bringing()), Limits: limits, Slots: 2, Now: time.Now})
	s.Start(t)
	sound := []engine.TaskSpec{brings("in", stored{"a.csv", "a,b\n"}), enginetest.Task("do", "convert", `{"output_format":"pdf"}`, "in")}
	ids := map[engine.ID]glutton{}
	for _, g := range gluttons(t) {
		if g.slow && !*everyAttack {
			continue
		}
		ids[s.MustSubmit(t, brings("in", stored{g.name, g.content}), enginetest.Task("do", g.operation, g.params, "in")).ID] = g
	}
	for id, g := range ids {
		task := enginetest.Named(t, s.MustEnd(t, id), "do")
		t.Logf("%s %s %s: %s after %s: %s", g.name, g.operation, g.params, task.Code, task.EndedAt.Sub(task.StartedAt).Round(time.Millisecond), task.Message)
		if g.want != "" && task.Code != g.want || !slices.Contains(clear, task.Code) {
			t.Errorf("%s, %s %s: got %q (%s), want %q", g.name, g.operation, g.params, task.Code, task.Message, g.want)
		}
		(&canary{}).said(t, g.name, task.Message)
	}
	if job := s.MustEnd(t, s.MustSubmit(t, sound...).ID); job.Status != engine.StatusFinished {
		t.Errorf("the next job: %s", enginetest.Summary(job))
	}
	if left, err := os.ReadDir(s.WorkDir); err != nil || len(left) > 0 {
		t.Errorf("left in the work folder: %v, %v", left, err)
	}
	s.Stop(t)
	box.Close()
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
}

// descendants are the command lines of what a process started, and that in turn.
func descendants(of int) (lines []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		_, rest, _ := strings.Cut(string(text), ") ")
		words := strings.Fields(rest)
		if len(words) < 2 || words[1] != strconv.Itoa(of) || words[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		lines = append(append(lines, strings.ReplaceAll(string(line), "\x00", " ")), descendants(pid)...)
	}
	return lines
}

func gluttons(t *testing.T) (found []glutton) {
	t.Helper()
	add := func(name, to string, want engine.Code, content string) {
		found = append(found, glutton{name: name, operation: "convert", params: `{"output_format":"` + to + `"}`, content: content, want: want})
	}
	letters := bytes.Repeat([]byte("a"), 96<<20) // zeros would be an empty tar
	for name, program := range map[string][]string{
		"a.gz": {"gzip", "-1"}, "a.bz2": {"bzip2"}, "a.xz": {"xz", "-1", "-T1"}, "a.zst": {"zstd", "-q"}, "a.lz": {"lzip", "-0"}, "a.lzo": {"lzop"}, "a.lzma": {"xz", "-1", "--format=lzma"},
		"a.7z": {"sh", "-c", `cd "$0" && cat > a && 7zz a -mx1 -bso0 -bsp0 a.7z a && cat a.7z`, t.TempDir()},
	} {
		add(name, "tar", engine.TooLarge, compressed(t, letters, program...))
	}
	add("a.zip", "tar", engine.Invalid, overlapping(500, string(letters[:8<<20])))
	add("nested.zip", "tar", "", packed(packedFile{"a.zip", packed(packedFile{"a.zip", packed(packedFile{"a", string(letters[:32<<20])})})}))
	add("a.rar", "tar", engine.TooLarge, rarBomb(25_000))
	add("nested.gz", "tar", "", nested(1000))
	add("names.zip", "tar", engine.TooLarge, overlapping(100_001, "x"))
	for name, content := range floods(t) {
		add(name, "jpg", engine.TooLarge, content)
		found = append(found, glutton{name: name, operation: "thumbnail", params: `{"output_format":"png","width":10}`, content: content, want: engine.TooLarge})
	}
	add("a.webp", "jpg", engine.Invalid, floodedWebP)
	add("frames.gif", "webp", "", manyFrames(100_000))
	found = append(found, glutton{name: "frames.gif", operation: "thumbnail", params: `{"output_format":"png","width":10}`, content: manyFrames(100_000)})
	tiles := "<</Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.00001/YStep 0.00001/Resources<</Pattern<</P 5 0 R>>>>/Length 30>>stream\n/Pattern cs /P scn 0 0 1 1 re f\nendstream"
	found = append(found, glutton{name: "tiles.pdf", operation: "convert", params: `{"output_format":"svg"}`, want: engine.Timeout, slow: true, content: string(pdftest.Written(
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Pattern<</P 5 0 R>>>>>>",
		"<</Length 34>>stream\n/Pattern cs /P scn 0 0 300 300 re f\nendstream", tiles))})
	add("wide.svg", "png", engine.TooLarge, `<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"/>`)
	return slices.Concat(found, manyPages(), greedyDocuments(), greedyCommands())
}

// compressed is what a program makes of its input.
func compressed(t *testing.T, in []byte, command ...string) string {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		enginetest.Missing(t, command[0])
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		t.Fatalf("%s makes %d bytes: %v", command[0], len(out), err)
	}
	return string(out)
}

// overlapping is a ZIP of as many entries, all of which are the same bytes.
func overlapping(entries int, content string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("000000")
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err != nil || z.Close() != nil {
		panic("a ZIP in memory cannot fail")
	}
	whole := b.Bytes()
	end := len(whole) - 22
	start := int(binary.LittleEndian.Uint32(whole[end+16:]))
	entry, tail := slices.Clone(whole[start:end]), slices.Clone(whole[end:])
	out := bytes.NewBuffer(whole[:start:start])
	for n := range entries {
		copy(entry[46:], fmt.Sprintf("%06d", n))
		out.Write(entry)
	}
	size := out.Len() - start
	if entries > 0xffff { // the ZIP64 record says how many
		at := out.Len()
		record := make([]byte, 56+20)
		copy(record, "PK\x06\x06")
		binary.LittleEndian.PutUint64(record[4:], 44)
		for _, offset := range []int{24, 32} {
			binary.LittleEndian.PutUint64(record[offset:], uint64(entries))
		}
		binary.LittleEndian.PutUint64(record[40:], uint64(size))
		binary.LittleEndian.PutUint64(record[48:], uint64(start))
		copy(record[56:], "PK\x06\x07")
		binary.LittleEndian.PutUint64(record[64:], uint64(at))
		record[72] = 1
		out.Write(record)
	}
	for _, offset := range []int{8, 10} {
		binary.LittleEndian.PutUint16(tail[offset:], uint16(min(entries, 0xffff)))
	}
	binary.LittleEndian.PutUint32(tail[12:], uint32(size))
	out.Write(tail)
	return out.String()
}

// floods are small pictures that say to be very large.
func floods(t *testing.T) map[string]string {
	t.Helper()
	big := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	short := func(n uint16) string { return string(binary.LittleEndian.AppendUint16(nil, n)) }
	long := func(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
	entry := func(tag uint16, value uint32) string { return short(tag) + short(4) + long(1) + long(value) }
	heif := func(format string) string {
		path := filepath.Join(t.TempDir(), "a.png")
		if err := os.WriteFile(path, []byte(picture(t, 64, 64, color.White)), 0o600); err != nil {
			t.Fatal(err)
		}
		output(t, nil, "vips", "copy", path, strings.TrimSuffix(path, ".png")+"."+format)
		content, err := os.ReadFile(strings.TrimSuffix(path, ".png") + "." + format)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(content), "ispe\x00\x00\x00\x00"+big(64)+big(64), "ispe\x00\x00\x00\x00"+big(60_000)+big(60_000))
	}
	codestream := uint64(3)<<1 | uint64(999_999)<<3 | uint64(1)<<33 | uint64(1)<<36 // SizeHeader of ISO/IEC 18181-1, square
	return map[string]string{
		"a.png":  flooded(picture(t, 8, 8, color.White)),
		"a.gif":  "GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;",
		"a.tif":  "II*\x00" + long(8) + short(6) + entry(256, 1_000_000) + entry(257, 1_000_000) + entry(258, 8) + entry(262, 1) + entry(273, 8) + entry(279, 8) + long(0),
		"a.bmp":  "BM" + long(58) + long(0) + long(54) + long(40) + long(1_000_000) + long(1_000_000) + short(1) + short(24) + strings.Repeat("\x00", 28),
		"a.psd":  "8BPS\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03" + big(30_000) + big(30_000) + "\x00\x08\x00\x03" + strings.Repeat("\x00", 64),
		"a.jxl":  "\xff\x0a" + string(binary.LittleEndian.AppendUint64(nil, codestream)) + strings.Repeat("\x00", 32),
		"a.avif": heif("avif"), "a.heic": heif("heic"),
		"a.jp2": "\x00\x00\x00\x0cjP  \r\n\x87\n" + big(20) + "ftypjp2 \x00\x00\x00\x00jp2 " + big(45) + "jp2h" + big(22) + "ihdr" + big(1_000_000) + big(1_000_000) + "\x00\x03\x07\x07\x00\x00" +
			big(15) + "colr\x01\x00\x00" + big(16) + big(0) + "jp2c\xff\x4f\xff\x51",
		"a.jpg": "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00" + strings.Repeat("\x00", 64),
		"a.ppm": "P6\n1000000 1000000\n255\n" + strings.Repeat("\x00", 64),
		"a.xcf": "gimp xcf file\x00" + big(250_000) + big(250_000) + big(0) + strings.Repeat("\x00", 64),
	}
}

// floodedWebP says to be 65,536 points wide and high. The format ends at 16,384.
const floodedWebP = "RIFF\x32\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\xff\xff\x00" +
	"VP8L\x14\x00\x00\x00\x2f\xff\xff\xff\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// manyFrames is a GIF of as many frames of one point.
func manyFrames(n int) string {
	return "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00" + strings.Repeat("!\xf9\x04\x00\x01\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00", n) + ";"
}

// greedyDocuments are office documents that are small as files alone.
func greedyDocuments() (found []glutton) {
	many := strings.Repeat("<w:p><w:r><w:t>x</w:t></w:r></w:p>", 5_000_000)
	table := func(repeated string) string {
		return zippedODF("spreadsheet", `<office:body><office:spreadsheet><table:table table:name="A"><table:table-row table:number-rows-repeated="1048576"><table:table-cell `+repeated+
			` office:value-type="string"><text:p>x</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet></office:body>`)
	}
	for _, g := range []struct{ name, to, content string }{
		{"paragraphs.docx", "pdf", wordFile(many, "")}, {"paragraphs.odt", "docx", zippedODF("text", `<office:body><office:text>`+strings.Repeat("<text:p>x</text:p>", 5_000_000)+`</office:text></office:body>`)},
		{"laughs.fodt", "pdf", strings.Replace(flatODF("text", `<office:body><office:text><text:p>&z;</text:p></office:text></office:body>`), `?><`, `?>`+laughs("office:document")+`<`, 1)},
		{"cells.ods", "pdf", table(`table:number-columns-repeated="16384"`)}, {"cells.ods", "csv", table(`table:number-columns-repeated="16384"`)}, {"cells.ods", "xlsx", table(`table:number-columns-repeated="16384"`)},
		{"cells.xlsx", "csv", cells(`<dimension ref="A1:XFD1048576"/><cols><col min="1" max="16384" width="9"/></cols><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>`)},
		{"cells.xlsx", "pdf", cells(`<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>`)},
		{"wide.csv", "xlsx", strings.Repeat("1,", 16_384) + "1\n"}, {"wide.csv", "pdf", strings.Repeat("1,", 16_384) + "1\n"}, {"wide.csv", "json", strings.Repeat(strings.Repeat("1,", 16_384)+"1\n", 100)},
		{"wide.svg", "pdf", `<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"/>`},
	} {
		found = append(found, glutton{name: g.name, operation: "convert", params: `{"output_format":"` + g.to + `"}`, content: g.content, slow: true})
	}
	return found
}

// cells is a workbook of one sheet.
func cells(sheet string) string { return sheetOf("", sheet) }

// sheetOf is a workbook of one sheet, before which something stands.
func sheetOf(before, sheet string) string {
	const main = `http://schemas.openxmlformats.org/spreadsheetml/2006/main`
	return openXML("xl/workbook.xml", "spreadsheetml.sheet", `<workbook xmlns="`+main+`" xmlns:r="`+relationships+`"><sheets><sheet name="A" sheetId="1" r:id="s1"/></sheets></workbook>`,
		`<Relationship Id="s1" Type="`+relationships+`/worksheet" Target="worksheets/sheet1.xml"/>`,
		packedFile{"xl/worksheets/sheet1.xml", xmlHead + before + `<worksheet xmlns="` + main + `">` + sheet + `</worksheet>`})
}

// greedyCommands go on for ever, leave processes behind, or write all they can. None starts more than 100 processes.
func greedyCommands() (found []glutton) {
	for name, tt := range map[string]struct {
		script string
		want   engine.Code
		slow   bool
	}{
		"processes.lua": {"os.execute('i=0; while [ $i -lt 100 ]; do setsid sleep 1000 & i=$((i+1)); done')", "", false},
		"signals.lua":   {"os.execute('trap \"\" TERM INT HUP; sleep 0; kill -STOP $$')", engine.Timeout, true},
		"loop.lua":      {"while true do end", engine.Timeout, true},
		"sparse.lua":    {"os.execute('truncate -s 900M /output/a /output/b')", "", true},
		"written.lua":   {"os.execute('for i in 1 2 3 4 5 6; do head -c 300M /dev/zero > /output/$i; done')", engine.TooLarge, true},
		"printed.lua":   {"while true do print(string.rep('x', 1000)) end", engine.TooLarge, false},
		"files.lua":     {"os.execute('cd /output; i=0; while [ $i -lt 11000 ]; do : > $i; i=$((i+1)); done')", engine.TooLarge, false},
		"links.lua":     {"os.execute('ln -s /etc/passwd /output/a; ln -s . /output/b; mkfifo /output/c; mkdir -p /output/d/e; chmod 0 /output/d')", "", false},
		"deep.lua":      {"os.execute('cd /output; i=0; while [ $i -lt 300 ]; do mkdir -m 0 0123456789; chmod 700 0123456789; cd -P 0123456789; i=$((i+1)); done; : > a')", "", false},
	} {
		params := `{"engine":"pandoc","command":"pandoc","arguments":"-t plain --lua-filter=/input/in/` + name + ` /dev/null"}`
		found = append(found, glutton{name: name, operation: "command", params: params, content: tt.script, want: tt.want, slow: tt.slow})
	}
	return found
}

// manyPages are PDFs of very many pages, or of one without end, for every operation that counts them.
func manyPages() (found []glutton) {
	const catalog, page = "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %[1]d]>>"
	many := string(pdftest.Written(catalog, "<</Type/Pages/Count 1000000/Kids["+strings.Repeat("3 0 R ", 1_000_000)+"]>>", fmt.Sprintf(page, 99)))
	shared := []string{catalog}
	for n := range 6 { // each of them ten times the next
		shared = append(shared, fmt.Sprintf("<</Type/Pages/Count 1000000/Kids[%s]>>", strings.Repeat(fmt.Sprintf("%d 0 R ", n+3), 10)))
	}
	for name, content := range map[string]string{
		"many.pdf": many, "shared.pdf": string(pdftest.Written(append(shared, fmt.Sprintf(page, 99))...)),
		"wide.pdf": string(pdftest.Written(catalog, "<</Type/Pages/Count 1/Kids[3 0 R]>>", fmt.Sprintf(page, 1_000_000))),
	} {
		for _, do := range [][2]string{
			{"convert", `{"output_format":"png"}`}, {"convert", `{"output_format":"txt"}`}, {"thumbnail", `{"output_format":"png"}`}, {"optimize", `{}`}, {"merge", `{"output_format":"pdf"}`},
			{"watermark", `{"text":"x"}`}, {"pdf/split-pages", `{}`}, {"pdf/rotate-pages", `{"rotation":"90"}`}, {"pdf/encrypt", `{"set_password":"x"}`}, {"pdf/ocr", `{}`}, {"pdf/a", `{}`}, {"metadata", `{}`},
		} {
			found = append(found, glutton{name: name, operation: do[0], params: do[1], content: content, slow: name == "many.pdf"})
		}
	}
	return found
}

// TestFullWorkFolder works where the disk is smaller than what comes of the files. It needs a file system of its own, and so
// root.
func TestFullWorkFolder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", work, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(work, syscall.MNT_DETACH) })
	begun := time.Now()
	s := enginetest.New(t, enginetest.Config{Dir: dir, Operations: append(all.Operations(t.Context(), boxOf(t, toolbox.Bubblewrap, time.Minute)), bringing()),
		Now: func() time.Time { return begun.Add(100 * time.Since(begun)) }}) // a full disk is tried five times, with pauses
	s.Start(t)
	large := packed(packedFile{"a", strings.Repeat("0123456789", 1<<20)[:9<<20] + picture(t, 8, 8, color.White)})
	for name, tt := range map[string]struct {
		operation, params, name, content string
	}{
		"library":  {"convert", `{"output_format":"tar"}`, "a.zip", large},
		"program":  {"convert", `{"output_format":"bmp","engine":"imagemagick"}`, "a.png", picture(t, 2400, 1200, color.White)},
		"film":     {"command", `{"engine":"ffmpeg","command":"ffmpeg","arguments":"-f lavfi -i testsrc -t 60 -f rawvideo /output/a"}`, "a.txt", "x"},
		"archive":  {"archive", `{"output_format":"tar"}`, "a.bin", strings.Repeat("x", 12<<20)},
		"document": {"convert", `{"output_format":"pdf","engine":"libreoffice"}`, "a.csv", strings.Repeat("a,b\n", 3<<20)},
	} {
		job := s.MustEnd(t, s.MustSubmit(t, brings("in", stored{tt.name, tt.content}), enginetest.Task("do", tt.operation, tt.params, "in")).ID)
		task := enginetest.Named(t, job, "do")
		t.Logf("%s: %s %s", name, task.Code, task.Message)
		if task.Code != engine.Unavailable || !strings.Contains(task.Message, "disk is full") {
			t.Errorf("%s: got %q: %s", name, task.Code, task.Message)
		}
	}
	job := s.MustEnd(t, s.MustSubmit(t, brings("in", stored{"a.csv", "a,b\n"}), enginetest.Task("do", "convert", `{"output_format":"xlsx"}`, "in")).ID)
	if left, err := os.ReadDir(work); job.Status != engine.StatusFinished || err != nil || len(left) > 0 {
		t.Errorf("afterwards: %s, %v is left, %v", enginetest.Summary(job), left, err)
	}
}
