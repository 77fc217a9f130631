package peer

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
)

const (
	reportInterval = time.Second
	maxReports     = 40 // in one datagram
)

// reports sends sender reports once a second while anything is sent.
type reports struct {
	mu      sync.Mutex
	senders map[*Sender]struct{} // mu guards; bound ones
	timer   *time.Timer          // mu guards; nil while there are none
	closed  bool                 // mu guards
	tick    func(now time.Time)  // immutable; called each time, nil if not needed
	now     func() time.Time     // immutable
}

// add begins to report on a sender. The first one starts the timer.
func (r *reports) add(s *Sender, write func([]rtcp.Packet) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.senders[s] = struct{}{}
	if r.timer == nil {
		r.timer = time.AfterFunc(reportInterval, func() { r.send(write) })
	}
}

func (r *reports) remove(s *Sender) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.senders, s)
}

func (r *reports) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	clear(r.senders)
	if r.timer != nil {
		r.timer.Stop()
	}
}

// send runs on the timer's goroutine.
func (r *reports) send(write func([]rtcp.Packet) error) {
	r.mu.Lock()
	if r.closed || len(r.senders) == 0 {
		r.timer = nil
		r.mu.Unlock()
		return
	}
	senders := make([]*Sender, 0, len(r.senders))
	for s := range r.senders {
		senders = append(senders, s)
	}
	r.timer.Reset(reportInterval)
	r.mu.Unlock()

	now := r.now()
	if r.tick != nil {
		r.tick(now)
	}
	var pkts []rtcp.Packet
	for _, s := range senders {
		if report := s.down.SenderReport(now); report != nil {
			pkts = append(pkts, report)
		}
	}
	for len(pkts) > 0 {
		n := min(len(pkts), maxReports)
		_ = write(pkts[:n]) // fails while the connection is down
		pkts = pkts[n:]
	}
}
