package worker

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

var mixing = map[wire.Kind]New{wire.Mix: NewMix}

// loudness is the mean of a channel, in decibels, as ffmpeg decodes it.
func loudness(t *testing.T, path, channel string) float64 {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "info", "-i", path, "-af", "pan=mono|c0="+channel+",volumedetect", "-f", "null", "-").CombinedOutput()
	found := regexp.MustCompile(`mean_volume: (-?[\d.]+) dB`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("%v %s", err, out)
	}
	db, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSoundOfManyIsInOneFile(t *testing.T) {
	j := job(filepath.Join(t.TempDir(), "a.ogg"), "audio/x")
	j.Kind = wire.Mix
	s := newScript(t, j)
	one, two := s.track(0, 0), s.track(0, 0)
	for at := time.Duration(0); at <= 4*time.Second; at += 100 * time.Millisecond {
		one.play(at, 0)
		if at >= 2*time.Second {
			two.play(at, 0)
		} else {
			two.pause(at)
		}
	}
	made := file(t, s.run(mixing))
	got, _ := probe(t, made.Path)
	wantStreams(t, got, "opus×200")
	if made.Plays < 3900*time.Millisecond || made.Plays > 4100*time.Millisecond {
		t.Errorf("it plays %v", made.Plays)
	}
	if db := loudness(t, made.Path, "c0"); db < -40 {
		t.Errorf("it is as quiet as %v dB", db)
	}
}

func TestSidesAreHeardApart(t *testing.T) {
	j := job(filepath.Join(t.TempDir(), "a.mp4"), "audio/x")
	j.Kind = wire.Mix
	s := newScript(t, j)
	one := s.track(0, 0)
	one.Side = "left"
	s.b = wire.AppendJSON(s.b, wire.TrackFrame, one.Track)
	one.play(3*time.Second, 0)
	made := file(t, s.run(mixing))
	if left, right := loudness(t, made.Path, "c0"), loudness(t, made.Path, "c1"); left < -40 || right > -70 {
		t.Errorf("left %v dB, right %v dB", left, right)
	}
}

// One is on the left, with a clock that agrees with when its packets come; the other's, on
// the right, does not.
func TestClockThatIsWrongSilencesNobody(t *testing.T) {
	const half, last = 10 * time.Second, 20 * time.Second
	always := func(off time.Duration) func(time.Duration) time.Duration {
		return func(time.Duration) time.Duration { return off }
	}
	for name, c := range map[string]struct {
		off   func(at time.Duration) time.Duration // of the other's reports
		first time.Duration                        // how late its first packets come
		heard bool                                 // it is from the beginning
	}{
		"right":         {always(0), 0, true},
		"300 ms ahead":  {always(300 * time.Millisecond), 0, true},
		"1 s ahead":     {always(time.Second), 0, true},
		"1.9 s ahead":   {always(1900 * time.Millisecond), 0, true},
		"300 ms behind": {always(-300 * time.Millisecond), 0, false},
		"1.9 s behind":  {always(-1900 * time.Millisecond), 0, false},
		"late at first": {always(0), time.Second, false},
		"jumps ahead": {func(at time.Duration) time.Duration {
			return max(min(at-half, 1), 0) * 1500 * time.Millisecond
		}, 0, true},
		"drifts": {func(at time.Duration) time.Duration { return at / 10 }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			j := job(filepath.Join(t.TempDir(), "a.ogg"), "audio/x")
			j.Kind = wire.Mix
			s := newScript(t, j)
			one, two := s.track(0, 0), s.track(0, 0)
			one.Side, two.Side, one.Identity, two.Identity = "left", "right", "one", "two"
			s.b = wire.AppendJSON(s.b, wire.TrackFrame, one.Track)
			s.b = wire.AppendJSON(s.b, wire.TrackFrame, two.Track)
			for at := time.Duration(0); at <= last; at += 20 * time.Millisecond {
				if at%(500*time.Millisecond) == 0 {
					one.report(at)
					if at > 0 || c.first == 0 {
						two.lies(at, c.off(at))
					}
				}
				two.play(at, max(c.first-at, 0))
				one.play(at, 100*time.Millisecond) // as late as a network makes it
			}
			made := file(t, s.run(mixing))
			alone := 0.0
			for _, channel := range []string{"c0", "c1"} {
				db := loudness(t, made.Path, channel)
				if channel == "c0" {
					alone = db
				}
				t.Logf("%s: %.1f dB, plays %v", channel, db, made.Plays)
				if channel == "c0" && db < -22 || c.heard && db < alone-1 || db < alone-3 {
					t.Errorf("%s has %.1f dB", channel, db)
				}
			}
		})
	}
}

// receiver is a WebSocket that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	texts  []string
	bytes  int
	loud   bool
	closed websocket.StatusCode
	over   chan struct{}
}

func newReceiver(t *testing.T, most int) *receiver {
	r := &receiver{over: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(r.over)
		c, err := websocket.Accept(w, req, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		r.header = req.Header
		for n := 0; n != most; n++ {
			kind, b, err := c.Read(req.Context())
			if err != nil {
				r.closed = websocket.CloseStatus(err)
				return
			}
			r.mu.Lock()
			if kind == websocket.MessageText {
				r.texts = append(r.texts, string(b))
			} else {
				r.bytes += len(b)
				r.loud = r.loud || bytes.Trim(b, "\x00") != nil && len(bytes.Trim(b, "\x00")) > 0
			}
			r.mu.Unlock()
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func socketJob(url string) wire.Job {
	j := wire.Job{ID: "EG_x", Kind: wire.Mix, Audio: true}
	j.Outputs = []wire.Output{{Kind: wire.Socket, Destinations: []wire.Destination{{URL: "ws" + strings.TrimPrefix(url, "http")}}}}
	return j
}

func TestSocketGetsSamplesAndMutes(t *testing.T) {
	for query, channels := range map[string]int{"": 2, "?channels=1": 1} {
		r := newReceiver(t, -1)
		s := newScript(t, socketJob(r.URL+"/in"+query))
		one := s.track(0, 0)
		one.play(2*time.Second, 0)
		for _, muted := range []bool{true, false} {
			one.Muted = muted
			s.b = wire.AppendJSON(s.b, wire.TrackFrame, one.Track)
		}
		done := s.run(mixing)
		if done.Kind != wire.Done {
			t.Fatalf("%+v", done)
		}
		<-r.over
		if want := 2 * 48000 * 2 * channels; r.bytes < want*9/10 || r.bytes > want*11/10 || !r.loud {
			t.Errorf("%q: %d bytes, want %d; loud: %v", query, r.bytes, want, r.loud)
		}
		if strings.Join(r.texts, "") != `{"muted":true}{"muted":false}` || r.closed != websocket.StatusNormalClosure {
			t.Errorf("%q: %v, closed with %d", query, r.texts, r.closed)
		}
		if got := r.header.Get("Content-Type"); got != "audio/x-raw;rate=48000" {
			t.Errorf("Content-Type %q", got)
		}
	}
}

func TestSocketThatIsNotThereOrLeavesEndsTheJob(t *testing.T) {
	s := newScript(t, socketJob("http://user:SECRET@127.0.0.1:1/SECRET?token=SECRET"))
	var out bytes.Buffer
	if err := Run(bytes.NewReader(s.b), &out, mixing); err == nil {
		t.Error("nobody is there")
	}
	var said wire.Report
	if err := json.NewDecoder(&out).Decode(&said); err != nil || said.Kind != wire.Failed || !strings.Contains(said.Error, "connect to the WebSocket") {
		t.Errorf("%+v %v", said, err)
	}
	if strings.Contains(said.Error, "SECRET") || !strings.Contains(said.Error, "127.0.0.1:1") {
		t.Errorf("it says %q", said.Error)
	}

	r := newReceiver(t, 3)
	s = newScript(t, socketJob(r.URL))
	one := s.track(0, 0)
	in, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Run(in, &out, mixing) }()
	go func() {
		defer w.Close()
		for at := 100 * time.Millisecond; ; at += 100 * time.Millisecond {
			one.play(at, 0)
			if _, err := w.Write(s.b); err != nil {
				return
			}
			s.b = nil
			time.Sleep(time.Millisecond)
		}
	}()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "WebSocket") {
		t.Errorf("%v", err)
	}
	_ = in.Close()
}
