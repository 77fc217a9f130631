package ingress

import (
	"bytes"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/thesyncim/gopus"
)

// lateness is what a source's sound may be off by at a subscriber. Sound is known to
// its sample, a picture to when it begins; AAC and Opus blur an onset by some
// milliseconds. It is no matter of the machine's: what is compared are times of capture
// by sender reports, and not when something came.
const lateness = 15 * time.Millisecond

// What subscribers are told of when pictures and sounds were captured is what they play
// them in step by.
func TestSoundAndPicturesAreToldToBeSimultaneous(t *testing.T) {
	preset := func(r *livekit.CreateIngressRequest) {
		r.Video = &livekit.IngressVideoOptions{EncodingOptions: &livekit.IngressVideoOptions_Preset{Preset: livekit.IngressVideoEncodingPreset_H264_540P_25FPS_2_LAYERS}}
	}
	for _, tc := range []struct {
		name   string
		b      int
		change func(*livekit.CreateIngressRequest)
		late   time.Duration // of the source's sound
	}{
		{"passed through", 0, func(*livekit.CreateIngressRequest) {}, 0},
		{"with B-frames", 2, func(*livekit.CreateIngressRequest) {}, 0},
		{"in layers", 0, preset, 0},
		{"from a source whose sound is late", 0, func(*livekit.CreateIngressRequest) {}, 150 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			info := s.create(tc.change)
			v := s.view("show")
			s.push(info, "-re", "-f", "lavfi", "-i", "color=black:s=320x180:r=25,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
				"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t+1-%f,1),0.1)':s=48000", tc.late.Seconds()), "-t", "6",
				"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", fmt.Sprint(tc.b), "-g", "30", "-c:a", "aac").wait()
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
			flashes, beeps := v.got(video).flashes(t), v.got(audio).beeps(t)
			var off []time.Duration
			for _, flash := range flashes {
				for _, beep := range beeps {
					if d := beep.Sub(flash) - tc.late; d.Abs() < 400*time.Millisecond {
						off = append(off, d)
					}
				}
			}
			t.Logf("%d flashes, %d beeps, off by %v", len(flashes), len(beeps), off)
			if len(off) < 3 || slices.ContainsFunc(off, func(d time.Duration) bool { return d.Abs() > lateness }) {
				t.Errorf("of %d flashes and %d beeps these are together, sound off by so much: %v; want 3 or more, and %v at most", len(flashes), len(beeps), off, lateness)
			}
		})
	}
}

// flashes are when pictures turned bright.
func (k kept) flashes(t *testing.T) (at []time.Time) {
	t.Helper()
	var h264 []byte
	for _, f := range k.all {
		h264 = append(h264, f.Data...)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "h264", "-i", "pipe:0", "-vf", "scale=2:2", "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1")
	cmd.Stdin = bytes.NewReader(h264)
	pictures, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	const size = 2 * 2
	if len(pictures)/size != len(k.all) {
		t.Fatalf("of %d pictures %d decode", len(k.all), len(pictures)/size)
	}
	lit := true
	for i, f := range k.all {
		bright := pictures[i*size] > 128
		if captured, ok := k.track.CapturedAt(f.Timestamp); ok && bright && !lit {
			at = append(at, captured)
		}
		lit = bright
	}
	return at
}

// beeps are when sound began after a silence.
func (k kept) beeps(t *testing.T) (at []time.Time) {
	t.Helper()
	const rate, quietFor, loud = 48_000, 48_000 / 5, 0.3
	decoder, err := gopus.NewDecoder(gopus.DefaultDecoderConfig(rate, 1))
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]float32, rate)
	quiet := 0
	for _, f := range k.all {
		n, err := decoder.Decode(f.Data, pcm)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range pcm[:n] {
			if quiet++; math.Abs(float64(x)) < loud {
				continue
			}
			if captured, ok := k.track.CapturedAt(f.Timestamp + uint32(i)); ok && quiet > quietFor {
				at = append(at, captured)
			}
			quiet = 0
		}
	}
	return at
}
