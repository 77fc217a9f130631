package egress

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// maxWaiting is how much may wait for a worker, in bytes: some ten seconds of
// video. A worker that is slower loses packets, and nobody waits for it.
const maxWaiting = 4 << 20

// A worker that writes media as it is gets it in portions, once it has begun: to be woken
// for each packet is most of what it costs.
const (
	portionEvery = 50 * time.Millisecond
	portionAfter = 2 * time.Second // who begins is not held up
	portionSize  = 256 << 10       // bytes; more goes at once
)

// feed carries to a worker what happens to its tracks, and their packets. The
// latter come on the packet path: there it copies and never waits.
type feed struct {
	w        io.WriteCloser // the writing goroutine's
	began    time.Time      // immutable; see shown
	portions bool           // immutable

	mu      sync.Mutex
	waiting []byte // frames
	ended   bool
	wakec   chan struct{} // has an element when there is something to do
	soonc   chan struct{} // has one when that is not to wait for a portion
	donec   chan struct{} // closed when all is written
}

func newFeed(w io.WriteCloser, job wire.Job) *feed {
	f := &feed{
		w: w, began: time.Now(), portions: job.Kind == wire.Pass,
		wakec: make(chan struct{}, 1), soonc: make(chan struct{}, 1), donec: make(chan struct{}),
	}
	f.waiting = wire.AppendJSON(nil, wire.JobFrame, job)
	go f.run()
	f.wake()
	return f
}

// shown is what a worker is told for now: a clock that nobody sets while it records.
func (f *feed) shown(now time.Time) time.Time { return f.began.Add(now.Sub(f.began)) }

func (f *feed) wake() {
	select {
	case f.wakec <- struct{}{}:
	default:
	}
}

// hurry is wake for what is not to wait for a portion.
func (f *feed) hurry() {
	f.wake()
	select {
	case f.soonc <- struct{}{}:
	default:
	}
}

// tell sends a track or a control, which nothing is too full for.
func (f *feed) tell(kind wire.FrameKind, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.waiting = wire.AppendJSON(f.waiting, kind, v)
		f.hurry()
	}
}

// gone says that nothing follows of a track.
func (f *feed) gone(track uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.waiting = wire.AppendFrame(f.waiting, wire.Gone, binary.BigEndian.AppendUint16(nil, track))
		f.hurry()
	}
}

// end says that nothing follows.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		f.waiting = wire.AppendFrame(f.waiting, wire.End)
		f.hurry()
	}
}

// run writes until the end, or until the worker is gone.
func (f *feed) run() {
	defer close(f.donec)
	defer f.w.Close()
	var writing []byte
	portion := time.NewTimer(0)
	defer portion.Stop()
	for range f.wakec {
		select {
		case <-f.soonc: // it is done with this
		default:
		}
		f.mu.Lock()
		writing, f.waiting = f.waiting, writing[:0]
		ended := f.ended
		f.mu.Unlock()
		if len(writing) > 0 {
			if _, err := f.w.Write(writing); err != nil {
				return
			}
		}
		if ended {
			return
		}
		if f.portions && time.Since(f.began) >= portionAfter {
			portion.Reset(portionEvery)
			select {
			case <-portion.C:
			case <-f.soonc:
			}
		}
	}
}

// clockEvery is how often a worker is told what a track's clock shows.
const clockEvery = 500 * time.Millisecond

// trackFeed is the writer of a tap. Packets come one at a time.
type trackFeed struct {
	feed    *feed
	number  uint16
	clockAt func(time.Time) (timestamp uint32, ok bool) // nil if there is none

	lost  uint32 // packets since the last one that was taken; under feed.mu
	clock time.Time
}

// WriteRTP implements downtrack.Writer.
func (t *trackFeed) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	var head [128]byte
	n, err := h.MarshalTo(head[:])
	if err != nil {
		return 0, err
	}
	now := time.Now()
	var at [10]byte
	binary.BigEndian.PutUint16(at[:], t.number)
	binary.BigEndian.PutUint64(at[2:], uint64(t.feed.shown(now).UnixNano()))
	var shown [4]byte
	clocked := false
	if t.clockAt != nil && now.Sub(t.clock) >= clockEvery {
		var timestamp uint32
		if timestamp, clocked = t.clockAt(now); clocked {
			binary.BigEndian.PutUint32(shown[:], timestamp)
			t.clock = now
		}
	}
	f := t.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
		return 0, io.ErrClosedPipe
	case len(f.waiting)+len(payload)+n > maxWaiting:
		t.lost++
		return len(payload), nil
	}
	if t.lost > 0 {
		f.waiting = wire.AppendFrame(f.waiting, wire.Lost, at[:2], binary.BigEndian.AppendUint32(nil, t.lost))
		t.lost = 0
	}
	if clocked {
		f.waiting = wire.AppendFrame(f.waiting, wire.Clock, at[:], shown[:])
	}
	f.waiting = wire.AppendFrame(f.waiting, wire.Packet, at[:], head[:n], payload)
	if len(f.waiting) < portionSize {
		f.wake()
	} else {
		f.hurry()
	}
	return len(payload), nil
}
