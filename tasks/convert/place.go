package convert

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Place copies the input into the folder dir, which is made, and returns the path of the copy: "in" with the format as its
// extension. It is for programs that know types by names alone, or that write beside what they read.
func (j Job) Place(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	src, err := os.Open(j.In)
	if err != nil {
		return "", fmt.Errorf("open the input: %w", err)
	}
	defer src.Close()
	path := filepath.Join(dir, "in."+string(j.From))
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("copy the input: %w", err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return "", fmt.Errorf("copy the input: %w", err)
	}
	return path, dst.Close()
}
