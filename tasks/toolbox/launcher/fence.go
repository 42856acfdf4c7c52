package launcher

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// readable is what a program sees of the machine behind Landlock, and a few files that C libraries want.
var readable = []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/fonts", "/etc/alternatives", "/etc/ld.so.cache", "/etc/mime.types",
	"/etc/ImageMagick-6", "/etc/ImageMagick-7", "/etc/libreoffice", "/etc/chromium.d", "/etc/ghostscript",
	"/var/lib/ghostscript", "/var/lib/libreoffice", "/var/spool/libreoffice", "/var/cache/fontconfig", "/dev/urandom", "/dev/random",
	"/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"}

// fence leaves the program the machine's programs, its own folder and its inputs, no privileges and no network.
func (s Spec) fence() error {
	if err := dropCapabilities(); err != nil {
		return err
	}
	if s.Offline {
		if err := refuseSockets(); err != nil {
			return fmt.Errorf("close the network: %w", err)
		}
	}
	var allowed []allowance
	for _, path := range append(s.Read, readable...) {
		if path != "" {
			allowed = append(allowed, allowance{path, landlockRead})
		}
	}
	for _, path := range append(s.Write, "/dev/null", "/dev/zero", "/dev/full") {
		allowed = append(allowed, allowance{path, landlockWrite})
	}
	return restrict(allowed)
}

// dropCapabilities takes from the thread what root can do beyond others, for good.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	for capability := range uintptr(64) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			break // past the last one, or nothing to drop them with, and so nothing to drop
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}
