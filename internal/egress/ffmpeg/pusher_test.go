package ffmpeg

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

// A destination that takes nothing any more holds up the end no longer than Close
// says: the server would kill the worker with all that it records.
func TestStalledDestinationDoesNotHoldUpTheEnd(t *testing.T) {
	// It reads nothing, and does not end.
	path := script.Write(t, t.TempDir(), "ffmpeg", "exec sleep 600\n")
	states := make(chan State, 16)
	p, err := (&Program{Path: path}).Push("rtmp://127.0.0.1/live/key", []container.Track{{Codec: container.AAC, Rate: 48000, Channels: 2}}, PushOptions{}, func(s State, _ error) { states <- s })
	if err != nil {
		t.Fatal(err)
	}
	// More than a pipe has room for, and less than are kept.
	for n := range 400 {
		p.Push(container.Frame{At: time.Duration(n) * 20 * time.Millisecond, Data: make([]byte, 8000), Key: true})
	}
	go p.Close()
	select {
	case <-p.Done():
	case <-time.After(12 * time.Second): // without a bound it takes 20 s
		t.Fatal("it is still waited for")
	}
	if s := <-states; s != Finished && s != Failed {
		t.Errorf("it ends %s", s)
	}
}
