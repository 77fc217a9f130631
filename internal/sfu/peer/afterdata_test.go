package peer

import (
	"testing"

	"github.com/pion/webrtc/v4"
)

func TestWhatComesAfterDataWaitsForItsHandler(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	reliable, lossy := c.dataChannels()
	c.negotiate(nil)
	eventually(t, "channels open", func() bool {
		return reliable.ReadyState() == webrtc.DataChannelStateOpen && lossy.ReadyState() == webrtc.DataChannelStateOpen
	})
	calm := func() bool { return !c.pub.AfterData(func() {}) }
	eventually(t, "nothing waits", calm)

	c.pub.turn.Lock() // the handler is busy
	for _, dc := range []*webrtc.DataChannel{reliable, lossy, reliable} {
		if err := dc.SendText("x"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "acknowledged", func() bool { return reliable.BufferedAmount() == 0 && lossy.BufferedAmount() == 0 })
	then := make(chan int, 1)
	waits := c.pub.AfterData(func() { then <- c.messages() })
	if !waits || len(then) > 0 {
		t.Errorf("waits: %t, called %d times", waits, len(then))
	}
	c.pub.turn.Unlock()
	if n := <-then; n != 3 {
		t.Errorf("called after %d of 3 messages", n)
	}
	eventually(t, "nothing waits", calm)
}
