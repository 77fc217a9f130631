package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine says where figures were measured: without it they mean nothing.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Disk   disk   `json:"disk"`
	// Pinning says on which cores server and load run.
	Pinning string `json:"pinning"`
	Date    string `json:"date"`
}

// disk is where the event log is, and what a write to it costs.
type disk struct {
	FS       string  `json:"fs"`
	Device   string  `json:"device"`
	FsyncP50 float64 `json:"fsyncP50ms"`
	FsyncP99 float64 `json:"fsyncP99ms"`
}

func (m machine) String() string {
	return fmt.Sprintf("cpu:      %s, %d cores\nkernel:   %s\ngo:       %s\ndata dir: %s on %s, 512 B + fdatasync p50 %.2f ms, p99 %.2f ms\npinning:  %s\ndate:     %s",
		m.CPU, m.Cores, m.Kernel, m.Go, m.Disk.FS, m.Disk.Device, m.Disk.FsyncP50, m.Disk.FsyncP99, m.Pinning, m.Date)
}

func describeMachine(dataDir, pinning string) (machine, error) {
	m := machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: kernel(), Go: runtime.Version(),
		Pinning: pinning, Date: time.Now().UTC().Format("2006-01-02 15:04 MST"),
	}
	m.Disk.FS, m.Disk.Device = fileSystem(dataDir)
	p50, p99, err := measureFsync(dataDir, 300)
	m.Disk.FsyncP50, m.Disk.FsyncP99 = milliseconds(p50), milliseconds(p99)
	return m, err
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// measureFsync appends records the size of an event, each made durable: the
// floor below any log on this disk.
func measureFsync(dir string, n int) (p50, p99 time.Duration, err error) {
	f, err := os.CreateTemp(dir, "fsync-*")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	took := make([]time.Duration, 0, n)
	record := make([]byte, 512)
	for range n {
		began := time.Now()
		if _, err := f.Write(record); err != nil {
			return 0, 0, err
		}
		if err := datasync(f); err != nil {
			return 0, 0, fmt.Errorf("sync %s: %w", filepath.Base(f.Name()), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return quantile(took, 0.5), quantile(took, 0.99), nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// quantile reads the nearest rank of sorted.
func quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// usage is how the machine's cores have spent their time.
type usage struct {
	total, idle, steal time.Duration // of all cores
	own                time.Duration // of it: server and load
}

// noise says how much of the machine was not ours while a figure was measured.
// Cores share caches, power and often execution units, so even a pinned process
// pays when others run.
type noise struct {
	// Idle, Steal and Other are percent of all cores: unused, taken by the
	// hypervisor, used by processes that are neither server nor load.
	Idle  float64 `json:"idlePct"`
	Steal float64 `json:"stealPct"`
	Other float64 `json:"otherPct"`
}

func (u usage) since(v usage) noise {
	total := float64(u.total - v.total)
	if total <= 0 {
		return noise{}
	}
	percent := func(d time.Duration) float64 { return max(0, 100*float64(d)/total) }
	idle, steal, own := u.idle-v.idle, u.steal-v.steal, u.own-v.own
	return noise{
		Idle: percent(idle), Steal: percent(steal),
		Other: percent(u.total - v.total - idle - steal - own),
	}
}

// worse keeps the noisier of each.
func (n noise) worse(m noise) noise {
	return noise{Idle: min(n.Idle, m.Idle), Steal: max(n.Steal, m.Steal), Other: max(n.Other, m.Other)}
}
