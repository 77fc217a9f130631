package studio

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/frames"
)

// Sound that nobody takes does not fill the memory.
func TestWhatWaitsIsBounded(t *testing.T) {
	for _, codec := range []container.Codec{container.Opus, container.VP8} {
		s := &Studio{
			donec: make(chan struct{}), wakec: make(chan struct{}, 1), codecs: map[uint16]container.Codec{1: codec},
			pending: make(map[uint16]func()), cut: make(map[uint16]bool),
		}
		frame := frames.Frame{Data: make([]byte, 64<<10), Key: true}
		for range 2 * maxWaiting / len(frame.Data) {
			if err := s.Frame(1, frame, func() {}); err != nil {
				t.Fatal(err)
			}
		}
		if s.waiting > maxWaiting || s.waiting < maxWaiting/2 {
			t.Errorf("%d bytes of %v wait, at most %d may", s.waiting, codec, maxWaiting)
		}
	}
}
