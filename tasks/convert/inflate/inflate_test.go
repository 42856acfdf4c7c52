package inflate_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert/converttest"
	"github.com/gantry-engine/gantry/tasks/convert/inflate"
)

func open(content string, maxEntries int) (*zip.Reader, error) {
	return inflate.ZIP(strings.NewReader(content), int64(len(content)), maxEntries)
}

func TestZIP(t *testing.T) {
	two := converttest.ZIP([2]string{"a", "alpha"}, [2]string{"b", "beta"})
	one := converttest.ZIP([2]string{"c", "gamma"})
	end := strings.LastIndex(two, "PK\x05\x06")
	for name, c := range map[string]struct {
		content string
		code    engine.Code
	}{
		"whole":                 {two, ""},
		"after something else":  {"#!/bin/sh\n" + two, ""},
		"empty":                 {"PK\x05\x06" + strings.Repeat("\x00", 18), ""},
		"nothing":               {"", engine.Invalid},
		"cut short":             {two[:end], engine.Invalid},
		"two directories":       {one + two, ""}, // the offsets are those of the last one's own start
		"another one in sight":  {aimed(one, two), engine.Invalid},
		"longer than the file":  {two[:end+12] + "\xff\xff\xff\x7f" + two[end+16:], engine.Invalid},
		"more entries than may": {converttest.ZIP([2]string{"a"}, [2]string{"b"}, [2]string{"c"}), engine.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(c.content, 2); c.code == "" && err != nil || c.code != "" && engine.CodeOf(err) != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
		})
	}
}

// aimed is two ZIP files of which the last says that its directory lies where that of the first does.
func aimed(first, second string) string {
	both := []byte(first + second)
	at := bytes.LastIndex(both, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(both[at+16:], uint32(strings.Index(first, "PK\x01\x02")))
	return string(both)
}

func TestCheckOverlap(t *testing.T) {
	content := []byte(converttest.StoredZIP([2]string{"a", "alpha"}, [2]string{"b", "beta"}))
	z, err := open(string(content), 2)
	if err != nil || inflate.CheckOverlap(z.File) != nil {
		t.Fatalf("got %v, %v, want none", err, inflate.CheckOverlap(z.File))
	}
	second := bytes.LastIndex(content, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(content[second+42:], 0) // it lies where the first does
	if z, err = open(string(content), 2); err != nil {
		t.Fatal(err)
	}
	if err := inflate.CheckOverlap(z.File); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestReaderKnowsNoOther(t *testing.T) {
	if _, err := inflate.Reader(strings.NewReader(""), "zip"); err == nil {
		t.Error("got a reader of zip, want an error")
	}
}

func FuzzZIP(f *testing.F) {
	f.Add([]byte(converttest.ZIP([2]string{"a", "alpha"})))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add([]byte("PK\x06\x07" + strings.Repeat("\x00", 16) + "PK\x05\x06" + strings.Repeat("\xff", 18)))
	f.Fuzz(func(t *testing.T, content []byte) {
		z, err := open(string(content), 3)
		if err == nil && len(z.File) > 3 {
			t.Errorf("got %d entries, want at most 3", len(z.File))
		}
	})
}
