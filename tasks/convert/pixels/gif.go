package pixels

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// GIF walks the blocks of a GIF without unpacking them: how many frames it has, how many pixels all of them.
func GIF(r io.Reader) (frames int, pixels int64, err error) {
	b := bufio.NewReader(r)
	head := make([]byte, 13)
	if _, err := io.ReadFull(b, head); err != nil {
		return 0, 0, err
	}
	if err := skipColors(b, head[10]); err != nil {
		return 0, 0, err
	}
	for {
		kind, err := b.ReadByte()
		if err != nil || kind == 0x3b {
			return frames, pixels, nil // decoders take a GIF that lacks its trailer
		}
		switch kind {
		case 0x21:
			_, err = b.Discard(1)
		case 0x2c:
			frame := make([]byte, 9)
			if _, err = io.ReadFull(b, frame); err != nil {
				break
			}
			frames++
			u16 := binary.LittleEndian.Uint16
			pixels += int64(u16(frame[4:])) * int64(u16(frame[6:]))
			if err = skipColors(b, frame[8]); err == nil {
				_, err = b.Discard(1)
			}
		default:
			err = errors.New("gif: unknown block")
		}
		if err != nil {
			return frames, pixels, err
		}
		if err := skipBlocks(b); err != nil {
			return frames, pixels, err
		}
	}
}

func skipColors(b *bufio.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := b.Discard(3 << (flags&7 + 1))
	return err
}

func skipBlocks(b *bufio.Reader) error {
	for {
		n, err := b.ReadByte()
		if err != nil || n == 0 {
			return err
		}
		if _, err := b.Discard(int(n)); err != nil {
			return err
		}
	}
}
