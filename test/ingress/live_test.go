package ingress

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
)

// clockFace has pictures show the time: twelve bars, which are the bits of tenths of a
// second since the beginning.
const clockFace = "color=black:s=192x16:r=20,geq=lum='if(mod(floor(floor(T*10+0.01)/pow(2,floor(X/16))),2),235,16)':cb=128:cr=128"

// shown reads the times off pictures of H.264, of which none may be missing.
func shown(t *testing.T, h264 []byte) (times []time.Duration) {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1")
	cmd.Stdin = bytes.NewReader(h264)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	for ; len(out) >= 192*16; out = out[192*16:] {
		tenths := 0
		for bit := range 12 {
			if out[8*192+bit*16+8] > 125 {
				tenths |= 1 << bit
			}
		}
		times = append(times, time.Duration(tenths)*100*time.Millisecond)
	}
	return times
}

// A playlist that goes on is followed at its end; and after a while in which nothing
// could be fetched it is followed at its end again.
func TestLivePlaylistIsFollowedAtItsEnd(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	encode := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", clockFace, "-re", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "300",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "20", "-c:a", "aac",
		"-f", "hls", "-hls_time", "1", "-hls_list_size", "12", "-hls_flags", "delete_segments+independent_segments", filepath.Join(dir, "live.m3u8"))
	if err := encode.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = encode.Process.Kill(); _ = encode.Wait() }()
	var stalled atomic.Pointer[chan struct{}]
	files := http.FileServer(http.Dir(dir))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if until := stalled.Load(); until != nil {
			select {
			case <-*until:
			case <-r.Context().Done():
				return
			}
		}
		files.ServeHTTP(w, r)
	}))
	defer web.Close()
	segments := func() (newest int) { // begins with 0
		all, _ := filepath.Glob(filepath.Join(dir, "*.ts"))
		for _, path := range all {
			var n int
			if _, err := fmt.Sscanf(filepath.Base(path), "live%d.ts", &n); err == nil {
				newest = max(newest, n)
			}
		}
		return newest
	}
	eventually(t, "segments", func() bool { return segments() >= 6 }) // so that the end is far from the beginning
	v := s.view("show")
	info := s.create(fromURL(web.URL + "/live.m3u8"))
	eventually(t, "pictures", func() bool { return v.got(video).frames > 50 })
	if first := shown(t, v.got(video).bytes)[0]; first < 3*time.Second {
		t.Errorf("it begins at %v of 6 s", first)
	}
	until := make(chan struct{})
	stalled.Store(&until)
	eventually(t, "it runs dry", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_BUFFERING })
	away := segments()
	eventually(t, "more that is not fetched", func() bool { return segments() >= away+3 })
	before := v.got(video).frames
	stalled.Store(nil)
	close(until)
	eventually(t, "it goes on", func() bool { return v.got(video).frames > before+20 })
	if status := s.state(info.IngressId).Status; status != livekit.IngressState_ENDPOINT_PUBLISHING {
		t.Error(status)
	}
	// How far pictures are behind what there is, each time that there are more.
	behind := func() time.Duration {
		before := v.got(video).frames
		eventually(t, "more pictures", func() bool { return v.got(video).frames > before+20 })
		newest, times := segments(), shown(t, v.got(video).bytes)
		return time.Duration(newest)*time.Second - times[len(times)-1]
	}
	stalledBy, last := behind(), time.Duration(0)
	for end := time.Now().Add(2 * time.Minute); ; {
		if last = behind(); last < 4*time.Second {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is %v behind, after the stall %v", last, stalledBy)
		}
	}
	t.Logf("behind by %v after the stall, by %v in the end", stalledBy, last)
	k := v.got(video)
	if k.tracks != 1 {
		t.Errorf("%d tracks", k.tracks)
	}
}

// A peer of SRT that says nothing any more has failed, whether it is there or not: what it
// has is not complete.
func TestMutePeerOfSRTIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "film.ts")
	encoding := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "30", "-c:a", "aac", "-f", "mpegts"}
	makeFile(t, path, lavfi(5, encoding...)...)
	film, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		film []byte // what it sends; nil: for a minute
		mute func(t *testing.T, source *exec.Cmd)
	}{
		{"that is gone", nil, func(t *testing.T, source *exec.Cmd) { _ = source.Process.Kill() }},
		{"that hangs", nil, func(t *testing.T, source *exec.Cmd) { pause(t, source.Process) }},
		{"that is there and has nothing", film, func(*testing.T, *exec.Cmd) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			addr := free(t, "udp")
			args := append([]string{"-v", "error", "-nostdin", "-re"}, lavfi(60, encoding...)...)
			if tc.film != nil {
				args = []string{"-v", "error", "-probesize", "100000", "-analyzeduration", "1000000", "-re", "-i", "pipe:0", "-c", "copy", "-f", "mpegts"}
			}
			source := exec.Command("ffmpeg", append(args, "srt://"+addr+"?mode=listener")...)
			if tc.film != nil {
				in, err := source.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close() // not before it is over
				go func() { _, _ = in.Write(tc.film) }()
			}
			if err := source.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = source.Process.Kill(); _ = source.Wait() }()
			v := s.view("show")
			info := s.create(fromURL("srt://" + addr))
			eventually(t, "pictures", func() bool { return v.got(video).frames > 30 })
			tc.mute(t, source)
			eventually(t, "it buffers", func() bool { return s.state(info.IngressId).Status != livekit.IngressState_ENDPOINT_PUBLISHING })
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).EndedAt > 0 })
			state := s.state(info.IngressId)
			t.Logf("%s: %s, %q", tc.name, state.Status, state.Error)
			if state.Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(state.Error, "broke") || strings.Contains(state.Error, "srt://"+addr) {
				t.Errorf("%s: %s", state.Status, state.Error)
			}
		})
	}
}
