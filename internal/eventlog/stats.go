package eventlog

import "time"

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
