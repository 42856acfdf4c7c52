package exporters

import (
	"hash/crc32"
	"slices"
)

// stretch is a part of a file and its CRC32C.
type stretch struct {
	Offset int64  `json:"o"`
	Length int64  `json:"n"`
	Sum    uint32 `json:"c"`
}

// coverage is which bytes of a file were read: in order, neighbours joined.
type coverage []stretch

// add notes a stretch that was read to its end. What overlaps with one that is known already changes nothing.
func (c *coverage) add(s stretch) {
	if s.Length == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(*c, s.Offset, func(k stretch, offset int64) int {
		if k.Offset < offset {
			return -1
		}
		return 1
	})
	if i > 0 && (*c)[i-1].Offset+(*c)[i-1].Length > s.Offset || i < len(*c) && s.Offset+s.Length > (*c)[i].Offset {
		return
	}
	*c = slices.Insert(*c, i, s)
	c.join(i)
	c.join(i - 1)
}

// join makes one of the stretches at i and i+1 if they touch.
func (c *coverage) join(i int) {
	if i < 0 || i+1 >= len(*c) || (*c)[i].Offset+(*c)[i].Length != (*c)[i+1].Offset {
		return
	}
	a, b := (*c)[i], (*c)[i+1]
	(*c)[i] = stretch{Offset: a.Offset, Length: a.Length + b.Length, Sum: combine(a.Sum, b.Sum, b.Length)}
	*c = slices.Delete(*c, i+1, i+2)
}

// sum returns the CRC32C of a file of that size, and whether all of it was read.
func (c coverage) sum(size int64) (uint32, bool) {
	if size == 0 {
		return 0, true
	}
	if len(c) != 1 || c[0].Offset != 0 || c[0].Length != size {
		return 0, false
	}
	return c[0].Sum, true
}

// bytes returns how many bytes were read.
func (c coverage) bytes() (n int64) {
	for _, s := range c {
		n += s.Length
	}
	return n
}

// matrix is a linear map on the bits of a CRC: column i is what bit i becomes.
type matrix [32]uint32

func (m *matrix) times(v uint32) (sum uint32) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func (m *matrix) squared() *matrix {
	var sq matrix
	for i := range m {
		sq[i] = m.times(m[i])
	}
	return &sq
}

// combine returns the CRC32C of a followed by b, where length is that of b: a is moved on by as many zero bytes.
func combine(a, b uint32, length int64) uint32 {
	zero := &matrix{crc32.Castagnoli} // one zero bit
	for i := 1; i < 32; i++ {
		zero[i] = 1 << (i - 1)
	}
	for range 3 { // one zero byte
		zero = zero.squared()
	}
	for ; length > 0; length >>= 1 {
		if length&1 != 0 {
			a = zero.times(a)
		}
		zero = zero.squared()
	}
	return a ^ b
}
