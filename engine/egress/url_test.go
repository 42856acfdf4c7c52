package egress_test

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"

	"github.com/gantry-engine/gantry/engine/egress"
)

func TestSecSSRF01SchemeInAnyCase(t *testing.T) {
	tests := []struct {
		url  string
		want error
	}{
		{"http://example.org/", nil},
		{"HTTPS://example.org/", nil},
		{"hTtP://EXAMPLE.org:8080/a?b#c", nil},
		{"HTTP://127.0.0.1/", egress.ErrRefused},
		{"HtTpS://LOCALHOST@127.0.0.1/", egress.ErrRefused},
		{"FILE:///etc/passwd", egress.ErrURL},
		{"file://example.org/x", egress.ErrURL},
		{"gOpHeR://example.org/", egress.ErrURL},
		{"ftp://example.org/", egress.ErrURL},
		{"data:text/plain,x", egress.ErrURL},
		{"http:example.org", egress.ErrURL},
		{"http:///x", egress.ErrURL},
		{"http://:80/", egress.ErrURL},
		{"//example.org/", egress.ErrURL},
		{"/x", egress.ErrURL},
		{"", egress.ErrURL},
		{"http://example.org:0/", egress.ErrURL},
		{"http://example.org:65536/", egress.ErrURL},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) { checkURL(t, egress.New(nil), tt.url, tt.want) })
	}
}

func TestSecSSRF05SpellingsOfAddresses(t *testing.T) {
	spellings := []string{
		"2130706433", "0x7f000001", "0X7F000001", "017700000001", "0177.0.0.1", "0x7f.0.0.1", "127.1", "127.0.1", "0", "0x0",
		"0x", "127.0.0.1.", "127.000.000.001", "127.0.0.0x1", "1.2.3.4.5", "256.256.256.256", "example.0x7f", "8.8.8.010",
	}
	for _, host := range spellings {
		t.Run(host, func(t *testing.T) { checkURL(t, egress.New(nil), "http://"+host+"/", egress.ErrRefused) })
	}
	for _, host := range []string{"x0x7f.example", "1.example", "0xyz", "127.0.0.1.example", "a.0xg"} {
		t.Run(host, func(t *testing.T) { checkURL(t, egress.New(nil), "http://"+host+"/", nil) })
	}
}

func TestSecSSRF06HostTricks(t *testing.T) {
	tests := []struct {
		url  url.URL
		want error
	}{
		{url.URL{Scheme: "http", Host: "[internal]"}, egress.ErrURL},
		{url.URL{Scheme: "http", Host: "[127.0.0.1]"}, egress.ErrURL},
		{url.URL{Scheme: "http", Host: "[]"}, egress.ErrURL},
		{url.URL{Scheme: "http", Host: "[::1]:80"}, egress.ErrRefused},
		{url.URL{Scheme: "http", Host: "[fe80::1%eth0]"}, egress.ErrRefused},
		{url.URL{Scheme: "http", Host: "[2606:4700::1111]"}, nil},
		{url.URL{Scheme: "http", Host: "127.0.0.1", User: url.User("public.example")}, egress.ErrRefused},
		{url.URL{Scheme: "HTTP", Host: "169.254.169.254"}, egress.ErrRefused},
	}
	for _, tt := range tests {
		t.Run(tt.url.Host, func(t *testing.T) {
			if err := egress.New(nil).CheckURL(&tt.url); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func checkURL(t *testing.T, policy *egress.Policy, text string, want error) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := policy.CheckURL(u); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// FuzzCheckURL holds that whatever parses and passes is http with a host that is a name or a public address.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"http://127.1/", "HTTP://[::ffff:7f00:1]/", "https://a@b:1/", "http://[fe80::1%25a]/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil || egress.New(nil).CheckURL(u) != nil {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			t.Errorf("%q passed", text)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !addr.Unmap().IsGlobalUnicast() {
			t.Errorf("%q passed", text)
		}
	})
}
