package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
	"github.com/rollcall-rtc/rollcall/internal/testkit/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// need skips where there is no ffmpeg, except in CI.
func need(t *testing.T) {
	t.Helper()
	if _, err := Find(""); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

type tag struct {
	kind byte
	at   time.Duration
	body []byte
}

// source makes an FLV file and returns its tags.
func source(t *testing.T, args ...string) (tags []tag) {
	t.Helper()
	need(t)
	path := filepath.Join(t.TempDir(), "a.flv")
	out, err := exec.Command("ffmpeg", append(append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := flv.NewReader(f, 1<<20); ; {
		kind, at, body, err := r.Next()
		if err == io.EOF {
			return tags
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind != flv.TypeScript {
			tags = append(tags, tag{kind, time.Duration(at) * time.Millisecond, bytes.Clone(body)})
		}
	}
}

// sink keeps what comes.
type sink struct {
	mu       sync.Mutex
	pictures [3][]time.Duration
	keys     [3]int
	configs  [3][]byte
	sound    []time.Duration
	first    chan struct{}
	once     sync.Once
	fail     error
}

func newSink() *sink { return &sink{first: make(chan struct{})} }

func (s *sink) Picture(layer int, at time.Duration, t flv.Tag) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Kind == flv.Config {
		s.configs[layer] = bytes.Clone(t.Data)
		return s.fail
	}
	s.pictures[layer] = append(s.pictures[layer], at)
	if t.Key {
		s.keys[layer]++
	}
	s.once.Do(func() { close(s.first) })
	return s.fail
}

func (s *sink) Sound(at time.Duration, packet []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(packet) == 0 || samples(packet) != 960 {
		return errors.New("a packet that is not 20 ms")
	}
	s.sound = append(s.sound, at)
	return s.fail
}

func run(t *testing.T, j Job, tags []tag, begin time.Duration) *sink {
	t.Helper()
	s := newSink()
	tr, err := Start("", j, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if err := tr.Write(tag.kind, begin+tag.at, tag.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBFramesBecomeLayersAtTheSameTimes(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "testsrc2=s=642x362:r=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "3",
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac", "-ac", "1", "-f", "flv")
	const begin = 25 * time.Hour
	s := run(t, Job{Sound: true, Pictures: true, Opus: &Opus{Bitrate: 64_000, Channels: 1}, Layers: []Layer{
		{Width: 160, Height: 90, Bitrate: 100_000}, {Width: 320, Height: 180, Bitrate: 300_000}, {Bitrate: 800_000},
	}}, tags, begin)
	shown := make(map[time.Duration]bool)
	for _, tag := range tags {
		if tag.kind != flv.TypeVideo {
			continue
		}
		if v, err := flv.ParseVideo(tag.body); err == nil && v.Kind == flv.Frame {
			shown[begin+tag.at+v.CTS] = true
		}
	}
	for i, all := range s.pictures {
		if len(all) != 90 || s.keys[i] != 2 || len(s.configs[i]) < 10 {
			t.Errorf("layer %d: %d pictures, %d key frames", i, len(all), s.keys[i])
		}
		for n, at := range all {
			if n > 0 && at <= all[n-1] {
				t.Fatalf("layer %d goes back to %v", i, at)
			}
			if !shown[at] && !shown[at+time.Millisecond] && !shown[at-time.Millisecond] { // clocks of codecs are not of whole ones
				t.Errorf("layer %d: a picture at %v, where there is none", i, at)
			}
		}
	}
	if n := len(s.sound); n < 148 || n > 155 {
		t.Errorf("%d packets of sound", n)
	}
	for n, at := range s.sound {
		if n == 0 && (at < begin-50*time.Millisecond || at > begin+50*time.Millisecond) {
			t.Errorf("sound begins at %v", at)
		}
		if n > 0 && at-s.sound[n-1] != 20*time.Millisecond {
			t.Fatalf("sound at %v after %v", at, s.sound[n-1])
		}
	}
}

func TestTooManyPicturesAreLeftOut(t *testing.T) {
	for _, tc := range []struct{ come, wanted, want int }{{60, 30, 60}, {30, 25, 50}, {30, 30, 60}, {25, 30, 50}, {50, 30, 60}} {
		tags := source(t, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=160x90:r=%d", tc.come), "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-f", "flv")
		s := run(t, Job{Pictures: true, Layers: []Layer{{Bitrate: 500_000, FrameRate: float64(tc.wanted)}}}, tags, 777*time.Millisecond)
		if n := len(s.pictures[0]); n < tc.want-2 || n > tc.want+2 {
			t.Errorf("%d pictures of %d a second are %d at %d", tc.come*2, tc.come, n, tc.wanted)
		}
	}
}

// Silence is few bytes: nothing may wait for more of them.
func TestQuietSoundIsNotHeldBack(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", "2", "-c:a", "aac", "-f", "flv")
	s := newSink()
	tr, err := Start("", Job{Sound: true, Opus: &Opus{Bitrate: 64_000, Channels: 1}}, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if err := tr.Write(tag.kind, tag.at, tag.body); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		n := len(s.sound)
		s.mu.Unlock()
		if n >= 94 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d packets of 100", n)
		}
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

// A source that loses sound does not bring what follows forward.
func TestGapOfSoundStays(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "3", "-c:a", "aac", "-f", "flv")
	var some []tag
	for _, tag := range tags {
		if tag.at < time.Second || tag.at > 2*time.Second {
			some = append(some, tag)
		}
	}
	s := run(t, Job{Sound: true, Opus: &Opus{Bitrate: 64_000, Channels: 2}}, some, 0)
	last := s.sound[len(s.sound)-1]
	if last < 2900*time.Millisecond || last > 3100*time.Millisecond {
		t.Errorf("sound ends at %v", last)
	}
}

// What a child is given comes back while more is outstanding.
func TestNothingIsHeldBack(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "3",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-c:a", "aac", "-f", "flv")
	s := newSink()
	tr, err := Start("", Job{Sound: true, Pictures: true, Opus: &Opus{Bitrate: 64_000, Channels: 1}, Layers: []Layer{{Bitrate: 300_000}}}, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	for _, tag := range tags {
		if tag.at > time.Second {
			break
		}
		if tag.kind == flv.TypeVideo {
			given++
		}
		if err := tr.Write(tag.kind, tag.at, tag.body); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(30 * time.Second)
	for { // the configuration is one of those given, and the last picture waits for the next
		s.mu.Lock()
		n, sound := len(s.pictures[0]), len(s.sound)
		s.mu.Unlock()
		if n >= given-3 && sound >= 46 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d pictures of %d, %d packets of sound", n, given, sound)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func TestMissingAndFailingChildrenAreNamed(t *testing.T) {
	if _, err := Start("/nonexistent/ffmpeg", Job{}, newSink(), nil, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	need(t)
	tr, err := Start("", Job{Pictures: true, Layers: []Layer{{Bitrate: 300_000}}}, newSink(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		if err = tr.Write(flv.TypeVideo, 0, bytes.Repeat([]byte{0x27, 1, 0, 0, 0, 9}, 100)); err != nil {
			break
		}
	}
	if err2 := tr.Close(); !errors.Is(err2, ErrFailed) {
		t.Errorf("nonsense: %v, then %v", err, err2)
	}
}

func TestTagsThatAreHeldGoWithTheNext(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	tr, err := Start(script.Write(t, dir, "ffmpeg", "exec cat >'"+out+"'\n"), Job{Sound: true}, newSink(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(tr.out)
	hold := func(body string, begins bool) {
		t.Helper()
		if err := tr.Hold(flv.TypeAudio, 0, []byte(body)); err != nil {
			t.Fatal(err)
		}
		want = flv.AppendTag(want, flv.TypeAudio, lead, []byte(body))
		if waits := len(tr.out) > 0; waits != begins {
			t.Errorf("%s waits: %v", body, waits)
		}
	}
	hold("with the header", false)
	hold("one", true)
	hold("two", false)
	hold("three", true)
	if err := tr.Flush(); err != nil {
		t.Fatal(err)
	}
	_ = tr.Close()
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n%q, want\n%q", err, got, want)
	}
}

func TestSinkThatFailsEndsTheChild(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-f", "flv")
	s := newSink()
	s.fail = errors.New("the room is gone")
	tr, err := Start("", Job{Pictures: true, Layers: []Layer{{Bitrate: 300_000}}}, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if err = tr.Write(tag.kind, tag.at, tag.body); err != nil {
			break
		}
	}
	if err := tr.Close(); !errors.Is(err, s.fail) {
		t.Error(err)
	}
}

func FuzzOgg(f *testing.F) {
	f.Add(append([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00aaaa\x00\x00\x00\x00bbbb\x01\x13"), []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newOggReader(bytes.NewReader(b))
		for {
			if _, _, err := r.next(); err != nil {
				return
			}
		}
	})
}
