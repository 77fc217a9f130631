package peer

import (
	"regexp"
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
	task := func(fn func()) {
		t.Helper()
		if err := conn.queue.post(fn); err != nil {
			t.Fatal(err)
		}
	}
	queued := make(chan struct{})
	task(func() { <-queued })
	c.sub.Negotiate()
	task(func() { // before the answer
		if err := c.sub.connect(); err != nil {
			t.Error(err)
			return
		}
		conn.pc.SCTP().Transport().ICETransport().OnSelectedCandidatePairChange(func(pair *webrtc.ICECandidatePair) {
			first.Do(func() {
				task(func() { close(busy); <-release })
				<-busy
				conn.follow(pair)
				watched <- conn.vigil.keeper.Load() != nil
			})
		})
	})
	close(queued)
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

// ICE may have chosen a path with new credentials before pion returns from hearing of
// them: who watches over it has to know them first.
func TestWhoWatchesHearsOfCredentialsBeforePion(t *testing.T) {
	c := newSubClient(t, newTestFactory(t, nil), clientOptions{})
	c.munge = func(answer string) string { // pion does not take it
		answer = regexp.MustCompile(`a=ice-ufrag:\S+`).ReplaceAllString(answer, "a=ice-ufrag:afresh")
		return regexp.MustCompile(`a=fingerprint:\S+ \S+\r\n`).ReplaceAllString(answer, "")
	}
	c.sub.Negotiate()
	eventually(t, "failure", func() bool { defer c.turn()(); return len(c.failed) > 0 })
	if got := c.sub.vigil.search(); got != "afresh" {
		t.Errorf("it knows %q", got)
	}
}
