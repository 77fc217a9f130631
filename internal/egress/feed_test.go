package egress

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// A worker that stands still holds nobody up: what it has no room for is counted,
// and told to it once it goes on.
func TestFrozenWorkerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		f := newFeed(w, wire.Job{ID: "EG_x"})
		track := &trackFeed{feed: f, number: 7, clockAt: func(time.Time) (uint32, bool) { return 0x01020304, true }}
		payload := make([]byte, 1200)
		sent := 0
		send := func() {
			sent++
			if _, err := track.WriteRTP(&rtp.Header{Version: 2, SequenceNumber: uint16(sent)}, payload, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 * maxWaiting / len(payload) {
			send()
		}
		got := bytes.Buffer{}
		read := make(chan struct{})
		go func() { _, _ = io.Copy(&got, r); close(read) }()
		synctest.Wait()
		send()
		f.end()
		if _, err := track.WriteRTP(&rtp.Header{Version: 2}, payload, nil); err == nil {
			t.Error("packets are taken after the end")
		}
		<-read
		<-f.donec
		frames := wire.NewReader(&got)
		if _, err := frames.Job(); err != nil {
			t.Fatal(err)
		}
		kinds := map[wire.FrameKind]int{}
		lost := 0
		for {
			kind, content, err := frames.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			kinds[kind]++
			if kind != wire.End && int(content[0])<<8|int(content[1]) != 7 {
				t.Errorf("%c of another track", kind)
			}
			if kind == wire.Lost {
				lost = int(binary.BigEndian.Uint32(content[2:]))
			}
			if kind == wire.Clock && binary.BigEndian.Uint32(content[10:]) != 0x01020304 {
				t.Errorf("the clock shows %x", content)
			}
		}
		if kinds[wire.Lost] != 1 || kinds[wire.End] != 1 || kinds[wire.Clock] == 0 || kinds[wire.Packet]+lost != sent || lost == 0 {
			t.Errorf("of %d packets: %v, %d lost", sent, kinds, lost)
		}
	})
}

// counted notes when it is written to.
type counted struct{ at []time.Time }

func (c *counted) Write(b []byte) (int, error) {
	c.at = append(c.at, time.Now())
	return len(b), nil
}

func (c *counted) Close() error { return nil }

func TestMediaAsItIsComesInPortions(t *testing.T) {
	for kind, want := range map[wire.Kind]int{wire.Pass: 20, wire.Encode: 100} {
		synctest.Test(t, func(t *testing.T) {
			out := new(counted)
			f := newFeed(out, wire.Job{Kind: kind})
			track := &trackFeed{feed: f}
			send := func(packets int, every time.Duration) {
				for range packets {
					time.Sleep(every)
					if _, err := track.WriteRTP(&rtp.Header{Version: 2}, make([]byte, 1200), nil); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
			}
			send(200, 10*time.Millisecond)
			if n := len(out.at); n < 200 {
				t.Errorf("%s: %d times in its first two seconds", kind, n)
			}
			out.at = nil
			send(100, 10*time.Millisecond)
			if n := len(out.at); n < want-1 || n > want+1 {
				t.Errorf("%s: woken %d times in a second, want %d", kind, n, want)
			}
			out.at = nil
			send(portionSize/1200+1, 0)
			if len(out.at) == 0 {
				t.Errorf("%s: much waits", kind)
			}
			out.at = nil
			asked := time.Now()
			f.tell(wire.ControlFrame, 1)
			synctest.Wait()
			f.end()
			<-f.donec
			if len(out.at) == 0 || out.at[len(out.at)-1] != asked {
				t.Errorf("%s: what is told waits: %v", kind, out.at)
			}
		})
	}
}

func TestFeedOfADeadWorkerEnds(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	f := newFeed(w, wire.Job{})
	<-f.donec
	track := &trackFeed{feed: f}
	for range 10 {
		if _, err := track.WriteRTP(&rtp.Header{Version: 2}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.end()
}
