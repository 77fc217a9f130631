package peer

import (
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"
)

// pion holds its locks while it waits, when it closes, for what it has called: who
// asks it anything there is waited for without an end.
func TestAChosenPathIsWatchedOverInTurn(t *testing.T) {
	c := newSubClient(t, newTestFactory(t, nil), clientOptions{})
	conn := &c.sub.conn
	watched, busy, release := make(chan bool, 1), make(chan struct{}), make(chan struct{})
	var first sync.Once
	c.sub.Negotiate()
	task := func(fn func()) {
		t.Helper()
		if err := conn.queue.post(fn); err != nil {
			t.Fatal(err)
		}
	}
	task(func() { // before the answer
		conn.pc.SCTP().Transport().ICETransport().OnSelectedCandidatePairChange(func(pair *webrtc.ICECandidatePair) {
			first.Do(func() {
				task(func() { close(busy); <-release })
				<-busy
				conn.follow(pair)
				watched <- conn.vigil.keeper.Load() != nil
			})
		})
	})
	if <-watched {
		t.Error("it was watched over while a task ran")
	}
	if path := conn.packets.link.Path(); path == nil {
		t.Error("the path was not taken")
	}
	close(release)
	eventually(t, "watched over", func() bool { return conn.vigil.keeper.Load() != nil })
}

func TestConnectionClosesWhileICEChoosesAPath(t *testing.T) {
	f := newTestFactory(t, nil)
	for range 30 {
		c := newSubClient(t, f, clientOptions{})
		c.sub.Negotiate()
		eventually(t, "path", func() bool { return c.sub.packets.link.Path() != nil })
		c.sub.Close()
	}
}
