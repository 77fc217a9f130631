package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// segmented is a job in segments of a second.
func segmented(dir string) wire.Job {
	j := job(filepath.Join(dir, "a"), "audio/x", "video/x")
	j.Outputs = []wire.Output{{
		Kind: wire.Segments, Path: filepath.Join(dir, "seg"), Playlist: filepath.Join(dir, "list.m3u8"),
		LivePlaylist: filepath.Join(dir, "live.m3u8"), Length: time.Second,
	}}
	return j
}

// The clip has a key frame every two seconds, so that is how long segments are.
func TestSegmentsBeginWithKeyFramesAndPlayAsOne(t *testing.T) {
	for tr, codec := range map[int]string{4: "h264", 5: "hevc", 2: "vp9", 3: "av1"} {
		dir := t.TempDir()
		s := newScript(t, segmented(dir))
		sound, video := s.track(0, 0), s.track(tr, 0)
		for at := time.Duration(0); at <= 8*time.Second; at += 100 * time.Millisecond {
			sound.play(at, 0)
			video.play(at, 0)
		}
		done := s.run(passing)
		count := map[wire.MadeAs]int{}
		for _, m := range done.Made[0] {
			count[m.Part]++
			if m.Part != wire.Segment {
				continue
			}
			plays, err := container.RepairSegment(filepath.Join(dir, "seg_init.mp4"), m.Path)
			if d := plays - m.Plays; err != nil || d.Abs() > 150*time.Millisecond {
				t.Errorf("%s: %s plays %v, %v, it was said %v", codec, m.Path, plays, err, m.Plays)
			}
		}
		if count[wire.Segment] != 4 || count[wire.SegmentInit] != 1 || count[wire.Playlist] != 1 || count[wire.LivePlaylist] != 1 {
			t.Errorf("%s: made %v", codec, count)
		}
		got, _ := probe(t, filepath.Join(dir, "list.m3u8"))
		wantStreams(t, got, codec+"×80", "opus×400")
	}
}

// A browser's key frames are some microseconds early: they are taken all the same, as
// those that follow come an interval later.
func TestSegmentsOfPagesEndWithTheKeyFrameThatIsNearest(t *testing.T) {
	dir := t.TempDir()
	j := segmented(dir)
	j.Kind, j.Outputs[0].Length = wire.Browse, 2*time.Second+20*time.Microsecond
	s := newScript(t, j)
	s.track(4, 0).play(8*time.Second, 0)
	segments := 0
	for _, m := range s.run(map[wire.Kind]New{wire.Browse: passing[wire.Pass]}).Made[0] {
		if m.Part == wire.Segment {
			if segments++; m.Plays > 2100*time.Millisecond {
				t.Errorf("%+v", m)
			}
		}
	}
	if segments != 4 {
		t.Errorf("%d segments", segments)
	}
}

func TestSoundAloneIsCutWhereItIsDue(t *testing.T) {
	dir := t.TempDir()
	j := segmented(dir)
	j.Video, j.Outputs[0].Timestamps = false, true
	s := newScript(t, j)
	s.track(0, 0).play(5*time.Second, 0)
	done := s.run(passing)
	segments := 0
	for _, m := range done.Made[0] {
		if m.Part == wire.Segment {
			segments++
			if m.Plays > 1100*time.Millisecond || !strings.Contains(m.Path, s.begin.UTC().Format("seg_20060102")) {
				t.Errorf("%+v", m)
			}
		}
	}
	if segments != 5 {
		t.Errorf("%d segments", segments)
	}
	got, _ := probe(t, filepath.Join(dir, "list.m3u8"))
	wantStreams(t, got, "opus×250")
}

// VP8 is in no segment: that is said, and not a file that nobody can play.
func TestSegmentsOfACodecThatCannotBeAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := newScript(t, segmented(dir))
	s.track(0, 0).play(time.Second, 0)
	video := s.track(1, 0)
	video.play(time.Second, 0)
	var out strings.Builder
	err := Run(strings.NewReader(string(wire.AppendFrame(s.b, wire.End))), &out, passing)
	if err == nil || !strings.Contains(err.Error(), "vp8 in segments") {
		t.Errorf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 2 {
		t.Errorf("left %v", left)
	}
}
