//go:build unix

package figures

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// process returns the processor time that the process has used, and its resident
// memory in bytes, 0 where that is not to be had.
func process() (cpu time.Duration, resident uint64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	// Linux: pages in total, then those that are resident.
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			resident = pages * uint64(os.Getpagesize())
		}
	}
	return cpu, resident
}
