package office

import (
	_ "embed"
	"os"
	"path/filepath"

	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// windowParts is the folder, seen from the libraries, of what Calc's window is made of. Debian's packages without windows leave it
// empty, and LibreOfficeKit, which gives every document a window, opens no spreadsheet without the part named here.
const (
	windowParts = "../share/config/soffice.cfg/modules/scalc/ui"
	inputBar    = "inputbar.ui"
)

// bar has the widgets of Calc's input bar that LibreOffice looks for by name, and nothing else: nobody sees it.
//
//go:embed inputbar.ui
var bar []byte

// window says whether workers can open spreadsheets, and what they are lent for it.
type window struct {
	opens bool
	lent  string // a folder to be seen as windowParts; "" where LibreOffice has its own
}

// calcWindow looks for Calc's window beside the libraries in program.
func calcWindow(box *toolbox.Box, program string) window {
	dir := filepath.Join(program, windowParts)
	if _, err := os.Stat(filepath.Join(dir, inputBar)); err == nil {
		return window{opens: true}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || box.Kind() != toolbox.Bubblewrap {
		return window{}
	}
	lent, err := box.Folder()
	if err != nil || os.WriteFile(filepath.Join(lent, inputBar), bar, 0o600) != nil {
		return window{} // the command line needs no window
	}
	return window{opens: true, lent: lent}
}
