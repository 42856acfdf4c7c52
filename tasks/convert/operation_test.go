package convert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/enginetest"
	"github.com/gantry-engine/gantry/tasks/convert"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/embedded"
)

// catalog is shared: compiling the HEIC decoder takes a second.
var catalog = convert.New(embedded.Engines()...)

type stored struct{ Name, Content string }

// convertTask runs import and conversion and returns the second.
func convertTask(t *testing.T, params string, files ...stored) (*enginetest.Server, engine.Task) {
	t.Helper()
	s := enginetest.Start(t, enginetest.Bringing("import/test", files...), convert.Operation(catalog))
	job := s.MustEnd(t, s.MustSubmit(t,
		enginetest.Task("in", "import/test", ""), enginetest.Task("out", "convert", params, "in")).ID)
	return s, enginetest.Named(t, job, "out")
}

func TestOperation(t *testing.T) {
	png := string(converttest.PNG(8, 4))
	for name, c := range map[string]struct {
		params string
		files  []stored
		want   []string
		mime   string
		engine string
	}{
		"name by default": {`{"output_format":"jpg"}`, []stored{{"a.b.png", png}}, []string{"a.b.jpg"}, "image/jpeg", "imagelib"},
		"alias": {`{"output_format":"JPEG","quality":"50"}`,
			[]stored{{"a.png", png}}, []string{"a.jpg"}, "image/jpeg", "imagelib"},
		"filename": {`{"output_format":"webp","filename":"x.webp"}`,
			[]stored{{"a.png", png}}, []string{"x.webp"}, "image/webp", "imagelib"},
		"content, not name": {`{"output_format":"jpg"}`, []stored{{"a.md", png}}, []string{"a.jpg"}, "image/jpeg", "imagelib"},
		"several": {`{"output_format":"jpg","filename":"page-%d.jpg"}`, []stored{{"a.png", png}, {"b.png", png}},
			[]string{"page-1.jpg", "page-2.jpg"}, "image/jpeg", "imagelib"},
		"several, one name": {`{"output_format":"jpg","filename":"p.jpg"}`, []stored{{"a.png", png}, {"b.png", png}},
			[]string{"p-1.jpg", "p-2.jpg"}, "image/jpeg", "imagelib"},
		"input format": {`{"output_format":"html","input_format":"markdown"}`, []stored{{"README", "# hi"}},
			[]string{"README.html"}, "text/html", "plain"},
		"engine": {`{"output_format":"pdf","engine":"plain"}`,
			[]stored{{"a.txt", "hi"}}, []string{"a.pdf"}, "application/pdf", "plain"},
		"engine as clients call it": {`{"output_format":"tar","engine":"archivetool"}`,
			[]stored{{"a.zip", converttest.ZIP([2]string{"a.txt"})}}, []string{"a.tar"}, "application/x-tar", "archivelib"},
		"unknown option": {`{"output_format":"json","sharpness":"x"}`, []stored{{"a.csv", "a\n1\n"}}, []string{"a.json"},
			"application/json", "sheetlib"},
	} {
		t.Run(name, func(t *testing.T) {
			_, task := convertTask(t, c.params, c.files...)
			if task.Status != engine.StatusFinished {
				t.Fatalf("got %s, %s", task.Code, task.Message)
			}
			var got []string
			for _, f := range task.Result.Files {
				got = append(got, f.Name)
				if f.MIME != c.mime {
					t.Errorf("got type %s, want %s", f.MIME, c.mime)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if task.Engine != c.engine || task.EngineVersion == "" {
				t.Errorf("got engine %q %q, want %s", task.Engine, task.EngineVersion, c.engine)
			}
		})
	}
}

func TestOutputIsStored(t *testing.T) {
	s, task := convertTask(t, `{"output_format":"csv"}`, stored{"a.json", `[{"a":1}]`})
	if got := s.Content(t, task.Result.Files[0]); got != "a\n1\n" {
		t.Errorf("got %q", got)
	}
}

func TestOperationFails(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		files  []stored
		code   engine.Code
		want   string
	}{
		"unsupported": {`{"output_format":"csv"}`, []stored{{"a.png", "\x89PNG\r\n\x1a\n"}}, engine.Unsupported, "bmp, gif, jpg"},
		"unsupported engine": {`{"output_format":"zip","engine":"archivelib"}`,
			[]stored{{"a.txt", "x"}}, engine.Unsupported, "txt"},
		"damaged": {`{"output_format":"jpg"}`, []stored{{"a.png", "\x89PNG\r\n\x1a\n"}}, engine.Invalid, "damaged"},
		"one of two": {`{"output_format":"pdf"}`, []stored{{"a.txt", "x"}, {"b.png", "\x89PNG\r\n\x1a\n"}}, engine.Invalid,
			"b.png: The png file is damaged"},
		"unknown": {`{"output_format":"pdf"}`, []stored{{"a", "\x00\x01\xff"}}, engine.Invalid, "cannot be told"},
		"svg in disguise": {`{"output_format":"jpg"}`, []stored{{"photo.heic", `<svg xmlns="http://www.w3.org/2000/svg"/>`}},
			engine.Unsupported, "svg"},
		"too large": {`{"output_format":"jpg"}`,
			[]stored{{"a.png", string(converttest.PNGHeader(60000, 60000))}}, engine.TooLarge, "megapixels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, task := convertTask(t, c.params, c.files...)
			if task.Code != c.code || !strings.Contains(task.Message, c.want) {
				t.Errorf("got %s %q, want %s with %q", task.Code, task.Message, c.code, c.want)
			}
		})
	}
}

func TestOperationChecks(t *testing.T) {
	png := stored{"a.png", string(converttest.PNG(8, 4))}
	s := enginetest.Start(t, enginetest.Bringing("import/test", png), convert.Operation(catalog))
	job := s.MustEnd(t, s.MustSubmit(t, enginetest.Task("in", "import/test", "")).ID)
	for name, c := range map[string]struct{ params, field, want string }{
		"no output":       {`{}`, "output_format", "is required"},
		"unknown output":  {`{"output_format":"docx"}`, "output_format", "must be one of bmp, cbz, csv"},
		"unknown engine":  {`{"output_format":"jpg","engine":"office"}`, "engine", "imagelib"},
		"unknown version": {`{"output_format":"jpg","engine":"imagelib","engine_version":"0"}`, "engine_version", "must be"},
		"impossible pair": {`{"output_format":"jpg","input_format":"csv"}`, "input_format", "It can convert csv to json, xlsx."},
		"wrong engine":    {`{"output_format":"jpg","input_format":"png","engine":"plain"}`, "input_format", "cannot convert png"},
		"quality":         {`{"output_format":"jpg","quality":101}`, "quality", "from 1 to 100"},
		"fit":             {`{"output_format":"jpg","fit":"pad"}`, "fit", "must be one of max, crop, scale"},
		"stored input":    {`{"output_format":"csv"}`, "output_format", "a.png: This server cannot convert png to csv."},
	} {
		t.Run(name, func(t *testing.T) {
			input := string(enginetest.Named(t, job, "in").ID)
			_, err := s.Submit(t.Context(), s.User, engine.Submission{
				Tasks: []engine.TaskSpec{enginetest.Task("out", "convert", c.params, input)}})
			var e *engine.Error
			if !errors.As(err, &e) || len(e.Problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if got := e.Problems[0]; got.Field != "tasks.out."+c.field || !strings.Contains(got.Message, c.want) {
				t.Errorf("got %v, want %q of %s", got, c.want, c.field)
			}
		})
	}
}

func TestRows(t *testing.T) {
	rows := convert.Operation(catalog).Rows()
	if len(rows) < 100 {
		t.Fatalf("got %d rows", len(rows))
	}
	for _, row := range rows {
		if row.Engine == "" || row.EngineVersion == "" || row.InputFormat == "" || row.OutputFormat == "" || row.Alternative {
			t.Errorf("got row %+v", row)
		}
	}
	at := slices.IndexFunc(rows, func(r engine.Row) bool { return r.InputFormat == "heic" && r.OutputFormat == "jpg" })
	if at < 0 || len(rows[at].Options) != 5 || rows[at].Options[4].Default != 85 {
		t.Errorf("got row %+v, want five options", rows[max(at, 0)])
	}
}
