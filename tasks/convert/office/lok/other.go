//go:build !linux || !(amd64 || arm64)

package lok

import (
	"fmt"
	"os"
)

// Main is the worker, which needs Linux on amd64 or arm64.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, "this system has no office worker")
	return 1
}
