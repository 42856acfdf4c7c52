//go:build linux && (amd64 || arm64)

package lok

import (
	"fmt"
	"syscall"
	"unsafe"
)

// crashes are the signals of a program that cannot go on.
var crashes = []syscall.Signal{syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL}

// dieOfCrashes takes Go's handlers away: those raise a signal of LibreOffice's threads once more, for ever where the worker is
// the first process of its namespace, as that takes no signal it has no handler for but the kernel's own.
func dieOfCrashes() error {
	const kernelSet = 8 // bytes of the kernel's set of signals
	var byDefault [4]uint64
	for _, s := range crashes {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&byDefault)), 0, kernelSet, 0, 0); errno != 0 {
			return fmt.Errorf("leave %v to the kernel: %w", s, errno)
		}
	}
	return nil
}
