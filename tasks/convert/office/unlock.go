package office

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/xuri/excelize/v2"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

// lockable are the formats that are a ZIP, and something else when they are encrypted.
var lockable = []convert.Format{"xlsx", "xlsm", "xltx", "xltm", "xlsb", "docx", "docm", "dotx", "dotm", "pptx", "pptm", "ppsx",
	"ppsm", "potx", "potm"}

// unlock decrypts the file at path in its place, as the command line takes no password. Of other formats than Microsoft's
// newer ones it leaves that to LibreOffice, which then refuses them.
func unlock(path string, job convert.Job) error {
	if !slices.Contains(lockable, job.From) {
		return nil
	}
	locked, err := isLocked(path)
	if err != nil || !locked {
		return err
	}
	if job.Options.Password == "" {
		return needsPassword(job)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the input: %w", err)
	}
	plain, err := excelize.Decrypt(content, &excelize.Options{Password: job.Options.Password.Reveal()})
	if err != nil || !bytes.HasPrefix(plain, []byte("PK")) {
		return wrongPassword(job)
	}
	if err := os.WriteFile(path, plain, 0o600); err != nil {
		return fmt.Errorf("write the input: %w", err)
	}
	return nil
}

func isLocked(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("open the input: %w", err)
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := f.Read(head)
	return bytes.Equal(head[:n], []byte("\xd0\xcf\x11\xe0")), nil
}

func needsPassword(job convert.Job) *engine.Error {
	return engine.Errorf(engine.Invalid, "The %s file is encrypted: the option password has to open it.", job.From)
}

func wrongPassword(job convert.Job) *engine.Error {
	return engine.Errorf(engine.Invalid, "The option password does not open the %s file.", job.From)
}
