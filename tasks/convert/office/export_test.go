package office

import (
	"os"
	"time"
)

// SetSilence sets how long a worker may go without a sign of life.
func (e *Engine) SetSilence(d time.Duration) { e.silence = d }

// SetCommand sets what is started in place of LibreOffice's command line.
func (e *Engine) SetCommand(path string) { e.soffice.Path = path }

// SetProgram sets the folder of LibreOffice's libraries for workers that are yet to start.
func (e *Engine) SetProgram(program string) error {
	self, err := os.Executable()
	e.pool = newPool(e.box, self, program, window{})
	return err
}
