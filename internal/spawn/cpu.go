package spawn

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of times in /proc/PID/stat, on every architecture that Go runs
// on.
const userHZ = 100

// CPU returns what a process has used so far, user and system, on Linux.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	sum := int64(0)
	for _, at := range []int{11, 12} { // utime, stime of proc_pid_stat(5)
		if at >= len(fields) {
			return 0, fmt.Errorf("/proc/%d/stat holds %q", pid, stat)
		}
		n, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / userHZ, nil
}
