package link_test

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gantry-engine/gantry/engine/link"
)

var extras = []link.Field{{"max_file_count", "1"}, {"max_file_size", "10737418240"}}

func values(fields []link.Field) url.Values {
	form := url.Values{}
	for _, f := range fields {
		form.Add(f.Name, f.Value)
	}
	return form
}

func TestSignFormListsParametersInOrder(t *testing.T) {
	s := newSigner(t, newKey)
	address, parameters := s.SignForm(base, end, extras, "tasks", "a b")
	if want := base + "/tasks/a%20b"; address != want {
		t.Errorf("got %q, want %q", address, want)
	}
	var names []string
	for _, p := range parameters {
		names = append(names, p.Name)
	}
	if want := []string{"expires", "max_file_count", "max_file_size", "signature"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	u := parse(t, address)
	if err := s.VerifyForm(u.Host, u.EscapedPath(), values(parameters), now); err != nil {
		t.Errorf("got %v, want a valid form", err)
	}
	sent, err := url.ParseQuery(values(parameters).Encode()) // as the query of a plain PUT
	if err != nil {
		t.Fatal(err)
	}
	if err := s.VerifyForm("FILES.example:8443", u.EscapedPath(), sent, now); err != nil {
		t.Errorf("in a query: got %v, want a valid form", err)
	}
}

func TestSecSIG05FormTampering(t *testing.T) {
	s := newSigner(t, newKey, oldKey)
	address, parameters := s.SignForm(base, end, extras, "tasks", "1")
	_, fewer := s.SignForm(base, end, extras[:1], "tasks", "1")
	u := parse(t, address)
	tests := map[string]func(url.Values){
		"other value":      func(f url.Values) { f.Set("max_file_size", "99999999999") },
		"unknown":          func(f url.Values) { f.Set("acl", "public") },
		"missing":          func(f url.Values) { f.Del("max_file_size") },
		"renamed":          func(f url.Values) { f["size"] = f["max_file_size"]; f.Del("max_file_size") },
		"digit moved":      func(f url.Values) { f.Set("max_file_count", ""); f.Set("max_file_size", "110737418240") },
		"values swapped":   func(f url.Values) { f.Set("max_file_count", "10737418240"); f.Set("max_file_size", "1") },
		"doubled":          func(f url.Values) { f.Add("max_file_size", "10737418240") },
		"no value":         func(f url.Values) { f["max_file_size"] = nil },
		"signature twice":  func(f url.Values) { f.Add("signature", f.Get("signature")) },
		"other signature":  func(f url.Values) { f["signature"] = values(fewer)["signature"] },
		"no signature":     func(f url.Values) { f.Del("signature") },
		"no end":           func(f url.Values) { f.Del("expires") },
		"later end":        func(f url.Values) { f.Set("expires", "1800009999") },
		"end not a number": func(f url.Values) { f.Set("expires", "never") },
		"zero before end":  func(f url.Values) { f.Set("expires", "0"+f.Get("expires")) },
		"empty":            func(f url.Values) { clear(f) },
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			form := maps.Clone(values(parameters))
			tamper(form)
			if fmt.Sprint(form) == fmt.Sprint(values(parameters)) {
				t.Fatal("the case changes nothing")
			}
			if err := s.VerifyForm(u.Host, u.EscapedPath(), form, now); !errors.Is(err, link.ErrRefused) {
				t.Errorf("got %v, want ErrRefused", err)
			}
		})
	}
	for _, other := range []struct {
		host, path string
		now        time.Time
	}{{"x.example", u.EscapedPath(), now}, {u.Host, "/downloads/tasks/2", now}, {u.Host, u.EscapedPath(), end}} {
		if err := s.VerifyForm(other.host, other.path, values(parameters), other.now); !errors.Is(err, link.ErrRefused) {
			t.Errorf("%v: got %v, want ErrRefused", other, err)
		}
	}
}

func TestFormsAndLinksAreNotEachOther(t *testing.T) {
	s := newSigner(t, newKey)
	address, parameters := s.SignForm(base, end, nil, "a")
	form, u := values(parameters), parse(t, address)
	query := "temp_url_sig=" + form.Get("signature") + "&temp_url_expires=" + form.Get("expires")
	for _, class := range []link.Class{link.Read, link.Write} {
		if err := s.Verify(class, u.Host, u.EscapedPath(), query, now); !errors.Is(err, link.ErrRefused) {
			t.Errorf("%s: got %v for a form as a link, want ErrRefused", class, err)
		}
	}
	u = parse(t, s.Sign(base, link.Write, end, "a"))
	form = url.Values{"expires": {u.Query().Get("temp_url_expires")}, "signature": {u.Query().Get("temp_url_sig")}}
	if err := s.VerifyForm(u.Host, u.EscapedPath(), form, now); !errors.Is(err, link.ErrRefused) {
		t.Errorf("got %v for a link as a form, want ErrRefused", err)
	}
}

func TestKeysDoNotPrintTheirSecret(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, newKey); got != "2026" && got != `"2026"` {
			t.Errorf("%s: got %s, want the id alone", verb, got)
		}
	}
}

func ExampleSigner_SignForm() {
	s, err := link.New(newKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	one := []link.Field{{Name: "max_file_count", Value: "1"}}
	address, parameters := s.SignForm("https://files.example", end, one, "up", "7")
	fmt.Println(address, parameters[0], parameters[1])
	// Output: https://files.example/up/7 {expires 1800003600} {max_file_count 1}
}
