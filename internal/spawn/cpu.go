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
func CPU(pid int) (time.Duration, error) { return cpu(pid, 11, 12) }

// cpu adds up fields of proc_pid_stat(5), counted from the state on: 11 and 12 are
// utime and stime, 13 and 14 those of children that were waited for.
func cpu(pid int, fields ...int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything.
	words := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	sum := int64(0)
	for _, at := range fields {
		if at >= len(words) {
			return 0, fmt.Errorf("/proc/%d/stat holds %q", pid, stat)
		}
		n, err := strconv.ParseInt(words[at], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / userHZ, nil
}
