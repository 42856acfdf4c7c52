package convert_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

func TestCSVToJSON(t *testing.T) {
	for name, c := range map[string]struct{ csv, want string }{
		"types": {"name,n\nÄ,1\n007,-2.50\n=1+1,1e5\n", `[
{"name":"Ä","n":1},
{"name":"007","n":-2.50},
{"name":"=1+1","n":"1e5"}
]
`},
		"semicolons, mark":   {"\xef\xbb\xbfa;b\n\"x;y\";2,3\n", "[\n{\"a\":\"x;y\",\"b\":\"2,3\"}\n]\n"},
		"tabs":               {"a\tb\n1\t<&>\n", "[\n{\"a\":1,\"b\":\"<&>\"}\n]\n"},
		"ragged":             {"a,b\n1\n1,2,3\n", "[\n{\"a\":1,\"b\":\"\"},\n{\"a\":1,\"b\":2,\"column_3\":3}\n]\n"},
		"names":              {"a,a,,a_2\n1,2,3,4\n", "[\n{\"a\":1,\"a_2\":2,\"column_3\":3,\"a_2_2\":4}\n]\n"},
		"windows line ends":  {"a\r\n\"b\r\nc\"\r\n", "[\n{\"a\":\"b\\nc\"}\n]\n"},
		"empty":              {"", "[]\n"},
		"header only":        {"a,b\n", "[]\n"},
		"stray quotes":       {"a\nsay \"hi\" now\n", "[\n{\"a\":\"say \\\"hi\\\" now\"}\n]\n"},
		"windows-1252":       {"a\ncaf\xe9\n", "[\n{\"a\":\"café\"}\n]\n"},
		"a very long number": {"a\n12345678901234567890\n", "[\n{\"a\":\"12345678901234567890\"}\n]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(input{content: []byte(c.csv), from: "csv", to: "json"}.output(t)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestJSONToCSV(t *testing.T) {
	for name, c := range map[string]struct{ json, want string }{
		"objects": {`[{"b":1,"a":"x,y"},{"c":null,"a":true,"n":{"k":[1, 2]}}]`,
			"b,a,c,n\n1,\"x,y\",,\n,true,,\"{\"\"k\"\":[1,2]}\"\n"},
		"arrays":       {`[["a","b"],[1,2.0],[]]`, "a,b\n1,2.0\n\n"},
		"one object":   {`{"a":1}`, "a\n1\n"},
		"nothing":      {`[]`, ""},
		"key twice":    {`[{"a":1,"a":2}]`, "a\n2\n"},
		"with a mark":  {"\xef\xbb\xbf[{\"a\":\"é\"}]", "a\né\n"},
		"large number": {`[{"a":1e400}]`, "a\n1e400\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(input{content: []byte(c.json), from: "json", to: "csv"}.output(t)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestXLSX(t *testing.T) {
	csv := "id,text\n1,=1+1\n007,+cmd|' /C calc'!A0\n-2.5,ü\n"
	path := input{content: []byte(csv), from: "csv", to: "xlsx"}.path(t)
	book, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for at, want := range map[string]excelize.CellType{
		"A2": excelize.CellTypeUnset, "A3": excelize.CellTypeInlineString, "B2": excelize.CellTypeInlineString,
	} {
		if got, err := book.GetCellType("Sheet1", at); err != nil || got != want {
			t.Errorf("%s: got type %v, %v, want %v", at, got, err, want)
		}
		if formula, err := book.GetCellFormula("Sheet1", at); err != nil || formula != "" {
			t.Errorf("%s: got formula %q, %v", at, formula, err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(input{content: content, from: "xlsx", to: "csv"}.output(t)); got != csv {
		t.Errorf("there and back got %q, want %q", got, csv)
	}
	got := string(input{content: content, from: "xlsx", to: "json"}.output(t))
	if !strings.Contains(got, `{"id":-2.5,"text":"ü"}`) {
		t.Errorf("got %s", got)
	}
}

func TestXLSXIsReadable(t *testing.T) {
	path := input{content: []byte("a,b\n1,x\n"), from: "csv", to: "xlsx"}.path(t)
	got := tool(t, "python3", "-c", `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(z.read("xl/worksheets/sheet1.xml").decode())`, path)
	if !strings.Contains(got, "<v>1</v>") {
		t.Errorf("got %s, want a number", got)
	}
}

func TestFormulaIsNotEvaluated(t *testing.T) {
	book := excelize.NewFile()
	defer book.Close()
	if err := errors.Join(
		book.SetCellValue("Sheet1", "A1", "a"), book.SetCellFormula("Sheet1", "A2", `=WEBSERVICE("http://127.0.0.1:1/")`),
	); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got := string(input{content: b.Bytes(), from: "xlsx", to: "csv"}.output(t)); strings.Contains(got, "WEBSERVICE") {
		t.Errorf("got %q, want no formula", got)
	}
}

func TestHostileTables(t *testing.T) {
	wide := strings.Repeat("a,", 1_000_000)
	small := convert.LimitsOf(engine.DefaultLimits())
	small.Text = 1000
	for name, c := range map[string]struct {
		in   input
		want string
	}{
		"a million columns":     {input{content: []byte(wide + "\n" + wide), from: "csv", to: "json"}, "columns"},
		"a million columns out": {input{content: []byte(wide), from: "csv", to: "xlsx"}, "columns"},
		"deep json": {input{content: []byte(`[{"a":` + strings.Repeat("[", 200_000)), from: "json", to: "csv"},
			"json file cannot be read"},
		"cut json":    {input{content: []byte(`[{"a":1},{"b`), from: "json", to: "csv"}, "cannot be read"},
		"json scalar": {input{content: []byte(`[1,2]`), from: "json", to: "csv"}, "no table"},
		"json mixed":  {input{content: []byte(`[{"a":1},[2]]`), from: "json", to: "csv"}, "no table"},
		"json text":   {input{content: []byte(`"a"`), from: "json", to: "csv"}, "no table"},
		"empty json":  {input{content: nil, from: "json", to: "csv"}, "cannot be read"},
		"many keys":   {input{content: manyKeys(20_000), from: "json", to: "csv"}, "columns"},
		"sparse":      {input{content: sparse(), from: "json", to: "csv"}, "times as large"},
		"endless quote": {input{content: []byte("a\n\"" + strings.Repeat("x\n", 5000)), from: "csv", to: "json",
			limits: small}, "One row"},
		"huge element": {input{content: []byte(`[{"a":"` + strings.Repeat("x", 9000) + `"}]`), from: "json", to: "csv",
			limits: small}, "One row"},
		"no workbook":    {input{content: []byte("PK\x03\x04 nothing"), from: "xlsx", to: "csv"}, "ZIP"},
		"empty workbook": {input{content: nil, from: "xlsx", to: "csv"}, "ZIP"},
		"bomb":           {input{content: workbookBomb(t), from: "xlsx", to: "csv"}, "more than this server allows"},
		"long cell":      {input{content: []byte(strings.Repeat("x", 40_000)), from: "csv", to: "xlsx"}, "cell"},
	} {
		t.Run(name, func(t *testing.T) { c.in.refused(t, c.want) })
	}
}

func manyKeys(n int) []byte {
	var b strings.Builder
	b.WriteString("[{")
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return []byte(b.String() + `"last":1}]`)
}

// sparse names many columns once and then has short rows, each of which is filled up.
func sparse() []byte {
	head := strings.TrimSuffix(string(manyKeys(10_000)), "]")
	return []byte(head + strings.Repeat(",{}", 20_000) + "]")
}

func workbookBomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTableEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	for _, from := range []convert.Format{"csv", "json"} {
		content := []byte("[[1]]")
		if _, err := (input{content: content, from: from, to: "xlsx"}).run(ctx, t); !errors.Is(err, reason) {
			t.Errorf("%s: got %v, want %v", from, err, reason)
		}
	}
}

func FuzzSheet(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2"))
	f.Add([]byte(`[{"a":1},{"b":[{}]}]`))
	f.Add([]byte("\xef\xbb\xbf[[1,null,\"\\u0000\"]]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]convert.Format{{"csv", "json"}, {"csv", "xlsx"}, {"json", "csv"}, {"xlsx", "csv"}} {
			_, err := convert.Convert(t.Context(), convert.NewSheets(), convert.Job{
				In: path, From: pair[0], To: pair[1], Dir: t.TempDir(), Limits: convert.LimitsOf(engine.DefaultLimits()),
			})
			if err != nil && (!refusal(err) || strings.Contains(err.Error(), "panic")) {
				t.Errorf("%v: %v", pair, err)
			}
		}
	})
}
