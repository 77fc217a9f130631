package eventlog

import (
	"time"

	"github.com/rollcall-rtc/rollcall/internal/histogram"
)

// Stats are counts since Open.
type Stats struct {
	// Appended events were taken, Refused ones came after the log had ended.
	Appended, Refused uint64
	// RefusedByQuota events were not essential and came while the log was full.
	RefusedByQuota uint64
	// Bytes of events are kept, before compression; counted with a Retention.
	Bytes uint64
	// Waiting events are in the ring now.
	Waiting int
	// Waits and WaitTime say how often and how long Append found the ring full.
	Waits    uint64
	WaitTime time.Duration
	// Groups were committed, each with one sync.
	Groups uint64
	// Sanitized events held text that is not UTF-8, which was replaced.
	Sanitized uint64
}

// Stats returns the counts.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Waiting = l.count
	s.Bytes = l.bytes - l.gone
	return s
}

// CommitTimes are how long groups of events took to be written and synced.
func (l *Log) CommitTimes() histogram.Snapshot { return l.commits.Snapshot() }

// DiskUsage is what the log takes on the disk, in bytes; 0 once it has ended, and
// if its store does not know.
func (l *Log) DiskUsage() uint64 {
	l.reading.RLock()
	defer l.reading.RUnlock()
	store, ok := l.store.(interface{ DiskUsage() uint64 })
	if !ok || l.Err() != nil {
		return 0
	}
	return store.DiskUsage()
}
