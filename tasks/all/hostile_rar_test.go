package all_test

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// rarClaim is what the header of a file in a RAR says of it.
type rarClaim struct {
	name       string
	size       uint64 // unpacked
	dictionary uint64 // 128 KiB doubled so often
	method     uint64 // 0 is stored
	link       string // where it points to
}

// claimed is an archive of version 5 (RAR 5.0 archive format) with one file, or one link.
func claimed(claim rarClaim, content string) string {
	number := func(v uint64) string { return string(binary.AppendUvarint(nil, v)) }
	block := func(header string) string {
		header = number(uint64(len(header))) + header
		return string(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(header)))) + header
	}
	fields, extra := "", ""
	flags := uint64(2) // content follows
	if claim.link != "" {
		record := number(5) + number(1) + number(0) + number(uint64(len(claim.link))) + claim.link
		extra = number(uint64(len(record))) + record
		flags, fields = 3, number(uint64(len(extra)))
	}
	fields += number(uint64(len(content))) + number(0) + number(claim.size) + number(0o100644) +
		number(claim.method<<7|claim.dictionary<<10) + number(1) + number(uint64(len(claim.name))) + claim.name
	return "Rar!\x1a\x07\x01\x00" + block(number(1)+number(0)+number(0)) + block(number(2)+number(flags)+fields+extra) + content +
		block(number(5)+number(0)+number(0))
}

// rarRun is what a RAR holds for an "a" and a run of more of them, of which each bit stands for about 4 KiB.
func rarRun(matches int) (content string, size uint64) {
	var bits strings.Builder
	repeat := func(symbol string, n, width int) { // zeros, so many more than the width's least
		bits.WriteString(symbol)
		for i := width - 1; i >= 0; i-- {
			bits.WriteByte('0' + byte(n>>i&1))
		}
	}
	for symbol := range 20 { // of the table of lengths: 1 is "00", 2 "01", a few zeros "10", many "11"
		repeat("", map[int]int{1: 2, 2: 2, 18: 2, 19: 2}[symbol], 4)
	}
	const one, two, many = "00", "01", "11"
	repeat(many, 97-11, 7)
	bits.WriteString(two) // "a" is "10"
	repeat(many, 138-11, 7)
	repeat(many, 21-11, 7)
	bits.WriteString(one) // the last match once more is "0"
	repeat(many, 47-11, 7)
	bits.WriteString(two + one + one) // the longest match is "11", a distance of 1 "0"
	repeat(many, 122-11, 7)
	bits.WriteString("10" + "11" + "111111111" + "0" + strings.Repeat("0", matches))
	used := (bits.Len()-1)%8 + 1
	for bits.Len()%8 > 0 {
		bits.WriteByte('0')
	}
	packed := make([]byte, bits.Len()/8)
	for i, bit := range bits.String() {
		packed[i/8] |= byte(bit-'0') << (7 - i%8)
	}
	flags := byte(used-1) | 2<<3 | 1<<6 | 1<<7 // a size of three bytes, the last block, with tables
	n := len(packed)
	head := []byte{flags, 0x5a ^ flags ^ byte(n) ^ byte(n>>8) ^ byte(n>>16), byte(n), byte(n >> 8), byte(n >> 16)}
	const longest = 2 + 7<<9 + 511 // and for the distance no more
	return string(head) + string(packed), 1 + uint64(matches+1)*longest
}

// rarBomb unpacks to 4 KiB for each bit of it.
func rarBomb(matches int) string {
	content, size := rarRun(matches)
	return claimed(rarClaim{name: "a", size: size, dictionary: 3, method: 3}, content)
}
