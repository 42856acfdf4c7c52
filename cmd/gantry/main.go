// Gantry is a self-hosted file pipeline: see README.md.
package main

import (
	"context"
	"os"

	"github.com/gantry-engine/gantry/cmd"
)

func main() {
	os.Exit(cmd.Main(context.Background(), os.Args[1:]))
}
