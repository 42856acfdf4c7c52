package azureblob_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"pgregory.net/rapid"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/azureblob"
	"github.com/gantry-engine/gantry/exporters/exportertest"
)

const mib = 1 << 20

var (
	small = file{Name: "own.bin", Size: 70_001}
	large = file{Name: "own.bin", Size: 20*mib + 3}
	day   = 24 * time.Hour
)

func TestParameters(t *testing.T) {
	place := `"storage_account": "a", "container": "c"`
	key := place + `, "storage_access_key": "a2V5"`
	for _, test := range []struct{ params, field, problem string }{
		{place, "storage_access_key", "or sas_token is required"},
		{`"storage_account": "a", "sas_token": "sig=x"`, "container", "is required"},
		{`"container": "c", "sas_token": "sig=x"`, "storage_account", "is required"},
		{key, "", ""},
		{place + `, "sas_token": "some-token"`, "", ""},
		{key + `, "metadata": {}`, "", ""},
		{key + `, "metadata": []`, "", ""},
		{key + `, "metadata": {"x-ms-meta-some_key": "data", "_b2": 7}`, "", ""},
		{key + `, "metadata": {"some-key": "data"}`, "metadata", `has the name "some-key"`},
		{key + `, "metadata": {"2a": "data"}`, "metadata", `has the name "2a"`},
		{key + `, "metadata": {"": "data"}`, "metadata", `has the name ""`},
		{key + `, "metadata": {"ä": "data"}`, "metadata", `has the name "ä"`},
		{key + `, "metadata": {"a": "x\ny"}`, "metadata", "control character"},
		{key + `, "metadata": {"a": "x", "A": "y"}`, "metadata", "twice"},
		{key + `, "metadata": {"a": "` + strings.Repeat("x", 8<<10) + `"}`, "metadata", "Azure takes 8192"},
	} {
		t.Run(test.params[:min(90, len(test.params))], func(t *testing.T) {
			def := azureblob.Definition()
			params, problems := def.Params.Decode([]byte("{" + test.params + "}"))
			if problems == nil {
				problems = def.Validate(params)
			}
			switch {
			case test.problem == "" && len(problems) > 0:
				t.Errorf("got %v, want no problem", problems)
			case test.problem != "" && (len(problems) != 1 || problems[0].Field != test.field || !strings.Contains(problems[0].Message, test.problem)):
				t.Errorf("got %v, want one of %s: %s", problems, test.field, test.problem)
			}
		})
	}
	def := azureblob.Definition()
	params, _ := def.Reading.Params.Decode([]byte("{" + place + `, "blob": "b"}`))
	if problems := def.Reading.Validate(params); len(problems) != 1 {
		t.Errorf("import without a credential: got %v, want one problem", problems)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "/a": "a", "//a//b": "a//b", ".hidden": ".hidden", "a..b": "a..b", "a b.": "", "a./b": "", "..": "", "a/../b": "",
		".": "", "a/": "", "": "", "/": "", `a\b`: "", "a\x00b": "", "a\nb": "", "a\x7f": "", "a\xff": "",
		strings.Repeat("ä", 1024): strings.Repeat("ä", 1024), strings.Repeat("a", 1025): "",
	} {
		got, err := azureblob.Definition().Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q becomes %.40q, %v; want %.40q", name, got, err, want)
		}
	}
	l := newLab(t)
	for i, name := range []string{"n/a//b", "n/ lead and trail ", "n/%41%2F", "n/a=b&c+d;e", "n/~!@$^*()_-{}|'<>", "n/#?:\"[]", "n/\u202e\U0001F600"} {
		f := file{Name: "own.bin", Size: int64(i + 10)}
		l.Exported(t, f, l.With(t, name, nil))
		if !l.exists(t, name) {
			t.Errorf("the vendor's client does not find %q", name)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a/b.txt", "/a", "a./b", `a\b`, "..", "a\xff", "\u202e"} {
		f.Add(name)
	}
	clean := azureblob.Definition().Clean
	f.Fuzz(func(t *testing.T, name string) {
		got, err := clean(name)
		if err != nil {
			return
		}
		if again, err := clean(got); again != got || err != nil {
			t.Errorf("%q becomes %q, and that %q, %v", name, got, again, err)
		}
		address := (&url.URL{Path: "/c/" + got}).JoinPath("").Path
		if !strings.Contains(got, "//") && address != "/c/"+got {
			t.Errorf("%q is %q to whoever cleans addresses", got, address)
		}
	})
}

func TestCredentials(t *testing.T) {
	l := newLab(t)
	token := l.sas(t, sas.ContainerPermissions{Create: true, Write: true}, time.Time{}, time.Now().Add(day))
	unescaped, err := url.QueryUnescape(token)
	if err != nil {
		t.Fatal(err)
	}
	for name, changes := range map[string]map[string]any{
		"key":              {},
		"key-with-newline": {"storage_access_key": l.key + "\n"},
		"token":            {"storage_access_key": nil, "sas_token": token},
		"question-mark":    {"storage_access_key": nil, "sas_token": "?" + token},
		"url":              {"storage_access_key": nil, "sas_token": "https://a.blob.core.windows.net/c?" + token},
		"unescaped":        {"storage_access_key": nil, "sas_token": unescaped},
		"both":             {"sas_token": "sig=wrong"},
		"slash":            {"endpoint": l.service(l.address) + "/"},
		"endpoint-query":   {"endpoint": l.service(l.address) + "/?x=y#z"},
	} {
		t.Run(name, func(t *testing.T) {
			files := []file{small}
			if strings.HasPrefix(name, "t") || name == "key" {
				files = append(files, large)
			}
			for _, f := range files {
				task := l.Exported(t, f, l.With(t, "credentials/"+name, changes))
				if shown := exportertest.JSON(t, task); strings.Contains(shown, "sig=") || strings.Contains(shown, signature(t, token)) {
					t.Errorf("the task shows the signature: %s", shown)
				}
			}
		})
	}
	l.Stop(t)
	if log := l.Log(); strings.Contains(log, "sig=") || strings.Contains(log, signature(t, token)) || strings.Contains(log, l.key) {
		t.Error("the log shows a secret")
	}
	if reads := append(l.Calls(call(http.MethodGet, "")), l.Calls(call(http.MethodHead, ""))...); len(reads) > 0 {
		t.Errorf("an export reads, for which it may have no right: %s", reads[0].URL.Path)
	}
}

func signature(t testing.TB, token string) string {
	t.Helper()
	values, err := url.ParseQuery(token)
	if err != nil || values.Get("sig") == "" {
		t.Fatalf("the token has no signature: %v", err)
	}
	return values.Get("sig")
}

// TestRefusals asks the emulator for what it has to refuse.
func TestRefusals(t *testing.T) {
	l := newLab(t)
	now, write := time.Now(), sas.ContainerPermissions{Create: true, Write: true}
	good := l.sas(t, write, time.Time{}, now.Add(day))
	for name, test := range map[string]struct {
		token   string
		changes map[string]any
		code    engine.Code
		text    string
	}{
		"expired":      {token: l.sas(t, write, time.Time{}, now.Add(-time.Hour)), code: engine.Unauthorized, text: "The sas_token has expired: it was valid until"},
		"not yet":      {token: l.sas(t, write, now.Add(time.Hour), now.Add(day)), code: engine.Unauthorized, text: "The sas_token is not valid yet"},
		"no right":     {token: l.sas(t, sas.ContainerPermissions{Read: true}, time.Time{}, now.Add(day)), code: engine.Denied, text: "it needs the right c (create) and w (write)"},
		"altered":      {token: strings.Replace(good, "sp=cw", "sp=rcwd", 1), code: engine.Unauthorized, text: "The sas_token is not valid for this container"},
		"no signature": {token: "sv=2020-01-01&canary=1", code: engine.Invalid, text: "it has no signature"},
		"wrong key":    {changes: map[string]any{"storage_access_key": "Y2FuYXJ5Y2FuYXJ5"}, code: engine.Unauthorized, text: "is not one of the storage_account"},
		"no base64":    {changes: map[string]any{"storage_access_key": "canary!canary"}, code: engine.Invalid, text: "it is not base64"},
		"container":    {changes: map[string]any{"container": "nowhere"}, code: engine.NotFound, text: "There is no container of that name"},
		"bad name":     {changes: map[string]any{"container": "No/Where?"}, code: engine.Invalid, text: "Azure does not take the name"},
		"account":      {changes: map[string]any{"storage_account": "evil.example/", "endpoint": nil}, code: engine.Invalid, text: "The storage_account is not the name of one"},
		"container in": {changes: map[string]any{"endpoint": l.service(l.address) + "/" + l.container + "/"}, code: engine.Invalid, text: "The endpoint ends in the name of the container"},
		"no account":   {changes: map[string]any{"endpoint": "http://" + l.address}, code: engine.NotFound, text: "the endpoint has to end in it"},
		"endpoint":     {changes: map[string]any{"endpoint": "ftp://x"}, code: engine.Invalid, text: "The endpoint is not"},
	} {
		t.Run(name, func(t *testing.T) {
			changes := test.changes
			if test.token != "" {
				changes = map[string]any{"storage_access_key": nil, "sas_token": test.token}
			}
			task := l.Export(t, small, l.With(t, "refusals/"+name, changes))
			if task.Code != test.code || !strings.Contains(task.Message, test.text) {
				t.Errorf("got %s (%s), want %s: %s", task.Code, task.Message, test.code, test.text)
			}
			if shown := exportertest.JSON(t, task) + l.Log(); strings.Contains(shown, "sig=") || strings.Contains(shown, "canary") {
				t.Errorf("a secret is shown: %s", shown)
			}
		})
	}
}

// TestAnswers holds the texts for what an emulator does not say.
func TestAnswers(t *testing.T) {
	ago := func(d time.Duration) []string {
		return []string{"Date", time.Now().Add(-d).UTC().Format(http.TimeFormat)}
	}
	token := "?sv=2024-11-04&st=2026-01-01T00%3A00%3A00Z&se=2026-01-02&sp=r&sig=c2lnY2FuYXJ5"
	for _, test := range []struct {
		status        int
		code, message string
		header        []string
		sas           string
		want          engine.Code
		text          string
	}{
		{403, "AuthenticationFailed", "", ago(20 * time.Minute), "", engine.Unauthorized, "This server's clock differs by 120"},
		{403, "AuthenticationFailed", "", ago(-20 * time.Minute), "", engine.Unauthorized, "This server's clock differs by 1"},
		{403, "AuthenticationFailed", "", ago(time.Minute), "", engine.Unauthorized, "The storage_access_key is not one"},
		{403, "AuthenticationFailed", "", []string{"Date", "Fri, 02 Jan 2026 00:00:00 GMT"}, token, engine.Unauthorized,
			"The sas_token has expired: it was valid until 2026-01-02T00:00:00Z."},
		{403, "AuthenticationFailed", "", []string{"Date", "Wed, 31 Dec 2025 23:59:00 GMT"}, token, engine.Unauthorized, "The sas_token is not valid yet"},
		{403, "AuthenticationFailed", "", []string{"Date", "Thu, 01 Jan 2026 12:00:00 GMT"}, token, engine.Unauthorized, "The sas_token is not valid for this"},
		{403, "AuthorizationPermissionMismatch", "", nil, token, engine.Denied, "The sas_token does not allow to read here: it needs the right r (read)."},
		{403, "AuthorizationFailure", "", nil, "", engine.Denied, "its firewall"},
		{403, "AuthorizationSourceIPMismatch", "", nil, token, engine.Denied, "for other addresses"},
		{403, "AuthorizationProtocolMismatch", "", nil, token, engine.Denied, "for https alone"},
		{403, "KeyBasedAuthenticationNotPermitted", "", nil, "", engine.Denied, "does not take its keys"},
		{403, "InsufficientAccountPermissions", "", nil, "", engine.Denied, "does not allow to read"},
		{409, "PublicAccessNotPermitted", "", nil, "", engine.Denied, "refuses access without a signature"},
		{409, "BlobArchived", "", nil, "", engine.Conflict, "The blob is archived"},
		{409, "BlobImmutableDueToPolicy", "", nil, "", engine.Conflict, "A policy of the container"},
		{412, "LeaseIdMissing", "", nil, "", engine.Conflict, "has a lease"},
		{412, "ConditionNotMet", "", nil, "", engine.Conflict, "was changed while"},
		{404, "ContainerNotFound", "", nil, "", engine.NotFound, "There is no container"},
		{404, "BlobNotFound", "", nil, "", engine.NotFound, "There is no such blob"},
		{404, "", "", nil, "", engine.NotFound, "There is no such blob or container"},
		{503, "ServerBusy", "", []string{"Retry-After", "7"}, "", engine.RateLimited, "Azure answered 503 ServerBusy"},
		{500, "OperationTimedOut", "", nil, "", engine.Timeout, "Azure answered 500"},
		{500, "InternalError", "", nil, "", engine.Unavailable, "Azure answered 500"},
		{400, "Md5Mismatch", "", nil, "", engine.Unavailable, "damaged on its way"},
		{400, "Crc64Mismatch", "", nil, "", engine.Unavailable, "damaged on its way"},
		{400, "InvalidHeaderValue", "The value for c2lnY2FuYXJ5 is wrong.", nil, token, engine.Invalid, "The value for [redacted] is wrong."},
		{400, "InvalidXmlDocument", "", nil, "", engine.Invalid, "Azure answered 400 InvalidXmlDocument."},
		{403, "AuthorizationFailure", "Server failed to authenticate the request.", nil, "", engine.Unauthorized, "The storage_access_key is not one"},
		{307, "", "", []string{"Location", "http://127.0.0.1:1/"}, "", engine.Invalid, "which is not followed"},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.code, " ", test.want), func(t *testing.T) {
			w := &exportertest.Wire{}
			w.Always(with(func(r *http.Request) *http.Response {
				return answer(r, test.status, test.code, test.message, test.header...)
			}))
			p := azureblob.ReadParams{Place: azureblob.Place{Account: "acc", Container: "c", AccessKey: "a2V5"}}
			if test.sas != "" {
				p.AccessKey, p.SAS = "", "?sv=2024-11-04&st=2026-01-01T00%3A00%3A00Z&se=2026-01-02&sp=r&sig=c2lnY2FuYXJ5"
			}
			source, err := azureblob.Definition().Reading.Open(t.Context(), w.Env(), p)
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Open(t.Context(), exporters.Object{Name: "b"}, 0)
			if engine.CodeOf(err) != test.want || !strings.Contains(engine.MessageOf(err), test.text) {
				t.Errorf("got %s: %s; want %s: %s", engine.CodeOf(err), engine.MessageOf(err), test.want, test.text)
			}
			if text := err.Error(); strings.Contains(text, "c2lnY2FuYXJ5") || strings.Contains(text, "sig=") {
				t.Errorf("the error shows the signature: %s", text)
			}
			if len(w.Heads()) != 1 {
				t.Errorf("%d requests were made, want one", len(w.Heads()))
			}
			if got := w.Heads()[0].URL.Host; got != "acc.blob.core.windows.net" {
				t.Errorf("the request went to %s", got)
			}
		})
	}
}

// TestWire looks at what is sent.
func TestWire(t *testing.T) {
	l := newLab(t)
	l.Exported(t, small, l.With(t, "wire/small", nil))
	l.Exported(t, large, l.With(t, "wire/large", nil))
	puts, blocks, lists := l.Calls(call(http.MethodPut, "")), l.Calls(call(http.MethodPut, "block")), l.Calls(call(http.MethodPut, "blocklist"))
	if len(puts) != 1 || len(blocks) != 3 || len(lists) != 1 || len(l.Heads()) != 5 {
		t.Fatalf("%d puts, %d blocks, %d lists of %d requests; want 1, 3, 1 of 5", len(puts), len(blocks), len(lists), len(l.Heads()))
	}
	for _, r := range l.Heads() {
		for name := range r.Header {
			if slices.Contains([]string{"X-Ms-Blob-Public-Access", "X-Ms-Access-Tier", "Expect"}, name) {
				t.Errorf("%s has the header %s", r.URL, name)
			}
		}
		if agent := r.Header.Get("User-Agent"); strings.Contains(agent, "azsdk") {
			t.Errorf("the SDK tells about itself: %s", agent)
		}
		if r.URL.Query().Get("restype") != "" {
			t.Errorf("a call is about the container: %s", r.URL)
		}
	}
	if !has(puts[0], "Content-MD5") {
		t.Error("the put has no MD5")
	}
	if !has(lists[0], "x-ms-blob-content-md5") {
		t.Errorf("the list does not set the blob's MD5: %v", lists[0].Header)
	}
	ids := map[string]bool{}
	for _, r := range blocks {
		if !has(r, "Content-Md5") {
			t.Errorf("a block has no MD5: %v", r.Header)
		}
		ids[r.URL.Query().Get("blockid")] = true
	}
	if len(ids) != 3 {
		t.Errorf("the blocks have %d ids, want 3", len(ids))
	}
}

// has reports whether a request has a header; the SDK does not write their names in the usual form.
func has(r *http.Request, name string) bool {
	for n := range r.Header {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// TestDamage has bytes change on their way: the store must notice, by the sums that go with them.
func TestDamage(t *testing.T) {
	for comp, f := range map[string]file{"": small, "block": large} {
		t.Run("comp="+comp, func(t *testing.T) {
			l := newLab(t)
			l.Once(call(http.MethodPut, comp), with(func(req *http.Request) *http.Response {
				whole, err := io.ReadAll(req.Body)
				if err != nil {
					t.Error(err)
				}
				whole[len(whole)/2] ^= 1
				req.Body = io.NopCloser(bytes.NewReader(whole))
				return nil
			}))
			l.Exported(t, f, l.With(t, "damage/"+f.Digest(t), nil))
			l.Stop(t)
			if !strings.Contains(l.Log(), "The file was damaged on its way to Azure.") {
				t.Error("the store took damaged bytes")
			}
		})
	}
}

func TestProperties(t *testing.T) {
	l := newLab(t)
	twenty := map[string]any{}
	for i := range 20 {
		twenty[fmt.Sprintf("Name_%d", i)] = fmt.Sprint("value ", i)
	}
	for name, test := range map[string]struct{ metadata, want map[string]any }{
		"none":   {nil, nil},
		"one":    {map[string]any{"some_key": "data"}, map[string]any{"some_key": "data"}},
		"prefix": {map[string]any{"x-ms-meta-some_key": "data"}, map[string]any{"some_key": "data"}},
		"twenty": {twenty, twenty},
		"odd":    {map[string]any{"a": "  two  spaces ", "b": "ü"}, map[string]any{"a": "two spaces", "b": "=?utf-8?b?w7w=?="}},
	} {
		files := []file{{Name: "page.html", Text: "<!DOCTYPE html><html></html>"}}
		if name == "odd" {
			files = append(files, large)
		}
		for _, f := range files {
			t.Run(fmt.Sprint(name, " ", f.Name), func(t *testing.T) {
				blob := "properties/" + name + f.Name
				l.Exported(t, f, l.With(t, blob, map[string]any{"metadata": test.metadata}))
				got, err := l.blob(t, blob).GetProperties(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				for key, want := range test.want {
					found := slices.Collect(func(yield func(string) bool) {
						for k, v := range got.Metadata {
							if strings.EqualFold(k, key) && !yield(*v) {
								return
							}
						}
					})
					if len(found) != 1 || found[0] != want {
						t.Errorf("the metadata %s is %q, want %q", key, found, want)
					}
				}
				if len(got.Metadata) != len(test.want) {
					t.Errorf("there are %d metadata, want %d", len(got.Metadata), len(test.want))
				}
				if len(got.ContentMD5) == 0 {
					t.Error("the blob has no MD5")
				}
			})
		}
	}
}

func TestBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(8*mib+1, 50_000*4000*mib).Draw(t, "size")
		checkBlocks(t, size)
	})
	for _, size := range []int64{8*mib + 1, 16 * mib, 195 << 30, 50_000 * 8 * mib, 50_000*8*mib + 1, 50_000*9*mib + 1, 50_000 * 4000 * mib} {
		checkBlocks(t, size)
	}
	one := exporters.Delivery{ID: "0190-0", File: engine.File{SHA256: "s", Size: 20 * mib}}
	two := one
	two.ID = "0190-1"
	all := append(azureblob.BlockIDs(one, 8*mib, 300), azureblob.BlockIDs(two, 8*mib, 300)...)
	all = append(all, azureblob.BlockIDs(one, 9*mib, 300)...)
	seen := map[string]bool{}
	for _, id := range all {
		if len(id) != len(all[0]) || len(id) > 64 || seen[id] {
			t.Fatalf("the id %q is there twice, or has another length than %q", id, all[0])
		}
		seen[id] = true
	}
	if !slices.Equal(azureblob.BlockIDs(one, 8*mib, 300), all[:300]) {
		t.Error("the ids of a delivery change")
	}
}

func checkBlocks(t interface{ Errorf(string, ...any) }, size int64) {
	block := azureblob.BlockSize(size)
	count := (size + block - 1) / block
	if count > 50_000 || block > 4000*mib || block%mib != 0 || size-(count-1)*block <= 0 {
		t.Errorf("%d bytes go in %d blocks of %d", size, count, block)
	}
}

// TestCrowded has the blob keep another program's blocks, beside which ours are refused.
func TestCrowded(t *testing.T) {
	for _, code := range []string{"InvalidBlobOrBlock", "BlockCountExceedsLimit"} {
		t.Run(code, func(t *testing.T) {
			l, name := newLab(t), "crowded/"+code
			body := streaming.NopCloser(strings.NewReader("other"))
			if _, err := l.blob(t, name).StageBlock(t.Context(), "b3RoZXI=", body, nil); err != nil {
				t.Fatal(err)
			}
			l.Always(with(func(req *http.Request) *http.Response {
				if req.URL.Query().Get("comp") == "block" {
					return answer(req, http.StatusBadRequest, code, "")
				}
				return nil
			}))
			l.Exported(t, large, l.With(t, name, nil))
			if puts := l.Calls(call(http.MethodPut, "")); len(puts) != 1 {
				t.Errorf("%d requests had the whole file, want one", len(puts))
			}
			// The emulator keeps the block when the whole blob is put, as Azure does not; other tests want none left.
			if _, err := l.blob(t, name).CommitBlockList(t.Context(), []string{"b3RoZXI="}, nil); err != nil {
				t.Error(err)
			}
			if left := l.uncommitted(t, name); len(left) > 0 {
				t.Errorf("blocks are left: %q", left)
			}
		})
	}
}

// TestOtherWriter has somebody else write the blob between our blocks and their list: the list must be refused, and the
// file be sent again as a whole.
func TestOtherWriter(t *testing.T) {
	l, name := newLab(t), "other/writer"
	l.Once(call(http.MethodPut, "blocklist"), with(func(*http.Request) *http.Response {
		id, body := base64.StdEncoding.EncodeToString(make([]byte, 24)), streaming.NopCloser(strings.NewReader("other"))
		if _, err := l.blob(t, name).StageBlock(t.Context(), id, body, nil); err != nil {
			t.Error(err)
		}
		if _, err := l.blob(t, name).CommitBlockList(t.Context(), []string{id}, nil); err != nil {
			t.Error(err)
		}
		return nil
	}))
	l.Exported(t, large, l.With(t, name, nil))
	if n := len(l.Calls(call(http.MethodPut, "block"))); n != 6 {
		t.Errorf("%d blocks were sent, want 3 and 3 again", n)
	}
}

// TestGoesOn has the list of blocks fail once: the blocks that are there must not be sent again.
func TestGoesOn(t *testing.T) {
	l := newLab(t)
	l.Once(call(http.MethodPut, "blocklist"), with(func(req *http.Request) *http.Response {
		return answer(req, http.StatusServiceUnavailable, "ServerBusy", "", "Retry-After", "1")
	}))
	l.Exported(t, large, l.With(t, "goes/on", nil))
	if blocks, lists := len(l.Calls(call(http.MethodPut, "block"))), len(l.Calls(call(http.MethodPut, "blocklist"))); blocks != 3 || lists != 2 {
		t.Errorf("%d blocks and %d lists were sent, want 3 and 2", blocks, lists)
	}
}

// TestTokenExpires has the SAS expire while blocks are under way: that must be said, and not be tried again.
func TestTokenExpires(t *testing.T) {
	l := newLab(t)
	now := time.Now()
	token := l.sas(t, sas.ContainerPermissions{Create: true, Write: true, Delete: true}, time.Time{}, now.Add(time.Hour))
	l.Once(call(http.MethodPut, "block"), with(func(req *http.Request) *http.Response {
		return answer(req, http.StatusForbidden, "AuthenticationFailed", "", "Date", now.Add(2*time.Hour).UTC().Format(http.TimeFormat))
	}))
	task := l.Export(t, large, l.With(t, "token/expires", map[string]any{"storage_access_key": nil, "sas_token": token}))
	if task.Code != engine.Unauthorized || !strings.Contains(task.Message, "The sas_token has expired") {
		t.Errorf("it ended %s: %s", task.Code, task.Message)
	}
	if n := len(l.Calls(call(http.MethodPut, "block"))); n > 3 {
		t.Errorf("%d blocks were tried, want at most 3", n)
	}
	if left := l.Unfinished(t); len(left) > 0 {
		t.Errorf("left unfinished: %q", left)
	}
}

// TestBlocksOverExisting holds what Promises.StaysUnder says: the old blob is untouched, our blocks stay unseen, and the next
// export over it removes them.
func TestBlocksOverExisting(t *testing.T) {
	l, name := newLab(t), "existing/blob"
	l.Exported(t, small, l.With(t, name, nil))
	before, err := l.blob(t, name).GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Once(call(http.MethodPut, "blocklist"), with(func(req *http.Request) *http.Response {
		return answer(req, http.StatusForbidden, "AuthorizationFailure", "")
	}))
	if task := l.Export(t, large, l.With(t, name, nil)); task.Code != engine.Denied {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	l.Holds(t, name, small)
	after, err := l.blob(t, name).GetProperties(t.Context(), nil)
	if err != nil || *after.ETag != *before.ETag {
		t.Errorf("the old blob was touched, %v", err)
	}
	if len(l.uncommitted(t, name)) == 0 {
		t.Error("no block stays, so Promises.StaysUnder says too little")
	}
	l.Exported(t, large, l.With(t, name, nil))
	if left := l.uncommitted(t, name); len(left) > 0 {
		t.Errorf("there are still blocks: %v", left)
	}
}

func TestDiscard(t *testing.T) {
	l, name := newLab(t), "discard/new"
	def := azureblob.Definition()
	state := []byte(exportertest.JSON(t, map[string]any{"container": l.container, "blob": name, "block": 8 * mib}))
	stage := func() {
		body := streaming.NopCloser(strings.NewReader("ours"))
		if _, err := l.blob(t, name).StageBlock(t.Context(), "b3Vycw==", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	discard := func(rights sas.ContainerPermissions) error {
		token := l.sas(t, rights, time.Time{}, time.Now().Add(day))
		params, problems := def.Params.Decode([]byte(exportertest.JSON(t, l.With(t, "", map[string]any{"storage_access_key": nil, "sas_token": token}))))
		if problems != nil {
			t.Fatal(problems)
		}
		return def.Discard(t.Context(), l.Env(), params, state)
	}
	stage()
	err := discard(sas.ContainerPermissions{Create: true, Write: true})
	if engine.CodeOf(err) != engine.Denied || !strings.Contains(engine.MessageOf(err), "d (delete)") {
		t.Errorf("without the right to delete: got %v", err)
	}
	if l.exists(t, name) || len(l.uncommitted(t, name)) != 1 {
		t.Error("without the right to delete the blocks should stay as they are")
	}
	for range 2 { // it bears repeating
		if err := discard(sas.ContainerPermissions{Create: true, Write: true, Delete: true}); err != nil {
			t.Error(err)
		}
	}
	if l.exists(t, name) || len(l.Unfinished(t)) > 0 {
		t.Error("something is left")
	}
}

// TestMemory exports a file of many blocks: they must pass through, not be held.
func TestMemory(t *testing.T) {
	l := newLab(t)
	f := file{Name: "own.bin", Size: 96 * mib}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	task := l.Export(t, f, l.With(t, "memory", nil))
	runtime.ReadMemStats(&after)
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16*mib {
		t.Errorf("%d MiB were allocated for %d MiB", got/mib, f.Size/mib)
	}
	l.Holds(t, "memory", f)
}

func TestCheck(t *testing.T) {
	l := newLab(t)
	def := azureblob.Definition()
	write := sas.ContainerPermissions{Create: true, Write: true}
	for name, test := range map[string]struct {
		changes map[string]any
		want    []string
	}{
		"key":       {nil, []string{"true The blob service answers at http://", "true It takes the storage_access_key.", "true The container is there", "true By what it says of itself"}},
		"a folder":  {map[string]any{"blob": "in/here/a.txt"}, []string{"true", "true", "true", "true"}},
		"wrong key": {map[string]any{"storage_access_key": "Y2FuYXJ5"}, []string{"true The blob service", "false The storage_access_key is not one"}},
		"container": {map[string]any{"container": "nowhere"}, []string{"true The blob service", "true It takes", "false There is no container"}},
		"no server": {map[string]any{"endpoint": "http://127.0.0.1:1"}, []string{"false Azure"}},
		"token": {map[string]any{"storage_access_key": nil, "sas_token": l.sas(t, write, time.Time{}, time.Now().Add(day))},
			[]string{"true The blob service", "true It takes the sas_token.", "true The container is there", "true The sas_token is valid until",
				"false The sas_token does not say that it has the right d"}},
		"read only": {map[string]any{"storage_access_key": nil, "sas_token": l.sas(t, sas.ContainerPermissions{Read: true}, time.Time{}, time.Now().Add(day))},
			[]string{"true The blob service", "false The sas_token does not allow to write here"}},
	} {
		t.Run(name, func(t *testing.T) {
			params, problems := def.Params.Decode([]byte(exportertest.JSON(t, l.With(t, "", test.changes))))
			if problems != nil {
				t.Fatal(problems)
			}
			found := def.Check(t.Context(), l.Env(), params)
			for i, f := range found {
				if i >= len(test.want) || !strings.HasPrefix(fmt.Sprint(f.OK, " ", f.Text), test.want[i]) {
					t.Errorf("finding %d is %v %s, want %q", i, f.OK, f.Text, test.want)
				}
			}
			if len(found) != len(test.want) {
				t.Errorf("%d findings, want %d", len(found), len(test.want))
			}
			if l.exists(t, "gantry-check") || len(l.Unfinished(t)) > 0 {
				t.Error("something is left behind")
			}
		})
	}
}
