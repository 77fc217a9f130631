package frames

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// endless is what a hostile publisher sends: nothing of it is ever a frame.
type endless struct {
	name   string
	coded  coded
	packet func(parts [][]byte, n int) (payload []byte, marker bool, timestamp uint32)
}

// A frame that never ends takes no more memory than one may be large, and what follows it
// is recorded.
func TestFramesThatNeverEndAreLeftOut(t *testing.T) {
	var all []endless
	for _, c := range allCoded {
		if c.codec == container.AV1 {
			c.head = []byte{1 << 3} // a sequence header, with which decoding begins
		}
		if c.codec.Video() {
			all = append(all, endless{"within " + string(c.codec), c, func(parts [][]byte, n int) ([]byte, bool, uint32) {
				return parts[min(n, 1)], false, 0 // of the second, what is in the middle
			}})
		}
	}
	for _, c := range []coded{allCoded[3], allCoded[5]} {
		set := bytes.Repeat([]byte{0x67}, 1100) // SPS
		if c.codec == container.H265 {
			set[0] = 33 << 1
		}
		all = append(all, endless{"parameters of " + string(c.codec), c, func(_ [][]byte, n int) ([]byte, bool, uint32) {
			return set, true, uint32(n) * 3000
		}})
	}
	for _, e := range all {
		t.Run(e.name, func(t *testing.T) {
			track, err := New(e.coded.codec, e.coded.rate)
			if err != nil {
				t.Fatal(err)
			}
			parts := e.coded.split.Payload(1100, e.coded.frame(9))
			now, seq, timestamp := begin, uint16(0), uint32(0)
			push := func(p *rtp.Packet) (f Frame, ok bool) {
				seq++
				p.SequenceNumber, now = seq, now.Add(time.Millisecond)
				track.Push(p, now)
				f, _, ok = track.Next(now, false)
				return f, ok
			}
			before := heap()
			for n := range 3 * maxFrame / 1100 {
				var p rtp.Packet
				p.Payload, p.Marker, p.Timestamp = e.packet(parts, n)
				timestamp = p.Timestamp
				if _, ok := push(&p); ok {
					t.Fatal("it is taken for a frame")
				}
			}
			if grown := heap() - before; grown > 2*maxFrame {
				t.Errorf("%d MiB are kept", grown>>20)
			}
			came := 0
			for n := range 3 {
				for i, part := range parts {
					f, ok := push(&rtp.Packet{Header: rtp.Header{Timestamp: timestamp + uint32(n+1)*3000, Marker: i == len(parts)-1}, Payload: part})
					if ok && len(f.Data) > 200 {
						came++
					}
				}
			}
			if came < 2 {
				t.Errorf("%d of 3 key frames came after it", came)
			}
			runtime.KeepAlive(track)
		})
	}
}

// heap is what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
