//go:build encoders

package ingress

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// python are the encoders that scripts/encoders.sh gets.
const python = "../../out/tools/encoders/bin/python"

// runsUntil runs a program that goes on until its input ends, for as long as it takes.
func runsUntil(t *testing.T, what string, met func() bool, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); err = cmd.Wait() }()
	t.Cleanup(func() { <-ended })
	eventually(t, what, func() bool {
		select {
		case <-ended:
			t.Fatalf("%s: %v\n%s", args, err, &out)
		default:
		}
		return met()
	})
	_ = input.Close()
	if <-ended; err != nil {
		t.Fatalf("%s: %v\n%s", args, err, &out)
	}
}

// Codecs that Debian's FFmpeg cannot put into RTMP are not encoded anew.
func TestEnhancedRTMPOfFFmpeg8IsForwardedAsItComes(t *testing.T) {
	for _, tc := range []struct{ video, mime, audio, heard string }{
		{"libx265", "video/H265", "libopus", "audio/opus"},
		{"libsvtav1", "video/AV1", "aac", "audio/aac"},
		{"libvpx-vp9", "video/VP9", "libopus", "audio/opus"},
	} {
		t.Run(tc.video+" and "+tc.audio, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			info := s.create()
			v := s.view("show")
			var state *livekit.IngressState
			runsUntil(t, "sound and pictures", func() bool {
				state = s.state(info.IngressId)
				return state.Status == livekit.IngressState_ENDPOINT_PUBLISHING && v.got(audio).frames >= 120 && v.got(video).frames >= 160
			}, python, "encoders/push.py", info.Url+"/"+info.StreamKey, tc.video, tc.audio)
			if state.Video.GetMimeType() != tc.mime || state.Audio.GetMimeType() != tc.heard {
				t.Errorf("%+v", state)
			}
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_INACTIVE })
			seen, heard := v.got(video), v.got(audio)
			if n, size := pictures(t, seen); n < 100 || size != "320x180" || seen.codec != tc.mime {
				t.Errorf("%d of %d pictures of %s, %s, decode", n, seen.frames, seen.codec, size)
			}
			if heard.codec != "audio/opus" {
				t.Errorf("%d packets of %s came", heard.frames, heard.codec)
			}
		})
	}
}

// H265 that is asked for in layers is encoded anew.
func TestH265OfFFmpeg8IsEncodedInLayers(t *testing.T) {
	t.Parallel()
	s := start(t)
	info := s.create(toVP8)
	v := s.view("show")
	runsUntil(t, "pictures", func() bool { return v.got(video).frames >= 90 },
		python, "encoders/push.py", info.Url+"/"+info.StreamKey, "libx265", "aac")
	s.is(info, livekit.IngressState_ENDPOINT_INACTIVE)
	seen := v.got(video)
	if n, _ := pictures(t, seen); n < 60 || seen.codec != "video/VP8" {
		t.Errorf("%d of %d pictures of %s decode", n, seen.frames, seen.codec)
	}
}

// WHIP clients that are neither browsers nor of our own library: what they send comes as
// it is, or is encoded anew.
func TestWHIPOfOtherLibrariesIsSeenAndHeard(t *testing.T) {
	for _, tc := range []struct {
		name    string
		program []string
		encoded bool
	}{
		{"aiortc", []string{python, "encoders/whip.py"}, false},
		{"aiortc, encoded", []string{python, "encoders/whip.py"}, true},
		{"GStreamer", []string{"/usr/bin/python3", "encoders/gstreamer.py"}, false},
		{"GStreamer, encoded", []string{"/usr/bin/python3", "encoders/gstreamer.py"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			info := s.create(func(r *livekit.CreateIngressRequest) {
				r.InputType, r.EnableTranscoding = livekit.IngressInput_WHIP_INPUT, &tc.encoded
			})
			v := s.view("show")
			runsUntil(t, "sound and pictures, and how large they are", func() bool {
				state := s.state(info.IngressId)
				return state.Status == livekit.IngressState_ENDPOINT_PUBLISHING && state.Video.GetWidth() == 640 && state.Video.GetHeight() == 360 &&
					v.got(audio).frames >= 200 && v.got(video).frames >= 75
			}, append(tc.program, info.Url, info.StreamKey)...)
			s.is(info, livekit.IngressState_ENDPOINT_INACTIVE)
			seen := v.got(video)
			if tc.encoded {
				if n, _ := decoded(t, "h264", seen.bytes); n < 60 || !strings.EqualFold(seen.codec, "video/H264") {
					t.Errorf("%d of %d pictures of %s decode", n, seen.frames, seen.codec)
				}
			} else if n, size := pictures(t, seen); n < 60 || size != "640x360" {
				t.Errorf("%d of %d pictures of %s, %s, decode", n, seen.frames, seen.codec, size)
			}
		})
	}
}
