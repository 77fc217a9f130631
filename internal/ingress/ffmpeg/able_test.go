package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

var (
	toVP8    = Job{Pictures: true, Layers: []Layer{{Bitrate: 300_000}}, LayersAs: flv.VP8}
	fromH265 = Job{Pictures: true, PicturesAs: Stream{Codec: flv.H265}, Layers: []Layer{{Bitrate: 300_000}}}
)

// program is an ffmpeg that lists these, and notes how often it is asked.
func program(t *testing.T, lists string) (path, asked string) {
	t.Helper()
	dir := t.TempDir()
	asked = filepath.Join(dir, "asked")
	return script.Write(t, dir, "ffmpeg", fmt.Sprintf("echo $2 >>%s\ncat <<'END'\n%s\nEND\n", asked, lists)), asked
}

func TestWhatAnFFmpegLacksIsNamed(t *testing.T) {
	t.Parallel()
	const some = `Encoders:
 V..... = Video
 ------
 V....D libx264              H.264 / AVC
 V....D libvpx-vp9           libvpx VP9
 VFS..D h264                 H.264`
	path, asked := program(t, some)
	for want, j := range map[string]Job{"encoder for VP8 (libvpx)": toVP8, "decoder for H265 (hevc)": fromH265} {
		for range 2 {
			err := Able(t.Context(), path, j)
			var lack *LackError
			if !errors.As(err, &lack) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || lack.ErrorCode() != "failed_precondition" {
				t.Errorf("%v, want that there is no %s", err, want)
			}
		}
	}
	if err := Able(t.Context(), path, Job{Pictures: true, Sound: true, Layers: []Layer{{}}, Opus: &Opus{}}); err != nil {
		t.Errorf("H264 and Opus: %v", err)
	}
	if got, err := os.ReadFile(asked); err != nil || strings.Count(string(got), "\n") != 2 {
		t.Errorf("it is asked each time: %q %v", got, err)
	}
	if err := Able(t.Context(), filepath.Join(t.TempDir(), "ffmpeg"), toVP8); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	broken := script.Write(t, t.TempDir(), "ffmpeg", "echo no >&2; exit 1\n")
	if err := Able(t.Context(), broken, toVP8); !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
	// One that is installed in its place is asked anew.
	script.Write(t, filepath.Dir(path), "ffmpeg", "echo ' V....D libvpx  VP8'\n")
	if err := Able(t.Context(), path, toVP8); err != nil {
		t.Error(err)
	}
}

// What is installed for the tests is that of Debian.
func TestFFmpegOfDebianCanDoAll(t *testing.T) {
	need(t)
	for _, j := range []Job{toVP8, fromH265} {
		if err := Able(t.Context(), "", j); err != nil {
			t.Error(err)
		}
	}
}
