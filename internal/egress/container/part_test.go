package container

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
)

// Fragments are what mediacommon makes of the same samples, to the byte, whichever tracks
// have any.
func TestPartsAreAsAnotherMakesThem(t *testing.T) {
	data := bytes.Repeat([]byte("data"), 300)
	for n := range 1 << 6 {
		video, audio := &mp4Track{base: 1 << 40}, &mp4Track{base: 7}
		for i := range n & 3 {
			video.samples = append(video.samples, sample{uint32(3000 + i), n&16 != 0 || i == 0 && n&32 != 0, data[i : 500*i]})
		}
		for i := range n >> 2 & 3 {
			audio.samples = append(audio.samples, sample{960, true, data[:i*13]})
		}
		want := fmp4.Part{SequenceNumber: uint32(n)}
		for i, tr := range []*mp4Track{video, audio} {
			if len(tr.samples) == 0 {
				continue
			}
			pt := &fmp4.PartTrack{ID: i + 1, BaseTime: uint64(tr.base)}
			for _, s := range tr.samples {
				pt.Samples = append(pt.Samples, &fmp4.Sample{Duration: s.length, IsNonSyncSample: !s.key, Payload: s.data})
			}
			want.Tracks = append(want.Tracks, pt)
		}
		var b seekablebuffer.Buffer
		if err := want.Marshal(&b); err != nil {
			t.Fatal(err)
		}
		before := []byte("what was there before")
		got := appendPart(bytes.Clone(before), uint32(n), []*mp4Track{video, audio})
		if rest, ok := bytes.CutPrefix(got, before); !ok || !bytes.Equal(rest, b.Bytes()) {
			t.Errorf("%s:\n%x\nwant\n%x", fmt.Sprintf("%06b", n), got, b.Bytes())
		}
	}
}
