package worker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// script is what a server sends a worker.
type script struct {
	testing.TB
	b       []byte
	begin   time.Time
	numbers uint16
}

func newScript(t testing.TB, j wire.Job) *script {
	return &script{TB: t, b: wire.AppendJSON(nil, wire.JobFrame, j), begin: time.Now()}
}

// clip is a track that plays a file in a circle.
type clip struct {
	*script
	wire.Track
	all  []*rtp.Packet
	from uint32        // its clock at the beginning of the script
	seq  uint16        // of the next packet
	next int           // the packet
	base time.Duration // when the circle began
}

// track begins one at that time.
func (s *script) track(tr int, at time.Duration) *clip {
	s.Helper()
	kind := tracks[tr]
	s.numbers++
	c := &clip{script: s, all: packets(s, kind.file, kind.rate, kind.payloader), from: 1000 * uint32(s.numbers), base: at}
	c.Track = wire.Track{Number: s.numbers, MimeType: kind.mime, ClockRate: kind.rate, Channels: 1}
	s.b = wire.AppendJSON(s.b, wire.TrackFrame, c.Track)
	return c
}

func (c *clip) shows(at time.Duration) uint32 {
	return c.from + uint32(int64(at)*int64(c.ClockRate)/int64(time.Second))
}

func (c *clip) head(at time.Duration) []byte {
	head := binary.BigEndian.AppendUint16(nil, c.Number)
	return binary.BigEndian.AppendUint64(head, uint64(c.begin.Add(at).UnixNano()))
}

// report tells what its clock shows.
func (c *clip) report(at time.Duration) { c.lies(at, 0) }

// lies tells what its clock shows, as if all were captured by that much later than it is.
func (c *clip) lies(at, by time.Duration) {
	c.b = wire.AppendFrame(c.b, wire.Clock, c.head(at), binary.BigEndian.AppendUint32(nil, c.shows(at-by)))
}

// play sends all packets that were captured before that time, each with a delay.
func (c *clip) play(until, delay time.Duration) {
	c.Helper()
	for {
		if c.next == len(c.all) {
			c.next, c.base = 0, c.base+2*time.Second
		}
		p := c.all[c.next]
		at := c.base + time.Duration(p.Timestamp-c.all[0].Timestamp)*time.Second/time.Duration(c.ClockRate)
		if at >= until {
			return
		}
		c.next++
		out := *p
		out.SequenceNumber, out.Timestamp = c.seq, c.shows(at)
		c.seq++
		raw, err := out.Marshal()
		if err != nil {
			c.Fatal(err)
		}
		c.b = wire.AppendFrame(c.b, wire.Packet, c.head(at+delay), raw)
	}
}

// pause skips what was captured before that time.
func (c *clip) pause(until time.Duration) { c.next, c.base = 0, until }

func (c *clip) gone() {
	c.b = wire.AppendFrame(c.b, wire.Gone, binary.BigEndian.AppendUint16(nil, c.Number))
}

// run has the worker do it, and returns what it made.
func (s *script) run(kinds map[wire.Kind]New) wire.Report {
	s.Helper()
	var out bytes.Buffer
	if err := Run(bytes.NewReader(wire.AppendFrame(s.b, wire.End)), &out, kinds); err != nil {
		s.Fatal(err)
	}
	said := reports(s, &out)
	return said[len(said)-1]
}

// stream is what ffprobe says of one.
type stream struct {
	Codec  string `json:"codec_name"`
	Frames string `json:"nb_read_frames"`
	Start  string `json:"start_time"`
	Length string `json:"duration"`
}

// probe decodes a file whole, without a complaint. times are those of all frames, by
// codec, in seconds.
func probe(t testing.TB, path string) (streams []stream, times map[string][]float64) {
	t.Helper()
	program, err := exec.LookPath("ffprobe")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("ffprobe is not installed (package ffmpeg)")
	}
	out, err := exec.Command(program, "-v", "warning", "-count_frames", "-show_entries",
		"stream=codec_name,nb_read_frames,start_time,duration:packet=pts_time,stream_index", "-of", "json", path).CombinedOutput()
	var seen struct {
		Streams []stream `json:"streams"`
		Packets []struct {
			Stream int     `json:"stream_index"`
			At     float64 `json:"pts_time,string"`
		} `json:"packets"`
	}
	if err != nil || json.Unmarshal(out, &seen) != nil {
		t.Fatalf("%s: %v %s", filepath.Base(path), err, out)
	}
	times = make(map[string][]float64)
	for _, p := range seen.Packets {
		name := seen.Streams[p.Stream].Codec
		times[name] = append(times[name], p.At)
	}
	if out, err := exec.Command("ffmpeg", "-v", "warning", "-xerror", "-i", path, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("decode %s: %v %s", filepath.Base(path), err, out)
	}
	return seen.Streams, times
}

// wantStreams wants these, as "opus×100": of sound some packets more or less, for the
// clip does not end with a second.
func wantStreams(t testing.TB, got []stream, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("there are %+v, want %v", got, want)
		return
	}
	for i, w := range want {
		codec, number, _ := strings.Cut(w, "×")
		frames, err1 := strconv.Atoi(got[i].Frames)
		wanted, err2 := strconv.Atoi(number)
		spare := 0
		if codec == "opus" {
			spare = 3
		}
		if err1 != nil || err2 != nil || got[i].Codec != codec || frames < wanted-spare || frames > wanted+spare {
			t.Errorf("there are %+v, want %v", got, want)
		}
	}
}

func TestSoundAndPicturesOfEachCodecAreInOneFile(t *testing.T) {
	for tr, want := range map[int]struct{ ext, codec, asked string }{
		1: {".webm", "vp8", ".mp4"}, 2: {".webm", "vp9", ""}, 3: {".webm", "av1", ""}, 4: {".mp4", "h264", ".webm"}, 5: {".mp4", "hevc", ""},
		12: {".mp4", "vp9", ".mp4"}, 13: {".mp4", "av1", ".mp4"},
	} {
		s := newScript(t, job(filepath.Join(t.TempDir(), "a"+want.asked), "audio/x", "video/x"))
		sound, video := s.track(0, 0), s.track(tr%10, 0)
		for at := time.Duration(0); at < 4*time.Second; at += 100 * time.Millisecond {
			sound.play(at, 0)
			video.play(at, 0)
		}
		made := file(t, s.run(passing))
		if filepath.Ext(made.Path) != want.ext {
			t.Errorf("%s made as %s", want.codec, made.Path)
		}
		got, _ := probe(t, made.Path)
		wantStreams(t, got, want.codec+"×39", "opus×195")
		if made.Plays < 3850*time.Millisecond || made.Plays > 4050*time.Millisecond {
			t.Errorf("%s plays %v", want.codec, made.Plays)
		}
	}
}

// Sound comes 200 ms late and pictures 40, and yet they are where they belong: by
// the reports of their sender.
func TestSenderReportsPutSoundAndPicturesInStep(t *testing.T) {
	s := newScript(t, job(filepath.Join(t.TempDir(), "a.webm"), "audio/x", "video/x"))
	sound, video := s.track(0, 0), s.track(1, 0)
	for at := time.Duration(0); at < 6*time.Second; at += 100 * time.Millisecond {
		if at%time.Second == 0 {
			sound.report(at)
			video.report(at)
		}
		video.play(at, 40*time.Millisecond)
		sound.play(at, 200*time.Millisecond)
	}
	_, times := probe(t, file(t, s.run(passing)).Path)
	for _, list := range times {
		if len(list) == 0 || list[0] > 0.01 {
			t.Errorf("begins at %v", list[:1])
		}
	}
}

func TestPausesAreSilenceAndTheLastPicture(t *testing.T) {
	for _, ext := range []string{".webm", ".mp4"} {
		tr := map[string]int{".webm": 1, ".mp4": 4}[ext]
		s := newScript(t, job(filepath.Join(t.TempDir(), "a"+ext), "audio/x", "video/x"))
		sound, video := s.track(0, 0), s.track(tr, 0)
		sound.play(2*time.Second, 0)
		video.play(2*time.Second, 0)
		sound.pause(5 * time.Second)
		for at := 2 * time.Second; at <= 6*time.Second; at += 100 * time.Millisecond {
			video.play(at, 0)
		}
		video.pause(8 * time.Second)
		for at := 6 * time.Second; at <= 9*time.Second; at += 100 * time.Millisecond {
			sound.play(at, 0)
			video.play(at, 0)
		}
		done := s.run(passing)
		_, times := probe(t, file(t, done).Path)
		if d := done.Filled - 3*time.Second; d.Abs() > 100*time.Millisecond {
			t.Errorf("%s: %v were filled", ext, done.Filled)
		}
		sounds := times["opus"]
		for i := 1; i < len(sounds); i++ {
			if step := sounds[i] - sounds[i-1]; step > 0.061 || step < 0 {
				t.Fatalf("%s: no sound from %v to %v", ext, sounds[i-1], sounds[i])
			}
		}
		if last := sounds[len(sounds)-1]; last < 8.8 || last > 9.1 {
			t.Errorf("%s: sound ends at %v", ext, last)
		}
	}
}

// Somebody comes back, and publishes the same again with other numbers and another
// clock.
func TestWhoPublishesAnewGoesOnInTheSameFile(t *testing.T) {
	s := newScript(t, job(filepath.Join(t.TempDir(), "a.mp4"), "audio/x", "video/x"))
	sound, video := s.track(0, 0), s.track(4, 0)
	for at := time.Duration(0); at <= 2*time.Second; at += 100 * time.Millisecond {
		sound.play(at, 0)
		video.play(at, 0)
	}
	sound.gone()
	video.gone()
	sound, video = s.track(0, 4*time.Second), s.track(4, 4*time.Second)
	for at := 4 * time.Second; at <= 6*time.Second; at += 100 * time.Millisecond {
		video.play(at, 0)
		sound.play(at, 0)
	}
	made := file(t, s.run(passing))
	got, _ := probe(t, made.Path)
	wantStreams(t, got, "h264×40", "opus×300")
}

func TestOtherCodecBeginsTheNextFile(t *testing.T) {
	s := newScript(t, job(filepath.Join(t.TempDir(), "a"), "audio/x", "video/x"))
	sound, video := s.track(0, 0), s.track(1, 0)
	for at := time.Duration(0); at <= 2*time.Second; at += 100 * time.Millisecond {
		sound.play(at, 0)
		video.play(at, 0)
	}
	video.gone()
	sound.play(3*time.Second, 0)
	video = s.track(4, 3*time.Second)
	for at := 3 * time.Second; at <= 5*time.Second; at += 100 * time.Millisecond {
		video.play(at, 0)
		sound.play(at, 0)
	}
	done := s.run(passing)
	if len(done.Made) != 1 || len(done.Made[0]) != 2 {
		t.Fatalf("%+v", done.Made)
	}
	one, _ := probe(t, done.Made[0][0].Path)
	wantStreams(t, one, "vp8×20", "opus×150")
	two, _ := probe(t, done.Made[0][1].Path)
	wantStreams(t, two, "h264×20", "opus×100")
	if begun := time.Duration(done.Made[0][1].Begun - done.Made[0][0].Begun); (begun - 3*time.Second).Abs() > 50*time.Millisecond {
		t.Errorf("the second file begins after %v", begun)
	}
}

// Who begins with sound alone and turns the camera on later has two files: nothing
// is waited for, and nothing is lost.
func TestPicturesThatComeLaterBeginTheNextFile(t *testing.T) {
	s := newScript(t, job(filepath.Join(t.TempDir(), "a"), "audio/x", "video/x"))
	sound := s.track(0, 0)
	sound.play(maxHeld*20*time.Millisecond+time.Second, 0) // so much that the pictures are not waited for
	from := maxHeld*20*time.Millisecond + time.Second
	video := s.track(1, from)
	for at := from; at <= from+2*time.Second; at += 100 * time.Millisecond {
		video.play(at, 0)
		sound.play(at, 0)
	}
	done := s.run(passing)
	if len(done.Made[0]) != 2 || filepath.Ext(done.Made[0][0].Path) != ".ogg" {
		t.Fatalf("%+v", done.Made)
	}
	two, _ := probe(t, done.Made[0][1].Path)
	wantStreams(t, two, "vp8×20", "opus×100")
}
