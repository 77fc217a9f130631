package studio

import (
	"bytes"
	"cmp"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// picture is a key frame, or another, of H264 as containers keep it.
func picture(key bool) []byte {
	if key {
		return []byte{0, 0, 0, 1, 0x67, 0, 0, 0, 1, 0x68, 0, 0, 0, 2, 0x65, 0x88}
	}
	return []byte{0, 0, 0, 2, 0x41, 0x9a}
}

// segmented cuts a stream into segments, as the job's only output, and returns how
// long they are by the list, and what that promises.
func segmented(t *testing.T, job wire.Job, length time.Duration, stream []container.Frame) (plays []float64, target int) {
	t.Helper()
	dir := t.TempDir()
	job.Journal = filepath.Join(dir, "journal")
	job.Outputs = []wire.Output{{Kind: wire.Segments, Path: dir + "/part", Playlist: dir + "/list.m3u8", Length: length, TS: true}}
	settings, err := Settings(job)
	if err != nil {
		t.Fatal(err)
	}
	s := &segments{
		output: output{studio: new(Studio), journal: job.Journal, Output: job.Outputs[0]}, tracks: settings.Tracks(), cuts: cutsOf(job, length, settings),
	}
	if err := s.begin(time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, f := range stream {
		if err := s.write(f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.close(); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(dir + "/list.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`#EXTINF:([\d.]+),`).FindAllSubmatch(list, -1) {
		n, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		plays = append(plays, n)
	}
	_, after, _ := bytes.Cut(list, []byte("#EXT-X-TARGETDURATION:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	if target, err = strconv.Atoi(string(line)); err != nil {
		t.Fatal(err)
	}
	return plays, target
}

// page are the pictures of a page at these times, with the key frames that the browser
// makes of them: see capture.html.
func page(every time.Duration, framerate int, at func(n int) time.Duration, until time.Duration) (stream []container.Frame) {
	early := time.Second / time.Duration(2*framerate)
	due := time.Duration(0)
	for n := 0; at(n) < until; n++ {
		near := at(n) + early
		key := near >= due
		if key {
			due = ((near-at(0))/every+1)*every + at(0)
		}
		stream = append(stream, container.Frame{At: at(n), Key: key, Data: picture(key)})
	}
	return stream
}

// No segment is longer than its list promises, and each is as long as it was asked to
// be, as far as there are pictures.
func TestSegmentsOfPagesKeepTheirPromise(t *testing.T) {
	at := func(step time.Duration) func(int) time.Duration {
		return func(n int) time.Duration { return time.Duration(n) * step }
	}
	// By some milliseconds too early or too late, as timers are.
	shaken := func(n int) time.Duration {
		return time.Duration(n)*33333*time.Microsecond + time.Duration(n*7919%11)*time.Millisecond
	}
	for _, c := range []struct {
		name      string
		length    time.Duration
		framerate int
		at        func(int) time.Duration
		off       float64 // how much longer or shorter segments may be than asked for, seconds
		target    int     // what is promised
	}{
		{"microseconds, 2 s", 2 * time.Second, 30, at(33333 * time.Microsecond), 0.05, 3},
		{"microseconds, 4 s", 4 * time.Second, 30, at(33333 * time.Microsecond), 0.05, 5},
		{"microseconds, 6 s, 60 a second", 6 * time.Second, 60, at(16666 * time.Microsecond), 0.05, 7},
		{"shaken, 1 s", time.Second, 30, shaken, 0.05, 2},
		{"shaken, 4 s", 4 * time.Second, 30, shaken, 0.05, 5},
		{"a page that stands, 2 s", 2 * time.Second, 30, at(350 * time.Millisecond), 0.36, 3},
		{"a page that stands, 4 s", 4 * time.Second, 30, at(350 * time.Millisecond), 0.36, 5},
		{"a page that stands, 5 s", 5 * time.Second, 30, at(350 * time.Millisecond), 0.36, 6},
		{"half of the pictures are left out, 3 s", 3 * time.Second, 15, at(133334 * time.Microsecond), 0.14, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := wire.Job{Kind: wire.Browse, Video: true, Encoding: &wire.Encoding{Width: 640, Height: 360, Framerate: c.framerate, VideoBitrate: 800}}
			with := job
			with.Outputs = []wire.Output{{Kind: wire.Segments, Length: c.length}}
			plays, target := segmented(t, job, c.length, page(with.KeyFrames(), c.framerate, c.at, time.Minute))
			if target != c.target {
				t.Errorf("the list promises %d, want %d", target, c.target)
			}
			for n, p := range plays {
				last := n == len(plays)-1
				if p > float64(target) || p > c.length.Seconds()+c.off || !last && p < c.length.Seconds()-c.off {
					t.Errorf("segment %d is %.3f s long, the list promises %d: %v", n, p, target, plays)
					break
				}
			}
		})
	}
}

// A machine that is too busy for pictures does not break the promise: segments are cut
// in their sound, or end with the last picture.
func TestSegmentsOfPagesThatStandStillKeepTheirPromise(t *testing.T) {
	for _, sound := range []bool{true, false} {
		pictures := page(2*time.Second, 30, func(n int) time.Duration {
			at := time.Duration(n) * time.Second / 30
			if at > 5*time.Second {
				at += 4 * time.Second
			}
			return at
		}, 20*time.Second)
		stream := pictures
		if sound {
			for n := range 20 * 50 {
				stream = append(stream, container.Frame{Track: 1, At: time.Duration(n) * 20 * time.Millisecond, Key: true, Data: make([]byte, 64)})
			}
			slices.SortStableFunc(stream, func(a, b container.Frame) int { return cmp.Compare(a.At, b.At) })
		}
		job := wire.Job{Kind: wire.Browse, Video: true, Audio: sound, Encoding: &wire.Encoding{
			Width: 640, Height: 360, Framerate: 30, VideoBitrate: 800, AudioBitrate: 96, AudioFrequency: 48000}}
		plays, target := segmented(t, job, 2*time.Second, stream)
		all := 0.0
		for n, p := range plays {
			if all += p; target != 3 || math.Round(p) > 3 {
				t.Errorf("with sound %v: segment %d is %.3f s long, the list promises %d: %v", sound, n, p, target, plays)
			}
		}
		if want := map[bool]float64{true: 20, false: 16}[sound]; math.Abs(all-want) > 0.1 {
			t.Errorf("with sound %v: all play %.3f s, want %v: %v", sound, all, want, plays)
		}
	}
}

// Sound that comes late fills a hole in the pictures all the same.
func TestSegmentsWithAHoleKeepTheirTimeThoughSoundIsLate(t *testing.T) {
	const late, behind = 600 * time.Millisecond, 4600 * time.Millisecond // behind the hole
	var came []container.Frame                                           // in the order in which they come
	for n := range 10 * 30 {
		at := time.Duration(n) * time.Second / 30
		if at < 3200*time.Millisecond || at >= behind {
			key := n%30 == 0 || at == behind
			came = append(came, container.Frame{At: at, Key: key, Data: picture(key)})
		}
	}
	for n := range 10 * 50 {
		came = append(came, container.Frame{Track: 1, At: time.Duration(n) * 20 * time.Millisecond, Key: true, Data: make([]byte, 64)})
	}
	arrives := func(f container.Frame) time.Duration { return f.At + time.Duration(f.Track)*late }
	slices.SortStableFunc(came, func(a, b container.Frame) int { return cmp.Compare(arrives(a), arrives(b)) })
	var stream []container.Frame
	order := merge{apart: apart, out: func(f container.Frame) { stream = append(stream, f) }}
	for _, f := range came {
		order.put(f)
	}
	order.end(0)
	order.end(1)
	job := wire.Job{Kind: wire.Encode, Video: true, Audio: true, Encoding: &wire.Encoding{
		Width: 640, Height: 360, Framerate: 30, VideoBitrate: 800, KeyFrameInterval: 1, AudioBitrate: 96, AudioFrequency: 48000}}
	plays, target := segmented(t, job, time.Second, stream)
	all := 0.0
	for n, p := range plays {
		if all += p; math.Round(p) > float64(target) {
			t.Errorf("segment %d is %.3f s long, the list promises %d: %v", n, p, target, plays)
		}
	}
	if math.Abs(all-10) > 0.05 {
		t.Errorf("all play %.3f s of 10: %v", all, plays)
	}
}

// What ffmpeg encodes has key frames at whole pictures: a segment that is due in
// between is longer, and that is what the list says.
func TestSegmentsOfRoomsKeepTheirPromise(t *testing.T) {
	for _, c := range []struct {
		length, every time.Duration
		framerate     int
		want          float64
	}{
		{2 * time.Second, 0, 30, 2},
		{4 * time.Second, 3 * time.Second, 30, 4},
		{6 * time.Second, 3 * time.Second, 30, 6},
		{time.Second, 500 * time.Millisecond, 25, 0.96}, // every 12 pictures
		{time.Second, time.Millisecond, 24, 1},          // all are key frames
	} {
		job := wire.Job{Kind: wire.Encode, Video: true, Encoding: &wire.Encoding{
			Width: 640, Height: 360, Framerate: c.framerate, VideoBitrate: 800, KeyFrameInterval: c.every.Seconds()}}
		with := job
		with.Outputs = []wire.Output{{Kind: wire.Segments, Length: c.length}}
		keys := max(int(with.KeyFrames().Seconds()*float64(c.framerate)), 1)
		var stream []container.Frame
		for n := range 60 * c.framerate {
			key := n%keys == 0
			stream = append(stream, container.Frame{At: time.Duration(n) * time.Second / time.Duration(c.framerate), Key: key, Data: picture(key)})
		}
		plays, target := segmented(t, job, c.length, stream)
		for n, p := range plays[:len(plays)-1] {
			if p > float64(target) || p != c.want {
				t.Errorf("of %v, key frames each %v: segment %d is %.3f s long, want %.3f; the list promises %d", c.length, c.every, n, p, c.want, target)
				break
			}
		}
	}
}

// Sound is cut anywhere, before it is too long.
func TestSegmentsOfSoundKeepTheirPromise(t *testing.T) {
	for _, frequency := range []int{44100, 48000, 16000} {
		var stream []container.Frame
		for n := range int64(60 * frequency / 1024) {
			stream = append(stream, container.Frame{At: time.Duration(n*1024) * time.Second / time.Duration(frequency), Key: true, Data: make([]byte, 64)})
		}
		job := wire.Job{Kind: wire.Encode, Audio: true, Encoding: &wire.Encoding{AudioBitrate: 96, AudioFrequency: frequency}}
		plays, target := segmented(t, job, 4*time.Second, stream)
		if len(plays) < 15 || target != 4 {
			t.Errorf("%d segments, the list promises %d", len(plays), target)
		}
		for n, p := range plays {
			if p > 4 || n < len(plays)-1 && p < 3.85 {
				t.Errorf("at %d Hz: segment %d is %.3f s long", frequency, n, p)
			}
		}
	}
}
