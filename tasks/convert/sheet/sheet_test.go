package sheet_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/sheet"
)

var sheets = sheet.New()

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
			if got := string(converttest.Output(t, sheets, c.csv, convert.Job{From: "csv", To: "json"})); got != c.want {
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
			if got := string(converttest.Output(t, sheets, c.json, convert.Job{From: "json", To: "csv"})); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestXLSX(t *testing.T) {
	csv := "id,text\n1,=1+1\n007,+cmd|' /C calc'!A0\n-2.5,ü\n"
	path := converttest.Path(t, sheets, csv, convert.Job{From: "csv", To: "xlsx"})
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
	if got := string(converttest.Output(t, sheets, content, convert.Job{From: "xlsx", To: "csv"})); got != csv {
		t.Errorf("there and back got %q, want %q", got, csv)
	}
	got := string(converttest.Output(t, sheets, content, convert.Job{From: "xlsx", To: "json"}))
	if !strings.Contains(got, `{"id":-2.5,"text":"ü"}`) {
		t.Errorf("got %s", got)
	}
}

func TestXLSXIsReadable(t *testing.T) {
	path := converttest.Path(t, sheets, "a,b\n1,x\n", convert.Job{From: "csv", To: "xlsx"})
	got := converttest.Tool(t, "python3", "-c", `import sys, zipfile
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
	if got := string(converttest.Output(t, sheets, b.Bytes(), convert.Job{From: "xlsx", To: "csv"})); strings.Contains(got, "WEBSERVICE") {
		t.Errorf("got %q, want no formula", got)
	}
}

func TestHostileTables(t *testing.T) {
	wide := strings.Repeat("a,", 1_000_000)
	small := convert.LimitsOf(engine.DefaultLimits())
	small.Text = 1000
	for name, c := range map[string]struct {
		content string
		job     convert.Job
		want    string
	}{
		"a million columns":     {wide + "\n" + wide, convert.Job{From: "csv", To: "json"}, "columns"},
		"a million columns out": {wide, convert.Job{From: "csv", To: "xlsx"}, "columns"},
		"deep json": {`[{"a":` + strings.Repeat("[", 200_000), convert.Job{From: "json", To: "csv"},
			"json file cannot be read"},
		"cut json":    {`[{"a":1},{"b`, convert.Job{From: "json", To: "csv"}, "cannot be read"},
		"json scalar": {`[1,2]`, convert.Job{From: "json", To: "csv"}, "no table"},
		"json mixed":  {`[{"a":1},[2]]`, convert.Job{From: "json", To: "csv"}, "no table"},
		"json text":   {`"a"`, convert.Job{From: "json", To: "csv"}, "no table"},
		"empty json":  {"", convert.Job{From: "json", To: "csv"}, "cannot be read"},
		"many keys":   {manyKeys(20_000), convert.Job{From: "json", To: "csv"}, "columns"},
		"sparse":      {sparse(), convert.Job{From: "json", To: "csv"}, "times as large"},
		"endless quote": {"a\n\"" + strings.Repeat("x\n", 5000), convert.Job{From: "csv", To: "json",
			Limits: small}, "One row"},
		"huge element": {`[{"a":"` + strings.Repeat("x", 9000) + `"}]`, convert.Job{From: "json", To: "csv",
			Limits: small}, "One row"},
		"no workbook":    {"PK\x03\x04 nothing", convert.Job{From: "xlsx", To: "csv"}, "ZIP"},
		"empty workbook": {"", convert.Job{From: "xlsx", To: "csv"}, "ZIP"},
		"bomb":           {workbookBomb(t), convert.Job{From: "xlsx", To: "csv"}, "more than this server allows"},
		"long cell":      {strings.Repeat("x", 40_000), convert.Job{From: "csv", To: "xlsx"}, "cell"},
	} {
		t.Run(name, func(t *testing.T) { converttest.Refused(t, sheets, c.content, c.job, c.want) })
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString("[{")
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return b.String() + `"last":1}]`
}

// sparse names many columns once and then has short rows, each of which is filled up.
func sparse() string {
	head := strings.TrimSuffix(manyKeys(10_000), "]")
	return head + strings.Repeat(",{}", 20_000) + "]"
}

func workbookBomb(t *testing.T) string {
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
	return b.String()
}

func TestTableEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("cancelled by the user")
	cancel(reason)
	for _, from := range []convert.Format{"csv", "json"} {
		content := []byte("[[1]]")
		if _, err := converttest.Convert(ctx, t, sheets, content, convert.Job{From: from, To: "xlsx"}); !errors.Is(err, reason) {
			t.Errorf("%s: got %v, want %v", from, err, reason)
		}
	}
}

func FuzzSheet(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2"))
	f.Add([]byte(`[{"a":1},{"b":[{}]}]`))
	f.Add([]byte("\xef\xbb\xbf[[1,null,\"\\u0000\"]]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, pair := range [][2]convert.Format{{"csv", "json"}, {"csv", "xlsx"}, {"json", "csv"}, {"xlsx", "csv"}} {
			_, err := converttest.Convert(t.Context(), t, sheets, content, convert.Job{From: pair[0], To: pair[1]})
			if err != nil && (!converttest.Refusal(err) || strings.Contains(err.Error(), "panic")) {
				t.Errorf("%v: %v", pair, err)
			}
		}
	})
}
