package spawn

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what processes take.
type Usage struct {
	CPU time.Duration // since they began, with that of their children that are gone
	// Memory is in bytes: what each has of its own, and the shared memory of the one that
	// has most of it. What is of files is not counted, as the system takes it back.
	Memory int64
}

// UsageOf returns what a process takes with all that it has started, and those, on
// Linux. It fails if the process is gone.
func UsageOf(pid int) (u Usage, err error) {
	if _, err := cpu(pid, 11); err != nil {
		return u, err
	}
	most := int64(0) // of shared memory
	add(pid, &u, &most)
	u.Memory += most
	return u, nil
}

// add adds a process with all that it has started; one that is gone has nothing.
func add(pid int, u *Usage, most *int64) {
	used, err := cpu(pid, 11, 12, 13, 14)
	if err != nil {
		return
	}
	own, shared := memory(pid)
	u.CPU += used
	u.Memory += own
	*most = max(*most, shared)
	for _, child := range children(pid) {
		add(child, u, most)
	}
}

// children are what a process has started, and has not waited for
// (proc_pid_children(5)).
func children(pid int) (found []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	for _, list := range lists {
		raw, err := os.ReadFile(list)
		if err != nil {
			continue // that thread is gone
		}
		for word := range strings.FieldsSeq(string(raw)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// memory is what a process has of its own, and of what it shares with others, in bytes
// (proc_pid_status(5)); 0 if it is gone.
func memory(pid int) (own, shared int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		to := map[string]*int64{"RssAnon": &own, "RssShmem": &shared}[name]
		if to == nil {
			continue
		}
		if words := strings.Fields(value); len(words) == 2 && words[1] == "kB" {
			n, _ := strconv.ParseInt(words[0], 10, 64)
			*to = n << 10
		}
	}
	return own, shared
}
