package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of /proc/stat and /proc/PID/stat: USER_HZ, 100 on every
// architecture that Go runs on.
const tick = time.Second / 100

// cpuTime returns the CPU that a process has used so far, user and system, from
// its CPU clock in nanoseconds (clock_getcpuclockid(3)), or in ticks where that
// may not be read.
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err == nil {
		return time.Duration(ts.Nano()), nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("CPU time of process %d: %q", pid, stat)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// residentBytes returns the memory of a process that is in RAM.
func residentBytes(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("memory of process %d: %q", pid, statm)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// sharedBytes returns what of the memory of a process is its share, where each page
// counts for as many as have it (PSS), and what is its own: no page of a file.
func sharedBytes(pid int) (share, own int64, err error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(rollup)) {
		for name, into := range map[string]*int64{"Pss:": &share, "Pss_Anon:": &own} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				kib, parseErr := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				*into, err = kib<<10, errors.Join(err, parseErr)
			}
		}
	}
	return share, own, err
}

// peakBytes returns the most memory that a process has had in RAM.
func peakBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("memory of process %d: no VmHWM", pid)
}

// coreTimes fills all of a usage but own.
func coreTimes() (u usage, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	for i, field := range fields[1:] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("read /proc/stat: %w", err)
		}
		d := time.Duration(n) * tick
		switch {
		case i >= 8:
			continue // guests are in user already
		case i == 3 || i == 4:
			u.idle += d
		case i == 7:
			u.steal += d
		}
		u.total += d
	}
	return u, nil
}

// placement is where server and load run; nil is where the scheduler decides.
type placement struct {
	server, load, all *unix.CPUSet
	text              string
}

// pin keeps this process off the first core it may use, for the server.
func pin() placement {
	var all, server, load unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return placement{text: "none: " + err.Error()}
	}
	if all.Count() < 2 {
		return placement{text: "none: only one core, which server and load share"}
	}
	first, others := 0, []string{}
	for core := range len(all) * strconv.IntSize {
		switch {
		case !all.IsSet(core):
		case server.Count() == 0:
			server.Set(core)
			first = core
		default:
			load.Set(core)
			others = append(others, strconv.Itoa(core))
		}
	}
	if err := pinThreads(&load); err != nil {
		return placement{text: "none: " + err.Error()}
	}
	runtime.GOMAXPROCS(load.Count())
	return placement{&server, &load, &all, fmt.Sprintf("server on core %d, load on %s", first, strings.Join(others, ","))}
}

// pinThreads moves the threads of this process; later ones inherit from them.
func pinThreads(to *unix.CPUSet) error {
	for range 2 { // one more may have been made meanwhile
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, to); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("pin threads: %w", err)
			}
		}
	}
	return nil
}

// startServer starts cmd on the server's core.
func (p placement) startServer(cmd *exec.Cmd) error { return p.start(cmd, p.server) }

// startAnywhere starts cmd on any core.
func (p placement) startAnywhere(cmd *exec.Cmd) error { return p.start(cmd, p.all) }

// start has a child inherit the cores of the thread that makes it.
func (p placement) start(cmd *exec.Cmd, on *unix.CPUSet) error {
	if on == nil {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetaffinity(0, on); err != nil {
		return fmt.Errorf("choose cores: %w", err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, p.load))
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// fileSystem returns the type and the device of the mount that holds dir.
func fileSystem(dir string) (fs, device string) {
	fs, device = "unknown file system", "unknown device"
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fs, device
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fs, device
	}
	longest := -1
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at := fields[1]
		if at != "/" && dir != at && !strings.HasPrefix(dir, at+"/") || len(at) < longest {
			continue
		}
		longest, fs, device = len(at), fields[2], fields[0]
	}
	return fs, device
}
