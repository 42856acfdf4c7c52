package cmd_test

import (
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"time"
)

// wrongClock makes a process of these tests see a wrong time, by so much; noClock is what one says that cannot.
const (
	wrongClock = "GANTRY_TEST_CLOCK"
	noClock    = "the clock of a process cannot be set here"
)

var clockOffset time.Duration

// shiftClock makes time.Now of this process be off by so much, as if its machine's clock were. There is no other way to tell
// a Go program a wrong time: it asks the kernel without a call that could be caught.
func shiftClock(by string) (err error) {
	if by == "" {
		return nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return errors.New("only on linux/amd64")
	}
	if clockOffset, err = time.ParseDuration(by); err != nil {
		return err
	}
	// movabs r11, wrongNow; jmp r11
	code := binary.LittleEndian.AppendUint64([]byte{0x49, 0xbb}, uint64(reflect.ValueOf(wrongNow).Pointer()))
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.WriteAt(append(code, 0x41, 0xff, 0xe3), int64(reflect.ValueOf(time.Now).Pointer()))
	return err
}

func wrongNow() time.Time {
	var now syscall.Timeval
	_ = syscall.Gettimeofday(&now)
	return time.Unix(now.Sec, now.Usec*1000).Add(clockOffset)
}
