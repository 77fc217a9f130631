package ffmpeg

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// A picture that is larger than any screen is not decoded: what it takes is the publisher's
// to say, in a few thousand bytes of one colour, and each tile of a room has a decoder.
func TestPicturesThatAreTooLargeAreNotDecoded(t *testing.T) {
	s := h264
	s.Audio, s.Width, s.Height = "", 7680, 4320
	frames := encode(t, s, 1)
	d, err := program(t).Decode(container.H264, 160, 90, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for n := range 2 {
		if !d.Submit(time.Duration(n)*time.Second, frames[0].Data) {
			t.Fatal("the decoder takes no more")
		}
	}
	d.End()
	for pic := range d.Pictures() {
		t.Errorf("there is a picture at %v", pic.At)
	}
}
