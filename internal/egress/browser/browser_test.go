package browser

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

func TestStartCodesBecomeLengths(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []byte
	}{
		{"start codes of three and four bytes", []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 3}, []byte{0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x68, 2, 3}},
		{"zeros within a unit", []byte{0, 0, 1, 0x65, 0, 0, 3, 1}, []byte{0, 0, 0, 5, 0x65, 0, 0, 3, 1}},
		{"zeros after a unit", []byte{0, 0, 1, 0x65, 9, 0, 0, 0}, []byte{0, 0, 0, 2, 0x65, 9}},
		{"an empty unit", []byte{0, 0, 1, 0, 0, 1, 0x65}, []byte{0, 0, 0, 1, 0x65}},
		{"no start code", []byte{1, 2, 3}, []byte{}},
		{"nothing", nil, []byte{}},
	} {
		if got := lengths(tc.in); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %x, want %x", tc.name, got, tc.want)
		}
	}
}

func TestLevelFitsPictures(t *testing.T) {
	for _, tc := range []struct {
		width, height, framerate int
		want                     string
	}{{1280, 720, 30, "1F"}, {1280, 720, 60, "28"}, {1920, 1080, 30, "28"}, {1920, 1080, 60, "2A"}, {3840, 2160, 30, "33"}, {8192, 8192, 120, "34"}} {
		if got := h264Level(tc.width, tc.height, tc.framerate); got != tc.want {
			t.Errorf("%d×%d at %d: level %s, want %s", tc.width, tc.height, tc.framerate, got, tc.want)
		}
	}
}

func TestSettingsFollowTheRequest(t *testing.T) {
	o, tracks, err := settings(wire.Job{Audio: true, Video: true})
	if err != nil || o.Width != 1280 || o.Height != 720 || o.Framerate != 30 || o.Bitrate != 3000 || o.Codec != "avc1.4D401F" || len(tracks) != 2 || tracks[0].MimeType != "video/H264" {
		t.Errorf("by default: %+v %+v %v", o, tracks, err)
	}
	o, tracks, err = settings(wire.Job{Video: true, Outputs: []wire.Output{{Kind: wire.File, Format: ".webm"}}, Encoding: &wire.Encoding{Width: 720, Height: 1280, Framerate: 60, VideoCodec: "H264_MAIN"}})
	if err != nil || o.Codec != "vp8" || o.Height != 1280 || o.Framerate != 60 || o.Audio || len(tracks) != 1 || tracks[0].MimeType != "video/VP8" {
		t.Errorf("into WebM: %+v %+v %v", o, tracks, err)
	}
	if _, _, err := settings(wire.Job{Encoding: &wire.Encoding{VideoCodec: "HEVC_MAIN"}}); err == nil {
		t.Error("H265 is encoded")
	}
}

func TestWhatABrowserCannotEncodeIsRefused(t *testing.T) {
	if err := Check(nil); err != nil {
		t.Errorf("by default: %v", err)
	}
	if err := Check(&livekit.EncodingOptions{VideoCodec: livekit.VideoCodec(99)}); err == nil || err.(*Error).Code != "invalid_argument" {
		t.Errorf("H265: %v", err)
	}
}

// Segments begin with key frames, so there are some in time.
func TestKeyFramesComeForSegments(t *testing.T) {
	o, _, err := settings(wire.Job{Kind: wire.Browse, Video: true, Outputs: []wire.Output{{Kind: wire.Segments, Length: time.Second, TS: true}}})
	if err != nil || o.KeyFrames != 1 {
		t.Errorf("a key frame comes each %v s, %v", o.KeyFrames, err)
	}
}

func TestMissingBrowserIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, asked := range []string{"", "/nowhere/chromium"} {
		_, err := Find(asked)
		if missing, ok := err.(*MissingError); !ok || missing.ErrorCode() != "failed_precondition" || !bytes.Contains([]byte(err.Error()), []byte("install the package chromium")) {
			t.Errorf("%q: %v", asked, err)
		}
	}
}

func TestWhoMayNotMakeNamespacesIsToldHow(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for said, want := range map[string]string{
		"[1:1:ERROR:zygote_host_impl_linux.cc(130)] No usable sandbox! If this is a Debian system, please install …": "RestrictNamespaces=user pid net and MemoryDenyWriteExecute=no",
		"chromium: error while loading shared libraries: libnss3.so":                                                 "libnss3.so",
	} {
		p, from, to, err := start(shell, []string{"-c", "echo \"$0\" >&2; exit 1", said})
		if err != nil {
			t.Fatal(err)
		}
		<-p.gonec
		_, _ = from.Close(), to.Close()
		if got := p.why(); !strings.Contains(got, want) {
			t.Errorf("%s: why is %q, want %q in it", said, got, want)
		}
	}
}
