// Package eot puts fonts into Embedded OpenType and takes them out again.
package eot

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/encoding/unicode"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// Engine wraps TrueType fonts as Embedded OpenType, which old browsers want, and takes them out of it again (W3C Submission
// EOT, 2008). Fonts that are compressed by the method of its own are refused.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "eotlib".
func (*Engine) Name() string { return "eotlib" }

// Version is that of golang.org/x/image, which reads the names in a font.
func (*Engine) Version() string { return convert.ModuleVersion("golang.org/x/image") }

// Pairs lists ttf to eot and eot to ttf and eot.
func (*Engine) Pairs() []convert.Pair {
	return []convert.Pair{{From: "ttf", To: "eot"}, {From: "eot", To: "ttf"}, {From: "eot", To: "eot"}}
}

// Convert makes one file.
func (*Engine) Convert(_ context.Context, job convert.Job) ([]string, error) {
	info, err := os.Stat(job.In)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	if info.Size() > job.Limits.Text {
		return nil, engine.Errorf(engine.TooLarge, "The font is larger than %d MiB.", job.Limits.Text>>20)
	}
	font, err := os.ReadFile(job.In)
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	if job.From == "eot" {
		if font, err = unwrap(font); err != nil {
			return nil, err
		}
	}
	if job.To == "eot" {
		if font, err = wrap(font); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(job.Out(), font, 0o600); err != nil {
		return nil, fmt.Errorf("write the font: %w", err)
	}
	return []string{job.Out()}, nil
}

// Where things lie in the header, and what its flags mean.
const (
	version    = 0x00020001
	magic      = 0x504c
	header     = 82 // up to the names
	compressed = 0x4
	masked     = 0x10000000
	mask       = 0x50
)

func unwrap(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(b) < header || le.Uint16(b[34:]) != magic || int64(le.Uint32(b[4:])) > int64(len(b)-header) {
		return nil, engine.Errorf(engine.Invalid, "The eot file is damaged.")
	}
	flags, font := le.Uint32(b[12:]), slices.Clone(b[len(b)-int(le.Uint32(b[4:])):])
	if flags&compressed != 0 {
		return nil, engine.Errorf(engine.Invalid, "The font in the eot file is compressed by a method that only old browsers know.")
	}
	if flags&masked != 0 {
		for i := range font {
			font[i] ^= mask
		}
	}
	return font, nil
}

func wrap(font []byte) ([]byte, error) {
	head, errHead := sfntTable(font, "head", 12)
	os2, errOS2 := sfntTable(font, "OS/2", 86)
	parsed, errParse := sfnt.Parse(font)
	if errHead != nil || errOS2 != nil || errParse != nil {
		return nil, engine.Errorf(engine.Invalid, "The font is damaged, or lacks what an eot file says of it.")
	}
	le, be := binary.LittleEndian, binary.BigEndian
	b := make([]byte, header)
	le.PutUint32(b[4:], uint32(len(font)))
	le.PutUint32(b[8:], version)
	copy(b[16:26], os2[32:42]) // PANOSE
	b[26] = 1                  // any character set
	b[27] = byte(be.Uint16(os2[62:]) & 1)
	le.PutUint32(b[28:], uint32(be.Uint16(os2[4:])))
	le.PutUint16(b[32:], be.Uint16(os2[8:]))
	le.PutUint16(b[34:], magic)
	for i, at := range []int{42, 46, 50, 54, 78, 82} { // which scripts and code pages it covers
		le.PutUint32(b[36+4*i:], be.Uint32(os2[at:]))
	}
	le.PutUint32(b[60:], be.Uint32(head[8:]))
	for _, id := range []sfnt.NameID{sfnt.NameIDFamily, sfnt.NameIDSubfamily, sfnt.NameIDVersion, sfnt.NameIDFull} {
		text, _ := parsed.Name(nil, id) // one that is not there stays empty
		name, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().Bytes([]byte(text))
		if err != nil || len(name) > 1<<15 {
			return nil, engine.Errorf(engine.Invalid, "The font's names cannot be read.")
		}
		b = append(le.AppendUint16(b, uint16(len(name))), name...)
		b = append(b, 0, 0)
	}
	b = append(append(b, 0, 0), font...) // no addresses that it is bound to
	le.PutUint32(b, uint32(len(b)))
	return b, nil
}

// sfntTable finds a table of a font that has at least so many bytes (OpenType, "Organization of an OpenType Font").
func sfntTable(font []byte, name string, least int) ([]byte, error) {
	const record = 16
	for at := 12; at+record <= len(font) && at < 12+record*int(binary.BigEndian.Uint16(font[4:])); at += record {
		if string(font[at:at+4]) != name {
			continue
		}
		offset, length := int64(binary.BigEndian.Uint32(font[at+8:])), int64(binary.BigEndian.Uint32(font[at+12:]))
		if offset+length > int64(len(font)) || length < int64(least) {
			break
		}
		return font[offset : offset+length], nil
	}
	return nil, fmt.Errorf("the font has no table %s", name)
}
