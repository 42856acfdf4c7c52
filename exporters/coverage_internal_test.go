package exporters

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestCoverageJoins reads a file in ranges, in any order and some of them twice, and wants the sum of the whole.
func TestCoverageJoins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file := make([]byte, rapid.IntRange(1, 5000).Draw(t, "size"))
		for i := range file {
			file[i] = byte(rand.Int())
		}
		var ranges []stretch
		for at := 0; at < len(file); {
			n := min(rapid.IntRange(1, 1500).Draw(t, "range"), len(file)-at)
			ranges = append(ranges, stretch{int64(at), int64(n), crc32.Checksum(file[at:at+n], castagnoli)})
			at += n
		}
		ranges = rapid.Permutation(append(ranges, ranges[0])).Draw(t, "order")
		var c coverage
		for i, r := range ranges {
			if _, whole := c.sum(int64(len(file))); whole && i < len(ranges)-1 {
				t.Fatal("whole before every range was read")
			}
			c.add(r)
		}
		got, whole := c.sum(int64(len(file)))
		if want := crc32.Checksum(file, castagnoli); !whole || got != want {
			t.Errorf("got %08x, %v, want %08x", got, whole, want)
		}
	})
}
