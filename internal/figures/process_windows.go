package figures

import (
	"syscall"
	"time"
)

// process returns the processor time that the process has used; its resident
// memory is 0, which stands for not known.
func process() (cpu time.Duration, resident uint64) {
	handle, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, 0
	}
	var created, exited, kernel, user syscall.Filetime
	if syscall.GetProcessTimes(handle, &created, &exited, &kernel, &user) != nil {
		return 0, 0
	}
	// Both are lengths of time here, in units of 100 ns.
	ticks := func(f syscall.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(ticks(kernel)+ticks(user)) * 100, 0
}
