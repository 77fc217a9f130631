package peer

import (
	"errors"
	"testing"

	"github.com/pion/webrtc/v4"
)

// Encoders that publish by WHIP offer media alone.
func TestNothingIsKeptForWhoHasNoSectionForData(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	payload := make([]byte, 60_000)
	if err := c.pub.SendData(Reliable, payload, nil); err != nil {
		t.Errorf("before it is described: %v", err)
	}
	c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	c.negotiate(nil)
	c.connected()
	for range 2 * maxReliableBuffer / len(payload) {
		if err := c.pub.SendData(Reliable, payload, nil); !errors.Is(err, ErrNoData) {
			t.Fatal(err)
		}
	}
	if n := len(c.pub.out.backlog) + c.pub.out.backlogN; n > 0 {
		t.Errorf("%d are kept", n)
	}
	// It may describe one later.
	c.dataChannels()
	c.negotiate(nil)
	if err := c.pub.SendData(Reliable, []byte("at last"), nil); err != nil {
		t.Errorf("with a section: %v", err)
	}
	eventually(t, "data arrives", func() (arrived bool) {
		c.with(func() { arrived = len(c.received) == 1 && c.received[0].payload == "at last" })
		return arrived
	})
}
