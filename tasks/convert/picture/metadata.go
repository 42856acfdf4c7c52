package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"io"
	"slices"

	"github.com/gantry-engine/gantry/tasks/convert"
)

// What is larger is not carried over. A JPEG holds one segment of EXIF.
const (
	maxEXIF     = 1 << 20
	maxProfile  = 4 << 20
	maxSegment  = 0xffff - 2
	profileHead = "ICC_PROFILE\x00"
)

// metadata is what a picture file says beside its pixels, as far as it can stand in a file of another format unchanged.
type metadata struct {
	exif    []byte // a TIFF structure (EXIF 2.32) with the orientation 1
	profile []byte // an ICC profile (ICC.1:2022)
}

// metadata reads that of a jpg, png or webp. What is damaged or too large is left out, as the pixels are what was asked
// for.
func (s *source) metadata() metadata {
	var m metadata
	var parts [][]byte
	for part := range sections(s.file, s.size, s.format) {
		if at, ok := exifAt(s.file, part); ok && m.exif == nil {
			m.exif = uprightEXIF(s.bytes(at, part.end(), maxEXIF))
		}
		switch part.tag {
		case "APP2":
			parts = append(parts, s.bytes(part.at, part.end(), maxSegment))
		case "iCCP":
			m.profile = inflatedProfile(s.bytes(part.at, part.end(), maxProfile))
		case "ICCP":
			m.profile = s.bytes(part.at, part.end(), maxProfile)
		}
	}
	if s.format == "jpg" {
		m.profile = joinedProfile(parts)
	}
	return m
}

// bytes returns a part of the file, or nothing if it is larger than most.
func (s *source) bytes(from, to, most int64) []byte {
	if to-from > most || to < from {
		return nil
	}
	b := make([]byte, to-from)
	if _, err := s.file.ReadAt(b, from); err != nil {
		return nil
	}
	return b
}

// joinedProfile puts together the segments of a JPEG that hold a profile: each says which of how many it is.
func joinedProfile(segments [][]byte) []byte {
	segments = slices.DeleteFunc(segments, func(s []byte) bool {
		return !bytes.HasPrefix(s, []byte(profileHead)) || len(s) < len(profileHead)+2
	})
	number := func(s []byte) int { return int(s[len(profileHead)]) }
	slices.SortStableFunc(segments, func(a, b []byte) int { return number(a) - number(b) })
	var profile []byte
	for i, s := range segments {
		if number(s) != i+1 || int(s[len(profileHead)+1]) != len(segments) {
			return nil
		}
		profile = append(profile, s[len(profileHead)+2:]...)
	}
	return profile
}

// inflatedProfile unpacks an iCCP chunk (PNG, 11.3.2.3): a name, a zero, the method 0, and zlib.
func inflatedProfile(chunk []byte) []byte {
	_, packed, ok := bytes.Cut(chunk, []byte{0})
	if !ok || len(packed) == 0 || packed[0] != 0 {
		return nil
	}
	z, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}
	profile, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	if err != nil || len(profile) > maxProfile {
		return nil
	}
	return profile
}

// of returns the part of m that holds for a picture as it is written: a profile for other colours than it has, such as
// that of a CMYK picture, would spoil it.
func (m metadata) of(img image.Image, to convert.Format) metadata {
	space := "RGB "
	switch img.(type) {
	case *image.Gray:
		space = "GRAY"
	case *image.Gray16:
		if to == "png" {
			space = "GRAY"
		}
	}
	if to == "webp" {
		space = "RGB " // it knows no other
	}
	if len(m.profile) < 128 || string(m.profile[16:20]) != space {
		m.profile = nil
	}
	return m
}

func (m metadata) empty() bool { return len(m.exif) == 0 && len(m.profile) == 0 }

// segments are m for a JPEG, to stand behind its first marker.
func (m metadata) segments() []byte {
	var out []byte
	add := func(marker byte, parts ...[]byte) {
		body := bytes.Join(parts, nil)
		out = binary.BigEndian.AppendUint16(append(out, 0xff, marker), uint16(len(body)+2))
		out = append(out, body...)
	}
	if n := len(m.exif); n > 0 && n+len(exifSignature) <= maxSegment {
		add(0xe1, []byte(exifSignature), m.exif)
	}
	parts := slices.Collect(slices.Chunk(m.profile, maxSegment-len(profileHead)-2))
	for i, part := range parts {
		add(0xe2, []byte(profileHead), []byte{byte(i + 1), byte(len(parts))}, part)
	}
	return out
}

// chunks are m for a PNG, to stand behind its first chunk.
func (m metadata) chunks() ([]byte, error) {
	var out bytes.Buffer
	if len(m.profile) > 0 {
		packed := bytes.NewBufferString("ICC profile\x00\x00")
		z := zlib.NewWriter(packed)
		if _, err := z.Write(m.profile); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		out.Write(pngChunk("iCCP", packed.Bytes()))
	}
	if len(m.exif) > 0 {
		out.Write(pngChunk("eXIf", m.exif))
	}
	return out.Bytes(), nil
}
