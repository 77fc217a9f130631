package source

import (
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtp"
)

// What waits for a slow child is bounded in memory, however little is in a packet.
func TestBacklogOfSmallPacketsIsBounded(t *testing.T) {
	if n := unsafe.Sizeof(arrival{}) + unsafe.Sizeof(rtp.Packet{}); n > perPacket {
		t.Errorf("a packet takes %d bytes", n)
	}
	r := &Reception{feed: newFeed(nil, "", nil, slog.New(slog.DiscardHandler)), wakec: make(chan struct{}, 1)}
	l, err := r.Track("audio/opus", 48_000, func(time.Time) (uint32, bool) { return 0, false }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range [][]byte{nil, {1}} {
		for n := range 200_000 {
			if _, err := l.WriteRTP(&rtp.Header{SequenceNumber: uint16(n)}, payload, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.unread); n < 10_000 || n > maxUnread/perPacket {
			t.Fatalf("%d packets of %d bytes wait", n, len(payload))
		}
		r.unread, r.size = nil, 0
	}
}
