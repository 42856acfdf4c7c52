package s3

import (
	"strings"
	"testing"
)

func TestProbeIsBesideTheObject(t *testing.T) {
	for name, test := range map[string]struct {
		params Params
		want   string // without what makes it unique
	}{
		"name":          {Params{Key: "a.pdf"}, ""},
		"in a folder":   {Params{Key: "a/b/c.pdf"}, "a/b/"},
		"hidden folder": {Params{Key: ".hidden/c.pdf"}, ".hidden/"},
		"slash":         {Params{Key: "/a//c.pdf"}, "a//"},
		"prefix":        {Params{KeyPrefix: ".well-known/a"}, ".well-known/a"},
		"neither":       {Params{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, ok := strings.Cut(probe(test.params), "gantry-check-"); !ok || got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
