package gcs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/gcs"
)

func TestParameters(t *testing.T) {
	def := gcs.Definition()
	whole := map[string]any{"project_id": "p", "bucket": "b", "client_email": "some-email", "private_key": "some-key"}
	for _, missing := range []string{"", "project_id", "bucket", "client_email", "private_key"} {
		t.Run(missing, func(t *testing.T) {
			params := map[string]any{}
			for k, v := range whole {
				if k != missing {
					params[k] = v
				}
			}
			_, problems := def.Params.Decode([]byte(exportertest.JSON(t, params)))
			_, reading := def.Reading.Params.Decode([]byte(exportertest.JSON(t, params)))
			if missing == "" {
				if len(problems)+len(reading) > 0 {
					t.Errorf("got %v and %v, want no problem", problems, reading)
				}
				return
			}
			if len(problems) != 1 || problems[0].Field != missing || len(reading) != 1 {
				t.Errorf("got %v and %v, want one of %s each", problems, reading, missing)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "/a": "a", "//a//b": "a//b", ".hidden": ".hidden", "a..b": "a..b", "a b.": "a b.", `a\b`: `a\b`,
		"..": "", "a/../b": "", "a/./b": "", ".": "", "a/": "", "": "", "/": "", "a\nb": "", "a\rb": "", "a\xff": "",
		".well-known/acme-challenge/x": "", strings.Repeat("ä", 512): strings.Repeat("ä", 512), strings.Repeat("a", 1025): "",
	} {
		got, err := gcs.Definition().Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q becomes %.40q, %v; want %.40q", name, got, err, want)
		}
	}
	l := newLab(t)
	for i, name := range []string{"n/ lead and trail ", "n/%41%2F", "n/a=b&c+d;e", "n/~!@$^*()_-{}|'<>", "n/#?:\"[]", `n/back\slash`, "n/\u202e\U0001F600"} {
		for _, size := range []int64{10, 9 * mib} {
			f := file{Name: "own.bin", Size: size + int64(i)}
			task := l.exported(t, f, l.With(t, name, nil))
			if task.Result.Files[0].Facts["key"] != name {
				t.Errorf("%q arrived as %q", name, task.Result.Files[0].Facts["key"])
			}
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a/b.txt", "/a", "a/../b", `a\b`, "..", "a\xff", "\u202e"} {
		f.Add(name)
	}
	clean := gcs.Definition().Clean
	f.Fuzz(func(t *testing.T, name string) {
		got, err := clean(name)
		if err != nil {
			return
		}
		if again, err := clean(got); again != got || err != nil {
			t.Errorf("%q becomes %q, and that %q, %v", name, got, again, err)
		}
	})
}

// TestPrivateKeys holds EXP-GCS-08: a key in any form in which it may come, and no echo of one that is none.
func TestPrivateKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	armoured := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	pkcs8 := armoured("PRIVATE KEY", der, err)
	pkcs1 := armoured("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err = x509.MarshalPKCS8PrivateKey(curve)
	elliptical := armoured("PRIVATE KEY", der, err)
	for name, text := range map[string]string{
		"PKCS #8": pkcs8, "PKCS #1": pkcs1,
		"literal \\n":        strings.ReplaceAll(pkcs8, "\n", `\n`),
		"doubly escaped":     strings.ReplaceAll(pkcs8, "\n", `\\n`),
		"literal \\r\\n":     strings.ReplaceAll(pkcs1, "\n", `\r\n`),
		"CRLF":               strings.ReplaceAll(pkcs8, "\n", "\r\n"),
		"CR":                 strings.ReplaceAll(pkcs8, "\n", "\r"),
		"no last line end":   strings.TrimSpace(pkcs8),
		"spaces":             strings.ReplaceAll(pkcs1, "\n", " "),
		"in quotes":          `"` + strings.ReplaceAll(pkcs8, "\n", `\n`) + `"`,
		"PKCS #8, named RSA": strings.ReplaceAll(pkcs8, " PRIVATE", " RSA PRIVATE"),
		"indented":           strings.ReplaceAll(pkcs8, "\n", "\n    "),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := gcs.KeyOf(text); err != nil || !got.Equal(key) {
				t.Errorf("got %v, %v; want the key", got != nil, err)
			}
		})
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":      {"", "not one in PEM"},
		"seed":       {"-----BEGIN PRIVATE KEY-----\nXXXXXXXXXXXX....", "not one in PEM"},
		"cut off":    {pkcs8[:200], "not one in PEM"},
		"damaged":    {pkcs8[:200] + pkcs8[300:], "is damaged"},
		"not base64": {strings.Replace(pkcs8, "\nMII", "\ncanary!", 1), "is damaged"},
		"encrypted":  {strings.ReplaceAll(pkcs8, "PRIVATE", "ENCRYPTED PRIVATE"), "is encrypted"},
		"old cipher": {strings.Replace(pkcs1, "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n", 1), "is encrypted"},
		"curve":      {elliptical, "RSA keys"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gcs.KeyOf(test.text)
			if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), test.want) {
				t.Fatalf("got %v, want %s: %s", err, engine.Invalid, test.want)
			}
			if strings.Contains(err.Error(), "canary") || len(test.text) > 150 && strings.Contains(err.Error(), test.text[60:80]) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func FuzzPrivateKeys(f *testing.F) {
	f.Add(otherKey())
	f.Add(strings.ReplaceAll(otherKey(), "\n", `\n`))
	f.Add("-----BEGIN PRIVATE KEY-----\nXXXXXXXXXXXX....")
	f.Add("-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := gcs.KeyOf(text)
		if (key == nil) == (err == nil) {
			t.Errorf("got a key %v and the error %v", key != nil, err)
		}
		if err != nil && engine.CodeOf(err) != engine.Invalid {
			t.Errorf("got %v, want it to be invalid", err)
		}
	})
}

// TestNothingOfTheProcess has an environment that vendors' libraries listen to.
func TestNothingOfTheProcess(t *testing.T) {
	for name, value := range map[string]string{
		"STORAGE_EMULATOR_HOST": "127.0.0.1:1", "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere", "GOOGLE_CLOUD_PROJECT": "not-ours",
		"GCE_METADATA_HOST": "127.0.0.1:1", "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true", "HTTP_PROXY": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	l := newLab(t)
	l.exported(t, small, l.With(t, "process/small", nil))
	l.exported(t, large, l.With(t, "process/large", nil))
	for _, r := range l.Heads() {
		if r.URL.Host != l.address {
			t.Errorf("a request went to %s", r.URL.Host)
		}
	}
}

// TestMemory exports a file in a session: it must pass through, not be held.
func TestMemory(t *testing.T) {
	l := newLab(t)
	f := file{Name: "own.bin", Size: 64 * mib}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	task := l.export(t, f, l.With(t, "memory", nil))
	runtime.ReadMemStats(&after)
	if task.Status != engine.StatusFinished {
		t.Fatalf("the export ended %s: %s", task.Code, task.Message)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16*mib {
		t.Errorf("%d MiB were allocated for %d MiB", got/mib, f.Size/mib)
	}
	l.holds(t, "memory", f)
}

// TestWire looks at what is sent: EXP-GCS-05 (no ACL), EXP-GCS-07 (always a precondition), EXP-GCS-11 (no encoding), and that the
// sums of EXP-GCS-12 go with it.
func TestWire(t *testing.T) {
	l := newLab(t)
	l.exported(t, small, l.With(t, "wire/small", nil))
	l.exported(t, large, l.With(t, "wire/large", nil))
	if got, want := l.story(), "insert look open send"; got != want {
		t.Errorf("the requests are %q, want %q", got, want)
	}
	for _, r := range l.Heads() {
		of, query := kind(r), r.URL.Query()
		for _, name := range []string{"Expect", "Content-Encoding", "Accept-Encoding", "X-Guploader-No-308", "X-Goog-Acl", "Transfer-Encoding"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s has the header %s", of, name)
			}
		}
		for _, name := range []string{"predefinedAcl", "contentEncoding", "userProject", "kmsKeyName"} {
			if query.Has(name) {
				t.Errorf("%s says %s", of, name)
			}
		}
		if (of == "insert" || of == "open") && query.Get("ifGenerationMatch") != "0" {
			t.Errorf("%s has the condition %q, want 0", of, query.Get("ifGenerationMatch"))
		}
		if signed := r.Header.Get("Authorization") != ""; signed == (of == "send" || of == "token") {
			t.Errorf("%s with a token: %v", of, signed)
		}
		if r.Method != http.MethodGet && r.ContentLength < 0 {
			t.Errorf("%s has no length", of)
		}
	}
	for _, name := range []string{"wire/small", "wire/large"} {
		about := l.attributes(t, name)
		if about["crc32c"] == nil || about["contentType"] != "application/octet-stream" || about["contentEncoding"] != nil {
			t.Errorf("%s is stored as %v", name, about)
		}
	}
}
