// Command gantry-folder is Gantry with one exporter more, to a folder of the machine.
package main

import (
	"context"
	"os"

	"example.com/gantry-folder/folder"
	"github.com/gantry-engine/gantry/cmd"
)

func main() {
	os.Exit(cmd.Main(context.Background(), os.Args[1:], cmd.With(folder.Definition(os.Getenv("FOLDER_ROOT")))))
}
