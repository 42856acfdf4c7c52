// Command gcsfront stands before fake-gcs-server in the tests, and does what that leaves out: it exchanges signed assertions
// for tokens as Google does, refuses who has none or not the right, and holds sessions as Google's documentation of resumable
// uploads has them. What a session has received it hands on in one request when all is there.
//
//	gcsfront ADDRESS BACKEND PROJECT KEY DIR
//
// The accounts pipeline, creator and reader of the project share the private key in KEY (PEM): the first may do all, the
// second only create objects, the third only read. Unfinished sessions lie in DIR, and are listed at /sessions.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: gcsfront ADDRESS BACKEND PROJECT KEY DIR")
	}
	backend, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	key, err := publicKey(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	f := &front{backend: backend, domain: os.Args[3] + ".iam.gserviceaccount.com", key: key, dir: os.Args[5],
		tokens: map[string]token{}, sessions: map[string]*session{}}
	f.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }}
	server := &http.Server{Addr: os.Args[1], Handler: f, ReadHeaderTimeout: time.Minute}
	log.Fatal(server.ListenAndServe())
}

// rights are what each account may do, by what stands before the @.
var rights = map[string][]string{
	"pipeline": {"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"},
	"creator":  {"storage.objects.create"},
	"reader":   {"storage.objects.get", "storage.objects.list"},
}

// front is the handler.
type front struct {
	backend *url.URL
	domain  string // of the accounts
	key     verifier
	dir     string
	proxy   *httputil.ReverseProxy

	mu       sync.Mutex
	tokens   map[string]token
	sessions map[string]*session
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.URL.Path == "/token":
		f.exchange(w, r)
		return
	case r.URL.Path == "/sessions":
		f.list(w)
		return
	case query.Has("upload_id"): // its address is all that a session wants
		f.proceed(w, r, query.Get("upload_id"))
		return
	}
	t, ok := f.holder(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "authError", "Invalid Credentials")
		return
	}
	bucket, name := place(r.URL)
	switch {
	case strings.HasSuffix(r.URL.Path, "/iam/testPermissions"):
		answer(w, http.StatusOK, map[string]any{"permissions": slices.DeleteFunc(query["permissions"],
			func(p string) bool { return !slices.Contains(rights[t.account], p) })})
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/upload/"):
		f.write(w, r, t, bucket)
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "methodNotAllowed", "The tests do without.")
	case name == "" && !t.may("storage.objects.list"):
		deny(w, t, "storage.objects.list")
	case name != "" && !t.may("storage.objects.get"):
		deny(w, t, "storage.objects.get")
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// place returns the bucket and the object that a path names.
func place(u *url.URL) (bucket, name string) {
	_, rest, _ := strings.Cut(u.EscapedPath(), "/storage/v1/b/")
	bucket, rest, _ = strings.Cut(rest, "/")
	name, _ = url.PathUnescape(strings.TrimPrefix(strings.TrimPrefix(rest, "o"), "/"))
	return bucket, name
}

// write begins an object: in one request, or with a session.
func (f *front) write(w http.ResponseWriter, r *http.Request, t token, bucket string) {
	if !t.may("storage.objects.create") || !t.writes {
		deny(w, t, "storage.objects.create")
		return
	}
	if status, _ := f.ask("/storage/v1/b/" + bucket); status != http.StatusOK {
		refuse(w, http.StatusNotFound, "notFound", "The specified bucket does not exist.")
		return
	}
	if r.URL.Query().Get("uploadType") != "resumable" {
		f.proxy.ServeHTTP(w, r)
		return
	}
	f.open(w, r, t, bucket)
}

// ask makes a call to the backend and returns how it ended.
func (f *front) ask(path string) (int, error) {
	resp, err := http.Get(f.backend.String() + path)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// refuse answers as Google does.
func refuse(w http.ResponseWriter, status int, reason, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": status, "message": message,
		"errors": []map[string]string{{"domain": "global", "reason": reason, "message": message}}}})
}

func deny(w http.ResponseWriter, t token, right string) {
	refuse(w, http.StatusForbidden, "forbidden", fmt.Sprintf("%s does not have %s access to the Google Cloud Storage object. "+
		"Permission '%[2]s' denied on resource (or it may not exist).", t.account, right))
}
