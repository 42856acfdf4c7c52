package s3_test

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/s3"
)

// service is as much of S3 as it takes to answer as a real one would not. Refuse is asked first.
type service struct {
	refuse func(call string, n int, w http.ResponseWriter, r *http.Request) (done bool)

	mu    sync.Mutex
	calls []string
	count map[string]int
	seen  []*http.Request
	wrong []string // what no request may have
}

// call names what a request asks for.
func call(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "create"
	case r.Method == http.MethodPost:
		return "complete"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "part"
	case r.Method == http.MethodPut:
		return "put"
	case r.Method == http.MethodDelete:
		return "abort"
	case r.Method == http.MethodGet && q.Has("uploadId"):
		return "parts"
	}
	return strings.ToLower(r.Method)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := call(r)
	s.mu.Lock()
	if s.count == nil {
		s.count = map[string]int{}
	}
	s.count[name]++
	n := s.count[name]
	s.calls = append(s.calls, name)
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	if s.refuse != nil && s.refuse(name, n, w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.check(name, r, body)
	switch name {
	case "create":
		fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>the-upload</UploadId></InitiateMultipartUploadResult>`)
	case "complete":
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>`)
	case "part", "put":
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(body)))
	case "abort":
		w.WriteHeader(http.StatusNoContent)
	case "parts":
		answer(w, http.StatusNotFound, "NoSuchUpload", "")
	}
}

// check notes what a request has that services refuse.
func (s *service) check(name string, r *http.Request, body []byte) {
	complain := func(text string, bad bool) {
		if bad {
			s.mu.Lock()
			s.wrong = append(s.wrong, name+": "+text)
			s.mu.Unlock()
		}
	}
	sum := md5.Sum(body)
	sent, amazon := name == "put" || name == "part", strings.HasSuffix(r.Host, "amazonaws.com")
	signed := r.Header.Get("Authorization")
	complain("a trailer", r.Header.Get("X-Amz-Trailer") != "" || strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING"))
	complain("Content-Encoding "+r.Header.Get("Content-Encoding"), r.Header.Get("Content-Encoding") != "")
	complain("a large body that is not announced", r.ContentLength > 1<<20 && r.Header.Get("Expect") == "")
	complain("no length", len(r.TransferEncoding) > 0)
	complain("x-id in the query", r.URL.Query().Has("x-id"))
	complain("accept-encoding is signed", strings.Contains(signed, "accept-encoding"))
	complain("no signature of the key", !strings.Contains(signed, "Credential=the-key-id/"))
	complain("the session token is not signed", !strings.Contains(signed, "x-amz-security-token"))
	complain("an ACL for private", r.Header.Get("X-Amz-Acl") != "")
	complain("a wrong or no Content-MD5", sent && !amazon && r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]))
	complain("no CRC32C", sent && amazon && r.Header.Get("X-Amz-Checksum-Crc32c") == "")
	complain("an unasked checksum", sent && !amazon && slices.ContainsFunc(slices.Collect(maps.Keys(r.Header)), func(h string) bool {
		return strings.HasPrefix(h, "X-Amz-Checksum") || strings.HasPrefix(h, "X-Amz-Sdk-Checksum")
	}))
}

// answer refuses a call as S3 does.
func answer(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

const (
	little = 70_001
	large  = 20 << 20 // three parts
)

// export delivers a file to the service and returns how that ended.
func (s *service) export(t *testing.T, size int64, change map[string]any) (engine.Task, string) {
	t.Helper()
	ts := httptest.NewServer(s)
	defer ts.Close()
	params := map[string]any{"endpoint": ts.URL, "bucket": "b", "region": "us-east-1", "access_key_id": "the-key-id",
		"secret_access_key": "the-secret-key", "session_token": "the-session-token", "key": "k.bin"}
	maps.Copy(params, change)
	task, log := exportertest.Export(t, s3.Definition(), exporters.Env{}, params, size)
	for _, w := range s.wrong {
		t.Errorf("a request has what it may not: %s", w)
	}
	return task, log
}

func TestRequests(t *testing.T) {
	for name, value := range map[string]string{ // nothing of the process may have a part in it
		"AWS_ACCESS_KEY_ID": "not-ours", "AWS_SECRET_ACCESS_KEY": "not-ours", "AWS_SESSION_TOKEN": "not-ours", "AWS_REGION": "xx-1",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_CA_BUNDLE": "/nowhere",
		"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported", "HTTP_PROXY": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	for _, test := range []struct {
		size int64
		want string
	}{
		{0, "put"}, {little, "put"}, {large, "create part part part complete"},
	} {
		t.Run(fmt.Sprint(test.size), func(t *testing.T) {
			s := &service{}
			task, log := s.export(t, test.size, map[string]any{"acl": "private"})
			if got := strings.Join(s.calls, " "); task.Status != engine.StatusFinished || got != test.want {
				t.Errorf("ended %s (%s) after %q, want %q\n%s", task.Status, task.Message, got, test.want, log)
			}
		})
	}
}

// TestAmazon sends to Amazon's own host names, which lead to the service here.
func TestAmazon(t *testing.T) {
	for _, test := range []struct{ bucket, host, path string }{
		{"plain", "plain.s3.eu-central-1.amazonaws.com", "/k.bin"},
		{"with.dots", "s3.eu-central-1.amazonaws.com", "/with.dots/k.bin"},
	} {
		t.Run(test.bucket, func(t *testing.T) {
			s := &service{}
			ts := httptest.NewTLSServer(s)
			defer ts.Close()
			client := &http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, ts.Listener.Addr().String())
				},
			}}
			for _, size := range []int64{little, large} {
				task, log := exportertest.Export(t, s3.Definition(), exporters.Env{HTTP: client}, map[string]any{"bucket": test.bucket,
					"region": "eu-central-1", "access_key_id": "the-key-id", "secret_access_key": "the-secret-key",
					"session_token": "the-session-token", "key": "k.bin"}, size)
				if task.Status != engine.StatusFinished {
					t.Fatalf("ended %s (%s)\n%s", task.Code, task.Message, log)
				}
				if got, want := task.Result.Files[0].Facts["location"], "https://"+test.host+test.path; got != want {
					t.Errorf("location %q, want %q", got, want)
				}
			}
			for _, r := range s.seen {
				if r.Host != test.host || r.URL.Path != test.path {
					t.Errorf("%s went to %s%s, want %s%s", call(r), r.Host, r.URL.Path, test.host, test.path)
				}
			}
			for _, w := range s.wrong {
				t.Errorf("a request has what it may not: %s", w)
			}
		})
	}
}

func TestErrorUnderStatus200(t *testing.T) {
	s := &service{refuse: func(call string, n int, w http.ResponseWriter, _ *http.Request) bool {
		if call != "complete" || n > 1 {
			return false
		}
		fmt.Fprint(w, " \n\n")
		w.(http.Flusher).Flush()
		answer(w, http.StatusOK, "InternalError", "We encountered an internal error. Please try again.")
		return true
	}}
	task, log := s.export(t, large, nil)
	if task.Status != engine.StatusFinished || s.count["complete"] != 2 || s.count["part"] != 3 {
		t.Errorf("ended %s (%s) after %v\n%s", task.Status, task.Message, s.calls, log)
	}
}

func TestAnotherRegion(t *testing.T) {
	moved := func(status int, code, message, header string) *service {
		return &service{refuse: func(_ string, _ int, w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/") {
				return false
			}
			if header != "" {
				w.Header().Set("X-Amz-Bucket-Region", header)
			}
			answer(w, status, code, message)
			return true
		}}
	}
	for name, s := range map[string]*service{
		"301": moved(http.StatusMovedPermanently, "PermanentRedirect", "elsewhere", "eu-west-1"),
		"307": moved(http.StatusTemporaryRedirect, "TemporaryRedirect", "elsewhere", "eu-west-1"),
		"400": moved(http.StatusBadRequest, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'", ""),
	} {
		for _, size := range []int64{little, large} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				task, log := s.export(t, size, nil)
				if task.Status != engine.StatusFinished || task.Result.Files[0].Facts["region"] != "eu-west-1" {
					t.Errorf("ended %s (%s)\n%s", task.Code, task.Message, log)
				}
				if !strings.Contains(task.Message, "eu-west-1") {
					t.Errorf("the message %q does not name the right region", task.Message)
				}
			})
		}
	}
	s := moved(http.StatusMovedPermanently, "PermanentRedirect", "elsewhere", "")
	task, _ := s.export(t, little, nil)
	if task.Code != engine.Invalid || !strings.Contains(task.Message, "another region") || len(s.calls) != 1 {
		t.Errorf("without a hint: ended %s (%s) after %v", task.Code, task.Message, s.calls)
	}
}

// TestOnlyPutObject has a key that may do nothing else, and loses the answer to the completion.
func TestOnlyPutObject(t *testing.T) {
	s := &service{refuse: func(call string, n int, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case call == "head", call == "parts", call == "abort", call == "get":
			answer(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		case call == "complete" && n == 1:
			panic(http.ErrAbortHandler)
		case call == "complete" && n == 2:
			answer(w, http.StatusNotFound, "NoSuchUpload", "The upload does not exist.")
		default:
			return false
		}
		return true
	}}
	task, log := s.export(t, large, nil)
	if task.Status != engine.StatusFinished || s.count["create"] != 2 {
		t.Errorf("ended %s (%s) after %v\n%s", task.Status, task.Message, s.calls, log)
	}
}

func TestAbortDenied(t *testing.T) {
	s := &service{refuse: func(call string, _ int, w http.ResponseWriter, _ *http.Request) bool {
		if call != "part" && call != "abort" {
			return false
		}
		answer(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		return true
	}}
	task, log := s.export(t, large, nil)
	if task.Code != engine.Denied || s.count["abort"] != 1 || !strings.Contains(log, "s3:AbortMultipartUpload") {
		t.Errorf("ended %s (%s) after %v\n%s", task.Code, task.Message, s.calls, log)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status        int
		code, message string
		want          engine.Code
		text          string
	}{
		{403, "AccessDenied", "Access Denied", engine.Denied, "s3:PutObject"},
		{403, "InvalidAccessKeyId", "The key the-key-id is unknown", engine.Unauthorized, "access_key_id"},
		{403, "SignatureDoesNotMatch", "no", engine.Unauthorized, "secret_access_key"},
		{400, "ExpiredToken", "The provided token has expired.", engine.Unauthorized, "session_token has expired"},
		{403, "RequestTimeTooSkewed", "no", engine.Denied, "clock differs"},
		{404, "NoSuchBucket", "no", engine.NotFound, "no bucket"},
		{400, "InvalidBucketName", "no", engine.Invalid, "The bucket is not the name of one"},
		{404, "kms:KeyNotFound", "no", engine.NotFound, "sse_kms_key_id"},
		{400, "AccessControlListNotSupported", "no", engine.Invalid, "takes no ACL"},
		{501, "NotImplemented", "x-amz-tagging", engine.Invalid, "x-amz-tagging"},
		{400, "InvalidArgument", "the-secret-key is odd", engine.Invalid, "[redacted] is odd"},
		{400, "EntityTooLarge", "too big", engine.TooLarge, "too big"},
		{418, "", "", engine.Invalid, "teapot"},
	} {
		t.Run(test.code, func(t *testing.T) {
			s := &service{refuse: func(_ string, _ int, w http.ResponseWriter, _ *http.Request) bool {
				answer(w, test.status, test.code, test.message)
				return true
			}}
			task, log := s.export(t, little, nil)
			if task.Code != test.want || !strings.Contains(task.Message, test.text) || len(s.calls) != 1 {
				t.Errorf("ended %s (%s) after %v, want %s\n%s", task.Code, task.Message, s.calls, test.want, log)
			}
		})
	}
}

// TestPlaces holds what is made of a place that was copied with something around it, or is none.
func TestPlaces(t *testing.T) {
	for name, test := range map[string]struct {
		change func(url string) map[string]any
		says   string // empty: the file arrives
	}{
		"spaces": {func(url string) map[string]any {
			return map[string]any{"endpoint": " " + url + "/ ", "region": " us-east-1 ", "access_key_id": "the-key-id\n", "secret_access_key": " the-secret-key"}
		}, ""},
		"bucket in the endpoint": {func(url string) map[string]any { return map[string]any{"endpoint": url + "/b/"} }, "The endpoint ends in the name of the bucket"},
		"no region":              {func(string) map[string]any { return map[string]any{"region": "EU (Ireland)"} }, "The region is not the name of one"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			ts := httptest.NewServer(s)
			defer ts.Close()
			task, log := s.export(t, little, test.change(ts.URL))
			if arrived := task.Status == engine.StatusFinished; arrived != (test.says == "") || !strings.HasPrefix(task.Message, test.says) || arrived && task.Message != "" {
				t.Errorf("ended %s (%s)\n%s", task.Code, task.Message, log)
			}
		})
	}
}

func TestTriedAgain(t *testing.T) {
	for code, status := range map[string]int{"SlowDown": 503, "RequestTimeout": 400, "InternalError": 500, "BadDigest": 400,
		"OperationAborted": 409, "ServiceUnavailable": 503, "": 502} {
		t.Run(code, func(t *testing.T) {
			s := &service{refuse: func(_ string, n int, w http.ResponseWriter, _ *http.Request) bool {
				if n > 1 {
					return false
				}
				answer(w, status, code, "again")
				return true
			}}
			if task, log := s.export(t, little, nil); task.Status != engine.StatusFinished || len(s.calls) != 2 {
				t.Errorf("ended %s (%s) after %v\n%s", task.Code, task.Message, s.calls, log)
			}
		})
	}
}

// TestLies has a service that says it took something, without what proves it.
func TestLies(t *testing.T) {
	for name, lie := range map[string]func(call string, n int, w http.ResponseWriter) bool{
		"a part without an ETag":   func(call string, n int, _ http.ResponseWriter) bool { return call == "part" && n == 1 },
		"an opening without an id": func(call string, n int, _ http.ResponseWriter) bool { return call == "create" && n == 1 },
		"an end without an object": func(call string, n int, _ http.ResponseWriter) bool { return call == "complete" && n == 1 },
		"an end that is no document": func(call string, n int, w http.ResponseWriter) bool {
			if call != "complete" || n > 1 {
				return false
			}
			fmt.Fprint(w, "<html>")
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{}
			s.refuse = func(call string, n int, w http.ResponseWriter, r *http.Request) bool {
				if !lie(call, n, w) {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				return true
			}
			if task, log := s.export(t, large, nil); task.Status != engine.StatusFinished {
				t.Errorf("ended %s (%s) after %v\n%s", task.Code, task.Message, s.calls, log)
			}
		})
	}
}
