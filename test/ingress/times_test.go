package ingress

import (
	"testing"

	"github.com/livekit/protocol/livekit"
)

// Times of encoders that have been on for long, and those that run over while they
// push, are as good as others: pictures and sound go on as far apart as they come.
func TestTimesOfLongStreamsAreShownAsTheyCome(t *testing.T) {
	for _, tc := range []struct {
		name   string
		begins string // seconds
		b      int
	}{
		{"after a day", "86398", 0},
		{"after a day, encoded anew", "86398", 2},
		// ffmpeg writes 31 bits of milliseconds.
		{"as the clock runs over", "2147481.648", 0},
		{"as the clock runs over, encoded anew", "2147481.648", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			info := s.create()
			v := s.view("show")
			p := s.push(info, append(oneGroup("320x180", tc.b, 4), "-ac", "1", "-output_ts_offset", tc.begins)...)
			p.wait()
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
			pictures, sound := v.got(video), v.got(audio)
			// Of 120 and 200; what a child that starts slowly is behind with is left out, and
			// after that nothing is, see below.
			want := 115
			if tc.b > 0 {
				want = 60
			}
			if n, _ := decoded(t, "h264", pictures.bytes); n < want {
				t.Errorf("%d pictures decode, want %d", n, want)
			}
			if sound.frames < 40 {
				t.Errorf("%d packets of sound", sound.frames)
			}
			wantSteps(t, "pictures", pictures.stamps, 90_000, 200)
			wantSteps(t, "sound", sound.stamps, 48_000, 100)
		})
	}
}

// wantSteps wants times to go on by no more than that, in milliseconds, and none back.
// What is shown once more for the first who comes goes on in small steps.
func wantSteps(t *testing.T, what string, stamps []uint32, rate int, most int) {
	t.Helper()
	for i := 1; i < len(stamps); i++ {
		step := int(int32(stamps[i]-stamps[i-1])) * 1000 / rate
		if step < 0 || step > most {
			t.Errorf("%s: %d ms from %d to %d of %d", what, step, i-1, i, len(stamps))
		}
	}
}
