package azureblob_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
	"github.com/gantry-engine/gantry/exporters/azureblob"
	"github.com/gantry-engine/gantry/exporters/exportertest"
)

// put writes a blob with the vendor's client.
func (l *lab) put(t testing.TB, name, content string, metadata ...string) {
	t.Helper()
	options := &blockblob.UploadOptions{Metadata: map[string]*string{}}
	for i := 0; i < len(metadata); i += 2 {
		options.Metadata[metadata[i]] = &metadata[i+1]
	}
	if _, err := l.blob(t, name).Upload(t.Context(), streaming.NopCloser(strings.NewReader(content)), options); err != nil {
		t.Fatal(err)
	}
}

func TestImport(t *testing.T) {
	l := newLab(t)
	l.container = "private-container"
	if _, err := l.api(t, l.container).Create(t.Context(), nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
	for i := range 5 {
		l.put(t, fmt.Sprintf("in/%d.txt", i), fmt.Sprint("content ", i))
	}
	l.put(t, "in/deep/er/x.bin", "deep")
	l.put(t, "in/ö +&=#%.txt", "odd")
	l.put(t, "in/folder", "", "hdi_isfolder", "true")
	l.put(t, "in/marker/", "")
	read := l.sas(t, sas.ContainerPermissions{Read: true, List: true}, time.Time{}, time.Now().Add(day))
	l.Always(with(func(req *http.Request) *http.Response {
		if query := req.URL.Query(); query.Get("comp") == "list" && query.Has("sig") { // a SAS does not sign it, so pages can be made small
			query.Set("maxresults", "2")
			req.URL.RawQuery = query.Encode()
		}
		return nil
	}))
	for name, test := range map[string]struct {
		params map[string]any
		want   []string
		code   engine.Code
	}{
		"one":        {map[string]any{"blob": "in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"slash":      {map[string]any{"blob": "/in/1.txt"}, []string{"1.txt is content 1"}, ""},
		"odd":        {map[string]any{"blob": "in/ö +&=#%.txt"}, []string{"ö +&=#%.txt is odd"}, ""},
		"renamed":    {map[string]any{"blob": "in/1.txt", "filename": "other.txt"}, []string{"other.txt is content 1"}, ""},
		"pattern":    {map[string]any{"blob": "in/[12].txt"}, []string{"1.txt is content 1", "2.txt is content 2"}, ""},
		"prefix":     {map[string]any{"blob_prefix": "in/deep"}, []string{"deep/er/x.bin is deep"}, ""},
		"pages":      {map[string]any{"blob_prefix": "in/"}, []string{"0.txt", "1.txt", "2.txt", "3.txt", "4.txt", "deep/er/x.bin", "ö +&=#%.txt"}, ""},
		"missing":    {map[string]any{"blob": "in/nowhere.txt"}, nil, engine.NotFound},
		"none":       {map[string]any{"blob_prefix": "nowhere/"}, nil, engine.NotFound},
		"container":  {map[string]any{"blob_prefix": "in/", "container": "nowhere", "sas_token": nil, "storage_access_key": l.key}, nil, engine.NotFound},
		"write only": {map[string]any{"blob": "in/1.txt", "sas_token": l.sas(t, sas.ContainerPermissions{Write: true}, time.Time{}, time.Now().Add(day))}, nil, engine.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			params := map[string]any{"storage_access_key": nil, "sas_token": read}
			for k, v := range test.params {
				params[k] = v
			}
			task, got := l.Imported(t, "import/azure/blob", l.With(t, "", params))
			if task.Code != test.code {
				t.Fatalf("the import ended %s: %s", task.Code, task.Message)
			}
			for _, want := range test.want {
				file, content, exact := strings.Cut(want, " is ")
				if have, ok := got[file]; !ok || exact && have != content {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("got %d files %q, want %d", len(got), got, len(test.want))
			}
		})
	}
	if lists := l.Calls(call(http.MethodGet, "list")); !slices.ContainsFunc(lists, func(r *http.Request) bool { return r.URL.Query().Has("marker") }) {
		t.Error("no second page was asked for")
	}
	if task, got := l.Imported(t, "import/azure-blob", l.With(t, "in/1.txt", nil)); got["1.txt"] != "content 1" {
		t.Errorf("by its alias it ended %s: %s with %q", task.Code, task.Message, got)
	}
}

func TestOpen(t *testing.T) {
	l := newLab(t)
	l.put(t, "open/a", "0123456789")
	source, err := azureblob.Definition().Reading.Open(t.Context(), l.Env(), azureblob.ReadParams{Place: azureblob.Place{
		Account: l.account, AccessKey: param.Secret(l.key), Container: l.container, Endpoint: l.service(l.address)}})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	stat := exportertest.Reads(t, source, "open/a", "0123456789")
	l.put(t, "open/a", "changed...")
	if _, err := source.Open(t.Context(), stat, 4); engine.CodeOf(err) != engine.Conflict {
		t.Errorf("a changed blob: got %v, want %s", err, engine.Conflict)
	}
}

// TestBrokenDownload has downloads break off.
func TestBrokenDownload(t *testing.T) {
	l := newLab(t)
	l.Resumes(t, exportertest.Resumption{Operation: "import/azure/blob",
		Put:      func(name, content string) { l.put(t, name, content) },
		Download: call(http.MethodGet, ""),
		Params:   func(name string) map[string]any { return l.With(t, name, nil) }})
}
