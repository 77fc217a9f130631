package egress

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// meterSpan is the time over which the load is measured, and meterStep how often.
const (
	meterSpan = 5 * time.Second
	meterStep = time.Second
)

// meter measures how busy the processors are. Its goroutine ends with close.
type meter struct {
	read  func() (ticks, bool)
	also  func()
	stop  chan struct{}
	donec chan struct{}

	mu   sync.Mutex
	last []ticks // oldest first
}

// ticks are what the processors have counted since the machine started.
type ticks struct {
	idle, all  uint64
	processors int
}

// newMeter begins to measure; nil where there is nothing to read. also is called with
// each step.
func newMeter(read func() (ticks, bool), also func()) *meter {
	first, ok := read()
	if !ok {
		return nil
	}
	m := &meter{read: read, also: also, stop: make(chan struct{}), donec: make(chan struct{}), last: []ticks{first}}
	go m.run()
	return m
}

func (m *meter) run() {
	defer close(m.donec)
	t := time.NewTicker(meterStep)
	defer t.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-t.C:
			if now, ok := m.read(); ok {
				m.mu.Lock()
				m.last = append(m.last, now)
				if len(m.last) > int(meterSpan/meterStep)+1 {
					m.last = m.last[1:]
				}
				m.mu.Unlock()
			}
			m.also()
		}
	}
}

func (m *meter) close() {
	if m != nil {
		close(m.stop)
		<-m.donec
	}
}

// load is how much of the processors was used in the last seconds, from 0 to 1; 0
// while nothing is known.
func (m *meter) load() (load float64, processors int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first, last := m.last[0], m.last[len(m.last)-1]
	if all := last.all - first.all; all > 0 && last.all > first.all {
		load = 1 - float64(last.idle-first.idle)/float64(all)
	}
	return load, last.processors
}

// procStat reads Linux's counts (proc_stat(5)).
func procStat() (ticks, bool) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}, false
	}
	return parseStat(string(raw))
}

// parseStat takes the line of all processors: user, nice, system, idle, iowait, irq,
// softirq, steal; what follows is in the first two. Waiting for a disk is idle.
func parseStat(stat string) (t ticks, ok bool) {
	for line := range strings.Lines(stat) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "cpu":
			for i, field := range strings.Fields(rest) {
				n, err := strconv.ParseUint(field, 10, 64)
				if err != nil {
					return ticks{}, false
				}
				if i == 3 || i == 4 {
					t.idle += n
				}
				if i < 8 {
					t.all += n
				}
			}
		case strings.HasPrefix(name, "cpu"):
			t.processors++
		}
	}
	return t, t.all > 0 && t.processors > 0
}
