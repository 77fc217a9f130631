package egress

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// A worker that stands still holds nobody up: what it has no room for is counted,
// and told to it once it goes on.
func TestFrozenWorkerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		f := newFeed(w, wire.Job{ID: "EG_x"})
		payload := make([]byte, 1200)
		sent := 0
		send := func() {
			sent++
			if _, err := f.WriteRTP(&rtp.Header{Version: 2, SequenceNumber: uint16(sent)}, payload, nil); err != nil {
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
		if _, err := f.WriteRTP(&rtp.Header{Version: 2}, payload, nil); err == nil {
			t.Error("packets are taken after the end")
		}
		<-read
		<-f.donec
		frames := wire.NewReader(&got)
		if _, err := frames.Job(); err != nil {
			t.Fatal(err)
		}
		kinds := map[wire.Kind]int{}
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
			if kind == wire.Lost {
				lost = int(content[0])<<24 | int(content[1])<<16 | int(content[2])<<8 | int(content[3])
			}
		}
		if kinds[wire.Lost] != 1 || kinds[wire.End] != 1 || kinds[wire.Packet]+lost != sent || lost == 0 {
			t.Errorf("of %d packets: %v, %d lost", sent, kinds, lost)
		}
	})
}

func TestFeedOfADeadWorkerEnds(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	f := newFeed(w, wire.Job{})
	<-f.donec
	for range 10 {
		if _, err := f.WriteRTP(&rtp.Header{Version: 2}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.end()
}
