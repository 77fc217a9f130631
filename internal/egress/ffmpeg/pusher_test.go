package ffmpeg

import (
	"errors"
	"strings"
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

// What a server says of a key is told without it.
func TestErrorsOfDestinationsHaveNoKeys(t *testing.T) {
	for url, says := range map[string]string{
		"rtmp://127.0.0.1:9/app/geheim":                          "Server error: no stream geheim",
		"rtmp://127.0.0.1:9/app/geheim?sign=offenbar":            "Server error: no stream geheim, signed by offenbar",
		"rtmp://127.0.0.1:9/app/geheim live=1":                   "geheim: Input/output error",
		"rtmp://127.0.0.1:9/app?token=offenbar/geheim":           "no application ?token=offenbar/geheim, no stream geheim",
		"srt://192.0.2.1:9?streamid=geheim&passphrase=offenbar!": "srt://192.0.2.1:9?streamid=geheim&passphrase=offenbar!: geheim was refused",
	} {
		if told := hide(errors.New(says), url).Error(); strings.Contains(told, "geheim") || strings.Contains(told, "offenbar") {
			t.Errorf("%s tells %q", url, told)
		}
	}
}
