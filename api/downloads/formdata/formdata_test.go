package formdata_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gantry-engine/gantry/api/downloads/formdata"
)

// part is what a test expects of one part.
type part struct{ name, fileName, content string }

func read(body io.Reader, contentType string) (parts []part, err error) {
	r, err := formdata.NewReader(body, contentType)
	if err != nil {
		return nil, err
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return parts, err
		}
		parts = append(parts, part{p.Name, p.FileName, string(content)})
	}
}

const simple = "multipart/form-data; boundary=b"

func TestReader(t *testing.T) {
	file := func(disposition string) string {
		return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\nX\r\n--b--\r\n"
	}
	tests := map[string]struct {
		contentType, body string
		want              []part
	}{
		"as the grammar has it": {simple,
			"--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n" +
				"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nX\r\nY\r\n--b--\r\n",
			[]part{{"k", "", "v"}, {"file", "a.txt", "X\r\nY"}}},
		"node: lower case, no space, no quotes around the file name": {simple,
			"--b\r\ncontent-disposition:form-data;name=\"k\"\r\n\r\nv\r\n--b\r\n" +
				"content-disposition:form-data;name=\"file\";filename=my file, (1) ä;ö.pdf\r\ncontent-type:application/octet-stream\r\n\r\nX\r\n--b--\r\n",
			[]part{{"k", "", "v"}, {"file", "my file, (1) ä;ö.pdf", "X"}}},
		"php: boundary in quotes, length of parts, file without a name": {`multipart/form-data; boundary="b"`,
			"--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Length: 77\r\n\r\nX\r\n--b--\r\n",
			[]part{{"file", "", "X"}}},
		".net: name without quotes first": {simple, file(`name=file; filename="ä.pdf"`), []part{{"file", "ä.pdf", "X"}}},
		"old .net: encoded words": {simple, file(`name=file; filename="=?utf-8?B?w6QucGRm?="`),
			[]part{{"file", "ä.pdf", "X"}}},
		"ruby: encoding and length of parts": {simple,
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Length: 1\r\n" +
				"Content-Transfer-Encoding: binary\r\n\r\nX\r\n--b--\r\n", []part{{"file", "a", "X"}}},
		"extended name wins": {simple, file(`name="file"; filename="_.pdf"; filename*=UTF-8''%E2%82%AC%20x.pdf`),
			[]part{{"file", "€ x.pdf", "X"}}},
		"extended name in Latin-1": {simple, file(`name="file"; filename*=iso-8859-1'en'%A3.pdf`), []part{{"file",
			"£.pdf", "X"}}},
		"extended name that is broken": {simple, file(`name="file"; filename="a"; filename*=UTF-8''%FF`), []part{{"file",
			"a", "X"}}},
		"escaped quotes": {simple, file(`name="file"; filename="a\"b\\c.pdf"`), []part{{"file", `a"b\c.pdf`,
			"X"}}},
		"quotes not escaped": {simple, file(`filename="a"b.pdf"; name="file"`), []part{{"file", `a"b.pdf`, "X"}}},
		"a path of Windows": {simple, file(`name="file"; filename="C:\dir\a.pdf"`), []part{{"file",
			`C:\dir\a.pdf`, "X"}}},
		"a name like a parameter": {simple, file(`name="filename"; filename="name=x; y"`), []part{{"filename",
			"name=x; y", "X"}}},
		"unquoted before another": {simple, file(`filename=a b; name=file`), []part{{"file", "a b", "X"}}},
		"a word without a value":  {simple, file(`strange; name="file"`), []part{{"file", "", "X"}}},
		"lines end in LF": {simple, "--b\nContent-Disposition: form-data; name=k\n\nv\r\n--b\nContent-Disposition: form-data; name=l\n\nw\n--b--\n",
			[]part{{"k", "", "v\r"}, {"l", "", "w"}}},
		"text before and after": {simple, "hello\r\n\r\n" + file(`name="file"`) + "bye", []part{{"file", "", "X"}}},
		"header on two lines": {simple, "--b\r\nContent-Disposition: form-data;\r\n name=\"file\";\r\n\tfilename=\"a\"\r\n\r\nX\r\n--b--",
			[]part{{"file", "a", "X"}}},
		"boundary with blanks after it": {simple, "--b \t\r\nContent-Disposition: form-data; name=k\r\n\r\nX\r\n--b  \r\n" +
			"Content-Disposition: form-data; name=l\r\n\r\n\r\n--b--", []part{{"k", "", "X"}, {"l", "", ""}}},
		"empty, and without its line end": {simple, "--b\r\nContent-Disposition: form-data; name=k\r\n\r\n--b--\r\n",
			[]part{{"k", "", ""}}},
		"no part at all": {simple, "--b--\r\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for kind, body := range map[string]io.Reader{"whole": strings.NewReader(test.body),
				"byte by byte": iotest.OneByteReader(strings.NewReader(test.body))} {
				got, err := read(body, test.contentType)
				if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
					t.Errorf("%s: got %q, %v; want %q", kind, got, err, test.want)
				}
			}
		})
	}
}

func TestContentThatLooksLikeABoundary(t *testing.T) {
	for _, content := range []string{"\r\n--bc", "\r\n--b-", "\r\n--b -", "--bx", "\r\n--\r\n", "\r", "\r\n", "\n--b\n",
		"\r\r\n--bb\r\n--b_"} {
		got, err := read(strings.NewReader("--b\r\nContent-Disposition: form-data; name=k\r\n\r\n"+content+"\r\n--b--"),
			simple)
		if err != nil || len(got) != 1 || got[0].content != content {
			t.Errorf("content %q came back as %q, %v", content, got, err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	const head = "--b\r\nContent-Disposition: form-data; name=k\r\n"
	tests := map[string]struct {
		contentType, body string
		want              error
	}{
		"another type":             {"application/json", "{}", formdata.ErrNotForm},
		"no boundary":              {"multipart/form-data", "", formdata.ErrNotForm},
		"empty boundary":           {`multipart/form-data; boundary=""`, "", formdata.ErrNotForm},
		"nothing":                  {simple, "", io.ErrUnexpectedEOF},
		"another boundary":         {simple, "--c\r\n\r\nX\r\n--c--", io.ErrUnexpectedEOF},
		"endless preamble":         {simple, strings.Repeat("x", 1<<20), formdata.ErrBoundary},
		"endless header":           {simple, head + strings.Repeat("x: y\r\n", 1<<14), formdata.ErrHeader},
		"endless header line":      {simple, head + strings.Repeat("x", 1<<20), formdata.ErrHeader},
		"header without a colon":   {simple, head + "nonsense\r\n\r\nX\r\n--b--", formdata.ErrHeader},
		"ends in the boundary":     {simple, "--b", io.ErrUnexpectedEOF},
		"ends in the header":       {simple, head, io.ErrUnexpectedEOF},
		"ends in the content":      {simple, head + "\r\nX", io.ErrUnexpectedEOF},
		"ends before the boundary": {simple, head + "\r\nX\r\n", io.ErrUnexpectedEOF},
		"ends at the boundary":     {simple, head + "\r\nX\r\n--b", io.ErrUnexpectedEOF},
		"ends in the last dash":    {simple, head + "\r\nX\r\n--b-", io.ErrUnexpectedEOF},
		"no closing boundary":      {simple, head + "\r\nX\r\n--b\r\n", io.ErrUnexpectedEOF},
		"base64": {simple, head + "Content-Transfer-Encoding: BASE64\r\n\r\nWA==\r\n--b--",
			formdata.ErrEncoding},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := read(strings.NewReader(test.body), test.contentType); !errors.Is(err, test.want) {
				t.Errorf("got %q, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestReaderReturnsTheErrorBelow(t *testing.T) {
	broken := errors.New("broken")
	body := io.MultiReader(strings.NewReader("--b\r\nContent-Disposition: form-data; name=k\r\n\r\nX"),
		iotest.ErrReader(broken))
	if _, err := read(body, simple); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestNextSkipsWhatWasNotRead(t *testing.T) {
	r, err := formdata.NewReader(strings.NewReader("--b\r\nContent-Disposition: form-data; name=k\r\n\r\n"+
		strings.Repeat("long\r\n", 1<<16)+"\r\n--b\r\nContent-Disposition: form-data; name=l\r\n\r\nX\r\n--b--"), simple)
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Next()
	if err != nil || second.Name != "l" {
		t.Fatalf("got %v, %v; want the part l", second, err)
	}
	if n, err := first.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the first part gives %d bytes and %v after the second began", n, err)
	}
}

// FuzzContent writes a form with the standard library and reads it back, cut wherever the fuzzer likes.
func FuzzContent(f *testing.F) {
	f.Add([]byte("X"), uint16(1))
	f.Add([]byte("\r\n--b\r\n--bound"), uint16(3))
	f.Add(bytes.Repeat([]byte("\r\n--boundary"), 30_000), uint16(4096))
	f.Fuzz(func(t *testing.T, content []byte, chunk uint16) {
		if bytes.Contains(content, []byte("--boundary")) {
			content = bytes.ReplaceAll(content, []byte("--boundary"), []byte("--boundar"))
		}
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.SetBoundary("boundary")
		_ = w.WriteField("k", "v")
		fw, _ := w.CreateFormFile("file", "a.txt")
		_, _ = fw.Write(content)
		w.Close()
		got, err := read(&inChunks{&body, int(chunk) + 1}, w.FormDataContentType())
		if err != nil || len(got) != 2 || got[0] != (part{"k", "", "v"}) || got[1] != (part{"file", "a.txt",
			string(content)}) {
			t.Fatalf("got %.200q, %v", got, err)
		}
	})
}

// FuzzReader feeds it anything: how the bytes arrive must make no difference.
func FuzzReader(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=k\r\n\r\nv\r\n--b--"))
	f.Add([]byte("--b\ncontent-disposition:form-data;name=\"file\";filename=a b\n\nv\n--b--\n"))
	f.Add([]byte("x\r\n--b \r\n\r\n--b\r\n\r\n\r\n--b-\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		whole, err := read(bytes.NewReader(body), simple)
		cut, cutErr := read(iotest.OneByteReader(bytes.NewReader(body)), simple)
		if fmt.Sprint(whole, err) != fmt.Sprint(cut, cutErr) {
			t.Fatalf("whole: %q, %v; byte by byte: %q, %v", whole, err, cut, cutErr)
		}
	})
}

type inChunks struct {
	r io.Reader
	n int
}

func (c *inChunks) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }
