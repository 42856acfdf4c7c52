package engine

import "time"

// Limits bounds what users can ask for. Each refusal says which one was met.
type Limits struct {
	JobTasks    int           // tasks in a job
	JobInputs   int           // inputs in all tasks of a job
	Transfer    int64         // bytes of one file that comes in
	ImportFiles int           // files of one import
	Run         time.Duration // of one attempt, where the task sets no timeout
	Idle        time.Duration // of a transfer without a byte
	FreeSpace   int64         // bytes left on the disk below which new work is refused
	Expiry      time.Duration // after which an ended task, its files and links go
	UploadForm  time.Duration // for which an upload form can be used
	SignedURL   time.Duration // for which a URL to a stored file can be asked at most
	Idempotency time.Duration // for which an Idempotency-Key is remembered

	ArchiveEntries int   // of an archive that is read
	ArchiveRatio   int64 // unpacked to packed, above 10 MiB
	ArchiveBytes   int64 // unpacked
	Pixels         int64 // of an image
}

// DefaultLimits returns the limits that hold where the operator set none.
func DefaultLimits() Limits {
	return Limits{
		JobTasks: 1000, JobInputs: 20_000,
		Transfer: 10 << 30, ImportFiles: 10_000,
		Run: 5 * time.Hour, Idle: time.Minute,
		FreeSpace: 1 << 30, Expiry: 24 * time.Hour, UploadForm: 6 * time.Hour, SignedURL: 7 * 24 * time.Hour,
		Idempotency:    24 * time.Hour,
		ArchiveEntries: 100_000, ArchiveRatio: 100, ArchiveBytes: 50 << 30,
		Pixels: 268_000_000,
	}
}
