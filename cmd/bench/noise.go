package main

import (
	"io"
	"math/rand/v2"
)

// noise repeats a random block for ever. The block is longer than the window of deflate, so nothing compresses it.
type noise struct {
	block []byte
	at    int
}

func newNoise() io.Reader {
	block := make([]byte, 1<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(block) // never fails
	return &noise{block: block}
}

// Read fills p.
func (n *noise) Read(p []byte) (int, error) {
	if n.at == len(n.block) {
		n.at = 0
	}
	done := copy(p, n.block[n.at:])
	n.at += done
	return done, nil
}
