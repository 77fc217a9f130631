package peer

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// feedbackInterval is how often the client hears which packets arrived. Its
// bandwidth estimate follows from that.
const feedbackInterval = 100 * time.Millisecond

// feedback reports the arrival of every packet of a connection, retransmitted
// ones and probes included, as draft-holmer-rmcat-transport-wide-cc-extensions
// has it. It runs nothing while no packets arrive.
type feedback struct {
	write func([]rtcp.Packet) error // immutable

	mu       sync.Mutex
	start    time.Time      // mu guards
	recorder *twcc.Recorder // mu guards; nil before the first packet
	timer    *time.Timer    // mu guards
	armed    bool           // mu guards
	closed   bool           // mu guards
}

func (f *feedback) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
}

func (f *feedback) arrived(ssrc uint32, seq uint16, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if f.recorder == nil {
		f.start, f.recorder = at, twcc.NewRecorder(rand.Uint32())
	}
	f.recorder.Record(ssrc, seq, at.Sub(f.start).Microseconds())
	switch {
	case f.armed:
	case f.timer == nil:
		f.timer = time.AfterFunc(feedbackInterval, f.report)
	default:
		f.timer.Reset(feedbackInterval)
	}
	f.armed = true
}

// report runs on the timer's goroutine.
func (f *feedback) report() {
	f.mu.Lock()
	f.armed = false
	var pkts []rtcp.Packet
	if !f.closed {
		pkts = f.recorder.BuildFeedbackPacket()
	}
	f.mu.Unlock()
	if len(pkts) > 0 {
		_ = f.write(pkts) // fails while the connection is down
	}
}

// headerExtension finds an extension in an RTP packet, RFC 8285 §4. It returns
// nil if there is none, and for packets that are not RTP.
func headerExtension(b []byte, id uint8) []byte {
	if len(b) < 12 || b[0]&0x10 == 0 {
		return nil
	}
	at := 12 + 4*int(b[0]&0x0f)
	if len(b) < at+4 {
		return nil
	}
	profile := binary.BigEndian.Uint16(b[at:])
	end := at + 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	if end > len(b) {
		return nil
	}
	b = b[at+4 : end]
	header := 1
	if profile&0xfff0 == 0x1000 {
		header = 2
	} else if profile != 0xbede {
		return nil
	}
	for len(b) >= header {
		if b[0] == 0 { // padding
			b = b[1:]
			continue
		}
		got, size := b[0], 0
		if header == 1 {
			got, size = b[0]>>4, int(b[0]&0x0f)+1
			if got == 15 {
				return nil
			}
		} else {
			size = int(b[1])
		}
		if len(b) < header+size {
			return nil
		}
		if got == id {
			return b[header : header+size]
		}
		b = b[header+size:]
	}
	return nil
}
