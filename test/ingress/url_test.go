package ingress

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// make writes a file with ffmpeg.
func makeFile(t *testing.T, path string, args ...string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	out, err := exec.Command("ffmpeg", append(append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}

func lavfi(seconds int, args ...string) []string {
	return append([]string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", fmt.Sprint(seconds)}, args...)
}

func fromURL(url string) func(*livekit.CreateIngressRequest) {
	return func(r *livekit.CreateIngressRequest) {
		r.InputType, r.Url = livekit.IngressInput_URL_INPUT, url
	}
}

func TestFilesAndPlaylistsArePublishedAtTheirPace(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	files := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(files.Close)
	for _, tc := range []struct {
		name string
		want int // pictures of 120
		args []string
	}{
		{"a.mp4", 110, lavfi(4, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-c:a", "aac")},
		{"b.webm", 110, lavfi(4, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")},
		// Its key frames are a second apart: who is late misses what comes before one.
		{"c.m3u8", 50, lavfi(4, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "30", "-c:a", "aac", "-hls_time", "1", "-hls_list_size", "0")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := siteAt(t, s.at, s.Server)
			makeFile(t, filepath.Join(dir, tc.name), tc.args...)
			room := func(r *livekit.CreateIngressRequest) { r.RoomName = tc.name }
			v := s.view(tc.name)
			info := s.create(fromURL(files.URL+"/"+tc.name), room)
			eventually(t, "it ends", func() bool { return s.state(info.IngressId).EndedAt > 0 })
			if state := s.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_COMPLETE {
				t.Fatalf("ends as %s: %s", state.Status, state.Error)
			}
			if n, _ := decoded(t, "h264", v.got(video).bytes); n < tc.want {
				t.Errorf("%d pictures decode, want %d", n, tc.want)
			}
			// Of 200; what a child that starts slowly is behind with is left out.
			if n := v.got(audio).frames; n < 150 {
				t.Errorf("%d packets of sound", n)
			}
			if state := s.state(info.IngressId); state.EndedAt-state.StartedAt < 3_500_000_000 {
				t.Errorf("four seconds are over after %d ns", state.EndedAt-state.StartedAt)
			}
		})
	}
}

// What is there of a file that is cut off is shown, and then it has failed.
func TestFileThatIsCutOffIsAnError(t *testing.T) {
	t.Parallel()
	need(t)
	path := filepath.Join(t.TempDir(), "film.mp4")
	makeFile(t, path, lavfi(4, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-c:a", "aac", "-movflags", "+faststart")...)
	film, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(film)))
		_, _ = w.Write(film[:len(film)/2])
	}))
	defer web.Close()
	s := start(t)
	v := s.view("show")
	info := s.create(fromURL(web.URL + "/film.mp4"))
	eventually(t, "it ends", func() bool { return s.state(info.IngressId).EndedAt > 0 })
	if state := s.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_ERROR || !strings.Contains(state.Error, "in the middle") {
		t.Errorf("ends as %s: %s", state.Status, state.Error)
	}
	if n := v.got(video).frames; n < 30 {
		t.Errorf("%d pictures came before", n)
	}
}

// Whatever a source says, nothing is fetched from where it has no business.
func TestSourcesReachNothingInside(t *testing.T) {
	t.Parallel()
	s := start(t) // where loopback addresses are allowed, and no others
	asked := make(chan string, 16)
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer inside.Close()
	port := inside.URL[strings.LastIndex(inside.URL, ":"):]
	mux := http.NewServeMux()
	mux.Handle("/redirect.mp4", http.RedirectHandler("http://169.254.169.254/latest/meta-data", http.StatusFound))
	mux.HandleFunc("/list.m3u8", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://10.0.0.1%s/a.ts\n#EXT-X-ENDLIST\n", port)
	})
	mux.HandleFunc("/file.m3u8", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
	})
	mux.HandleFunc("/proxied.m3u8", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttpproxy://127.0.0.1%s/10.0.0.1:80/a.ts\n#EXT-X-ENDLIST\n", port)
	})
	mux.HandleFunc("/list.sdp", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n")
	})
	outside := httptest.NewServer(mux)
	defer outside.Close()
	for path, want := range map[string]string{
		"/redirect.mp4": "169.254.169.254", "/list.m3u8": "10.0.0.1", "/file.m3u8": "not fetched", "/proxied.m3u8": "not fetched", "/list.sdp": "ffmpeg", "/nothing": "404",
	} {
		info := s.create(fromURL(outside.URL + path))
		eventually(t, "it fails", func() bool { return s.state(info.IngressId).Status == livekit.IngressState_ENDPOINT_ERROR })
		if e := s.state(info.IngressId).Error; !strings.Contains(e, want) {
			t.Errorf("%s: %s", path, e)
		}
	}
	for _, url := range []string{
		"http://169.254.169.254/latest", "http://10.0.0.1/a.mp4", "http://[fe80::1]/a", "file:///etc/passwd", "rtsp://127.0.0.1/a",
		"srt://127.0.0.1:9000?mode=listener", "srt://127.0.0.1:9000?localaddr=10.0.0.1", "srt://127.0.0.1", "srt://127.0.0.1:9000#?mode=listener", "concat:a|b",
	} {
		req := &livekit.CreateIngressRequest{InputType: livekit.IngressInput_URL_INPUT, Url: url, RoomName: "show", ParticipantIdentity: "x"}
		if _, err := s.api.CreateIngress(t.Context(), req); err == nil || !strings.Contains(err.Error(), "invalid_argument") {
			t.Errorf("%s: %v", url, err)
		}
	}
	select {
	case path := <-asked:
		t.Errorf("%s was fetched", path)
	default:
	}
}

func TestSRTIsPublished(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := s.view("show")
	info := s.create(fromURL(serveSRT(t, lavfi(8)...) + "&streamid=%23!::r=show&latency=100000"))
	eventually(t, "pictures and sound", func() bool { return v.got(video).frames > 60 && v.got(audio).frames > 100 })
	if n, size := decoded(t, "h264", v.got(video).bytes); n < 60 || size != "320x180" {
		t.Errorf("%d pictures of %s decode", n, size)
	}
	// It hangs up, which is the end of what it has.
	eventually(t, "it ends", func() bool { return s.state(info.IngressId).EndedAt > 0 })
	if state := s.state(info.IngressId); state.Status != livekit.IngressState_ENDPOINT_COMPLETE {
		t.Errorf("ends as %s: %s", state.Status, state.Error)
	}
}

// serveSRT has an ffmpeg offer the input with these arguments to one caller, at the URL
// that is returned, until the test ends.
func serveSRT(t *testing.T, input ...string) (url string) {
	t.Helper()
	url = "srt://" + free(t, "udp") + "?passphrase=0123456789"
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-re"}, input...)
	args = append(args, "-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "30", "-c:a", "aac", "-f", "mpegts", url+"&mode=listener")
	cmd := exec.Command("ffmpeg", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return url
}
