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

// feed carries packets to a worker. It is the writer of a tap, on the packet path:
// it copies and never waits.
type feed struct {
	w io.WriteCloser // the writing goroutine's

	mu      sync.Mutex
	waiting []byte // frames
	lost    uint32 // packets since the last frame that was taken
	ended   bool
	wakec   chan struct{} // has an element when there is something to do
	donec   chan struct{} // closed when all is written
}

func newFeed(w io.WriteCloser, job wire.Job) *feed {
	f := &feed{w: w, waiting: wire.AppendJob(nil, job), wakec: make(chan struct{}, 1), donec: make(chan struct{})}
	go f.run()
	f.wake()
	return f
}

func (f *feed) wake() {
	select {
	case f.wakec <- struct{}{}:
	default:
	}
}

// WriteRTP implements downtrack.Writer.
func (f *feed) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	var head [128]byte
	n, err := h.MarshalTo(head[:])
	if err != nil {
		return 0, err
	}
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(time.Now().UnixNano()))
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
		return 0, io.ErrClosedPipe
	case len(f.waiting)+len(payload)+n > maxWaiting:
		f.lost++
		return len(payload), nil
	}
	if f.lost > 0 {
		f.waiting = wire.AppendFrame(f.waiting, wire.Lost, binary.BigEndian.AppendUint32(nil, f.lost))
		f.lost = 0
	}
	f.waiting = wire.AppendFrame(f.waiting, wire.Packet, at[:], head[:n], payload)
	f.wake()
	return len(payload), nil
}

// end says that nothing follows.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		f.waiting = wire.AppendFrame(f.waiting, wire.End)
		f.wake()
	}
}

// run writes until the end, or until the worker is gone.
func (f *feed) run() {
	defer close(f.donec)
	defer f.w.Close()
	var writing []byte
	for range f.wakec {
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
	}
}
