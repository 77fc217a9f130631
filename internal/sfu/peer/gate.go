package peer

import (
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/rate"
)

// DataLimit is how much data a client may send, on all its channels together; 0 is
// no limit. Reliable data beyond waits, so that its sender slows down; lossy data
// beyond is dropped.
type DataLimit struct {
	Messages, Bytes int // a second
}

// dataBurst is how many seconds' worth a client may have saved up.
const dataBurst = 4

// dataGate counts what a client sends.
type dataGate struct {
	mu              sync.Mutex
	messages, bytes *rate.Bucket // mu guards; nil is no limit
	told            bool         // mu guards; the log has it
}

func newDataGate(l DataLimit, now time.Time) *dataGate {
	return &dataGate{messages: dataBucket(l.Messages, 1, now), bytes: dataBucket(l.Bytes, MaxMessageSize, now)}
}

// dataBucket makes one that the largest message always fits into.
func dataBucket(perSecond int, largest float64, now time.Time) *rate.Bucket {
	if perSecond <= 0 {
		return nil
	}
	b := rate.NewBucket(float64(perSecond), max(dataBurst*float64(perSecond), largest), now)
	return &b
}

// admit says how long a message has to wait, and whether it is dropped instead.
// first says that it is the first one that is beyond the limit.
func (g *dataGate) admit(kind DataKind, size int, now time.Time) (wait time.Duration, drop, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if kind != Reliable {
		drop = g.messages != nil && !g.messages.Take(1, now) || g.bytes != nil && !g.bytes.Take(size, now)
	} else {
		if g.messages != nil {
			wait = g.messages.Reserve(1, now)
		}
		if g.bytes != nil {
			wait = max(wait, g.bytes.Reserve(size, now))
		}
	}
	if (drop || wait > 0) && !g.told {
		g.told, first = true, true
	}
	return wait, drop, first
}

// pass waits until a message may go on to the handler, and reports false if it is
// dropped or the connection is closed meanwhile.
func (c *conn) pass(kind DataKind, label string, size int) bool {
	wait, drop, first := c.gate.admit(kind, size, time.Now())
	if first {
		c.log.Warn("client sends more data than the limit: it is slowed down, what is lossy is dropped", "label", label)
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.endingc:
			return false
		}
	}
	return !drop
}
