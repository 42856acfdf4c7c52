package cmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

// limitFlags bound what users can ask for.
type limitFlags struct {
	Expiry            time.Duration `help:"After this time an ended task goes, with its files and links." default:"24h"`
	FreeSpace         int64         `help:"New work is refused when less than this many bytes are free on the disk." default:"1073741824" placeholder:"BYTES"`
	MaxJobTasks       int           `help:"Tasks in one job." default:"1000" placeholder:"N"`
	MaxJobInputs      int           `help:"Inputs of all tasks of one job together." default:"20000" placeholder:"N"`
	MaxFile           int64         `help:"Bytes of one file that comes in." default:"10737418240" placeholder:"BYTES"`
	MaxImportFiles    int           `help:"Files of one import." default:"10000" placeholder:"N"`
	MaxURLLife        time.Duration `name:"max-url-life" help:"Time for which a URL to a file of an organisation can be asked." default:"168h"`
	MaxRun            time.Duration `help:"Time for one attempt of a task that sets no timeout of its own." default:"5h"`
	MaxIdle           time.Duration `help:"Time a transfer may go without a byte." default:"60s"`
	MaxArchiveEntries int           `help:"Entries of an archive that is read." default:"100000" placeholder:"N"`
	MaxArchiveRatio   int64         `help:"How many times larger than its packed form an archive may be, above 10 MiB." default:"100" placeholder:"N"`
	MaxArchive        int64         `help:"Bytes of an archive's content." default:"53687091200" placeholder:"BYTES"`
	MaxPixels         int64         `help:"Pixels of a picture, all its frames together." default:"268000000" placeholder:"N"`
}

// check refuses limits of nothing, under which no task could ever end well.
func (f limitFlags) check() error {
	var errs []error
	for _, limit := range []struct {
		flag string
		most int64
	}{
		{"expiry", seconds(f.Expiry)}, {"max-job-tasks", int64(f.MaxJobTasks)}, {"max-job-inputs", int64(f.MaxJobInputs)},
		{"max-file", f.MaxFile}, {"max-import-files", int64(f.MaxImportFiles)}, {"max-run", seconds(f.MaxRun)}, {"max-url-life", seconds(f.MaxURLLife)},
		{"max-idle", seconds(f.MaxIdle)}, {"max-archive-entries", int64(f.MaxArchiveEntries)},
		{"max-archive-ratio", f.MaxArchiveRatio}, {"max-archive", f.MaxArchive}, {"max-pixels", f.MaxPixels},
	} {
		if limit.most <= 0 {
			errs = append(errs, fmt.Errorf("--%s must be more than 0; write times as 90s or 24h", limit.flag))
		}
	}
	return errors.Join(errs...)
}

// seconds are whole ones: a number without a unit in a configuration is one of nanoseconds.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func (f limitFlags) limits() engine.Limits {
	limits := engine.DefaultLimits()
	limits.Expiry, limits.FreeSpace = f.Expiry, f.FreeSpace
	limits.JobTasks, limits.JobInputs = f.MaxJobTasks, f.MaxJobInputs
	limits.Transfer, limits.ImportFiles = f.MaxFile, f.MaxImportFiles
	limits.Run, limits.Idle, limits.SignedURL = f.MaxRun, f.MaxIdle, f.MaxURLLife
	limits.ArchiveEntries, limits.ArchiveRatio, limits.ArchiveBytes = f.MaxArchiveEntries, f.MaxArchiveRatio, f.MaxArchive
	limits.Pixels = f.MaxPixels
	return limits
}
