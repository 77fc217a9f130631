package studio

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/client/mediafile"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
	"github.com/rollcall-rtc/rollcall/internal/egress/worker"
)

// media is a track of the script, two seconds long.
type media struct {
	file, mime string
	rate       uint32
	payloader  func() rtp.Payloader
}

var (
	vp8  = media{"card.ivf", "video/VP8", 90000, func() rtp.Payloader { return &codecs.VP8Payloader{EnablePictureID: true} }}
	vp9  = media{"vp9.ivf", "video/VP9", 90000, func() rtp.Payloader { return new(codecs.VP9Payloader) }}
	av1  = media{"av1.ivf", "video/AV1", 90000, func() rtp.Payloader { return new(codecs.AV1Payloader) }}
	h264 = media{"card.h264", "video/H264", 90000, func() rtp.Payloader { return new(codecs.H264Payloader) }}
	opus = media{"tone.ogg", "audio/opus", 48000, func() rtp.Payloader { return new(codecs.OpusPayloader) }}
)

// path is where its file is: among those of the participant's tests, unless it says.
func (m media) path() string {
	if filepath.IsAbs(m.file) {
		return m.file
	}
	return filepath.Join("../../../client/mediafile/testdata", m.file)
}

// script is the input of a worker: what has happened in a room in the last seconds.
type script struct {
	t     testing.TB
	b     []byte
	began time.Time
	n     uint16
	queue []sent
	live  bool // it comes as it happens
	// rounds is how often media is repeated, each time from a key frame; 0 is once.
	rounds int
}

type sent struct {
	at    time.Time
	frame []byte
}

func newScript(t testing.TB, job wire.Job) *script {
	t.Helper()
	if _, err := ffmpeg.Find(t.Context(), ""); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	job.Kind, job.ID = wire.Encode, "EG_x"
	job.Journal = filepath.Join(t.TempDir(), "journal")
	return &script{t: t, b: wire.AppendJSON(nil, wire.JobFrame, job), began: time.Now().Add(-2500 * time.Millisecond)}
}

// newLive is a script of what is still to happen.
func newLive(t testing.TB, job wire.Job) *script {
	s := newScript(t, job)
	s.live, s.began = true, time.Now()
	return s
}

// publish has somebody publish a track after that time.
func (s *script) publish(m media, after time.Duration, track wire.Track) {
	s.t.Helper()
	s.n++
	track.Number, track.MimeType, track.ClockRate, track.Channels = s.n, m.mime, m.rate, 2
	if track.Sid == "" {
		track.Sid = fmt.Sprintf("TR_%d", s.n)
	}
	s.queue = append(s.queue, sent{s.began.Add(after), wire.AppendJSON(nil, wire.TrackFrame, track)})
	packetizer := rtp.NewPacketizer(1000, 96, 1, m.payloader(), rtp.NewRandomSequencer(), m.rate)
	at := s.began.Add(after)
	for range max(s.rounds, 1) {
		source, err := mediafile.Open(m.path(), mediafile.Options{FrameRate: 10})
		if err != nil {
			s.t.Fatal(err)
		}
		for {
			sample, err := source[0].Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				s.t.Fatal(err)
			}
			for _, p := range packetizer.Packetize(sample.Data, uint32(sample.Duration.Seconds()*float64(m.rate))) {
				raw, err := p.Marshal()
				if err != nil {
					s.t.Fatal(err)
				}
				head := binary.BigEndian.AppendUint16(nil, s.n)
				head = binary.BigEndian.AppendUint64(head, uint64(at.UnixNano()))
				s.queue = append(s.queue, sent{at, wire.AppendFrame(nil, wire.Packet, head, raw)})
			}
			at = at.Add(sample.Duration)
		}
		source[0].Close()
	}
}

func (s *script) control(after time.Duration, c wire.Control) {
	s.queue = append(s.queue, sent{s.began.Add(after), wire.AppendJSON(nil, wire.ControlFrame, c)})
}

// sort puts everything into the order of time.
func (s *script) sort() {
	slices.SortStableFunc(s.queue, func(a, b sent) int { return a.at.Compare(b.at) })
}

// bytes is all of it.
func (s *script) bytes() []byte {
	s.sort()
	b := s.b
	for _, one := range s.queue {
		b = append(b, one.frame...)
	}
	return wire.AppendFrame(b, wire.End)
}

// play writes it as it happens, and the end a second after that.
func (s *script) play(w *io.PipeWriter) {
	defer w.Close()
	s.sort()
	_, _ = w.Write(s.b)
	for _, one := range s.queue {
		<-time.After(time.Until(one.at))
		_, _ = w.Write(one.frame)
	}
	<-time.After(time.Second)
	_, _ = w.Write(wire.AppendFrame(nil, wire.End))
}

var kinds = map[wire.Kind]worker.New{wire.Encode: New(func([]netip.Prefix) ffmpeg.Guard { return ffmpeg.Guard{} })}

// run runs the worker, and returns what it said last.
func (s *script) run() (done wire.Report, all []wire.Report) {
	s.t.Helper()
	var out bytes.Buffer
	in := io.Reader(bytes.NewReader(nil))
	if s.live {
		r, w := io.Pipe()
		go s.play(w)
		in = r
	} else {
		in = bytes.NewReader(s.bytes())
	}
	if err := worker.Run(in, &out, kinds); err != nil {
		s.t.Fatalf("%v\n%s", err, out.String())
	}
	for lines := json.NewDecoder(&out); ; {
		var r wire.Report
		if err := lines.Decode(&r); err == io.EOF {
			return done, all
		} else if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, r)
		done = r
	}
}

// probe is what ffprobe finds of a kind of stream, decoded whole.
func probe(t testing.TB, path, stream string) map[string]string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-select_streams", stream, "-show_streams", "-of", "flat=s=_", path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	found := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		found[strings.TrimPrefix(name, "streams_stream_0_")] = strings.Trim(value, `"`)
	}
	if said, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-").CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("decode %s: %v %s", path, err, said)
	}
	return found
}

// pictures are how many ffprobe found, and how many are said to have been left out: a
// machine that has much else to do may be too slow for some.
func pictures(found map[string]string, done wire.Report) int {
	n, _ := strconv.Atoi(found["nb_read_frames"])
	return n + int(done.Dropped)
}

// luma is how bright a part of the picture at that time is, of 0 to 255, and how
// much that varies.
func luma(t *testing.T, path, at, part string) (mean, spread float64) {
	t.Helper()
	raw, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-ss", at, "-frames:v", "1", "-vf", "crop="+part+",format=gray", "-f", "rawvideo", "-").Output()
	if err != nil || len(raw) == 0 {
		t.Fatalf("picture of %s at %s: %v", path, at, err)
	}
	for _, b := range raw {
		mean += float64(b) / float64(len(raw))
	}
	for _, b := range raw {
		spread += (float64(b) - mean) * (float64(b) - mean) / float64(len(raw))
	}
	return mean, spread
}

var small = wire.Encoding{Width: 640, Height: 360, Framerate: 30, VideoBitrate: 1000, AudioBitrate: 96, AudioFrequency: 48000}

// Four people of four codecs are in one file, no picture of which is missing.
func TestRoomIsRecordedInAGrid(t *testing.T) {
	dir := t.TempDir()
	s := newScript(t, wire.Job{Audio: true, Video: true, Encoding: &small, Outputs: []wire.Output{{Kind: wire.File, Path: dir + "/room", Format: ".mp4"}}})
	for i, m := range []media{vp8, vp9, av1, h264} {
		id := string(rune('a' + i))
		s.publish(m, time.Duration(i)*50*time.Millisecond, wire.Track{Identity: id, Name: "Person " + id, Source: "camera", Width: 320, Height: 180})
		s.publish(opus, 0, wire.Track{Identity: id, Name: "Person " + id, Source: "microphone"})
	}
	done, all := s.run()
	if done.Kind != wire.Done || len(done.Made) != 1 || len(done.Made[0]) != 1 {
		t.Fatalf("%+v", all)
	}
	made := done.Made[0][0]
	v, a := probe(t, made.Path, "v"), probe(t, made.Path, "a")
	frames := pictures(v, done)
	if v["codec_name"] != "h264" || v["width"] != "640" || v["height"] != "360" || v["profile"] != "Main" || v["r_frame_rate"] != "30/1" {
		t.Errorf("pictures: %v", v)
	}
	// From the first picture to the end, which is a bit after what was published.
	if plays := made.Plays.Seconds(); frames < 74 || plays-float64(frames)/30 > 0.1 || float64(frames)/30-plays > 0.1 {
		t.Errorf("%d pictures in %v", frames, made.Plays)
	}
	if a["codec_name"] != "aac" || a["sample_rate"] != "48000" || a["channels"] != "2" {
		t.Errorf("sound: %v", a)
	}
	for _, corner := range []string{"200:100:60:40", "200:100:380:40", "200:100:60:220", "200:100:380:220"} {
		if _, spread := luma(t, made.Path, "1.5", corner); spread < 100 {
			t.Errorf("nobody is seen at %s: the picture varies by %.0f", corner, spread)
		}
	}
}

// Another layout is seen at once.
func TestLayoutChangesWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	s := newLive(t, wire.Job{Video: true, Encoding: &small, Layout: "grid-light", Outputs: []wire.Output{{Kind: wire.File, Path: dir + "/room"}}})
	s.rounds = 2
	s.publish(vp8, 0, wire.Track{Identity: "a", Name: "A", Source: "camera", Width: 320, Height: 180})
	s.publish(vp8, 0, wire.Track{Identity: "b", Name: "B", Source: "camera", Width: 320, Height: 180})
	for i, l := range []string{"speaker", "grid", "speaker-light", "single-speaker-dark"} {
		s.control(time.Duration(1200+300*i)*time.Millisecond, wire.Control{Layout: l})
	}
	done, _ := s.run()
	path := done.Made[0][0].Path
	plays := done.Made[0][0].Plays.Seconds()
	if frames := pictures(probe(t, path, "v"), done); plays < 4.5 || float64(frames)/30 < plays-0.1 {
		t.Errorf("%d pictures in %.1f s", frames, plays)
	}
	// Two beside each other have ground above them, which one alone covers.
	if mean, spread := luma(t, path, "0.5", "600:20:20:10"); mean < 200 || spread > 20 {
		t.Errorf("the light ground is %.0f bright and varies by %.0f", mean, spread)
	}
	if _, spread := luma(t, path, fmt.Sprintf("%.1f", plays-0.4), "600:20:20:10"); spread < 100 {
		t.Errorf("the one picture does not reach the upper edge: it varies by %.0f", spread)
	}
}

// One recording in segments, images and a file is of one encoding.
func TestSegmentsAndImages(t *testing.T) {
	dir := t.TempDir()
	s := newScript(t, wire.Job{Audio: true, Video: true, Encoding: &small, Plain: true, Outputs: []wire.Output{
		{Kind: wire.Segments, Path: dir + "/seg", Playlist: dir + "/list.m3u8", LivePlaylist: dir + "/live.m3u8", Length: time.Second, TS: true},
		{Kind: wire.Images, Path: dir + "/image", Length: time.Second, Width: 320},
		{Kind: wire.File, Path: dir + "/file"},
	}})
	s.publish(h264, 0, wire.Track{Identity: "a", Name: "A", Source: "camera", Width: 320, Height: 180})
	s.publish(opus, 0, wire.Track{Identity: "a", Name: "A", Source: "microphone"})
	done, _ := s.run()
	if len(done.Made) != 3 {
		t.Fatalf("%+v", done)
	}
	list, err := os.ReadFile(dir + "/list.m3u8")
	if err != nil || strings.Count(string(list), ".ts\n") < 3 || !strings.Contains(string(list), "#EXT-X-ENDLIST") || !strings.Contains(string(list), "seg_00000.ts") {
		t.Errorf("%v %s", err, list)
	}
	if !strings.Contains(string(list), "#EXT-X-TARGETDURATION:1\n") || !strings.Contains(string(list), "#EXT-X-INDEPENDENT-SEGMENTS\n") {
		t.Errorf("the list promises %s", list)
	}
	if live, err := os.ReadFile(dir + "/live.m3u8"); err != nil || !strings.HasSuffix(string(live), "#EXT-X-ENDLIST\n") {
		t.Errorf("%v %s", err, live)
	}
	if v := probe(t, dir+"/seg_00001.ts", "v"); v["nb_read_frames"] != "30" && done.Dropped == 0 || v["codec_name"] != "h264" {
		t.Errorf("second segment: %v", v)
	}
	whole, file := pictures(probe(t, dir+"/list.m3u8", "v"), done), pictures(probe(t, dir+"/file.mp4", "v"), done)
	if whole != file || whole < 74 {
		t.Errorf("%d pictures in segments, %d in the file", whole, file)
	}
	for n := range 3 {
		if v := probe(t, fmt.Sprintf("%s/image_%05d.jpeg", dir, n), "v"); v["width"] != "320" || v["height"] != "180" {
			t.Errorf("image %d: %v", n, v)
		}
	}
	if len(done.Made[1]) < 3 || done.Made[1][0].Part != wire.Image {
		t.Errorf("images: %+v", done.Made[1])
	}
}

func TestSoundAlone(t *testing.T) {
	for format, codec := range map[string]string{".mp3": "mp3", ".ogg": "opus", ".m4a": "aac", ".mp4": "aac"} {
		dir := t.TempDir()
		s := newScript(t, wire.Job{Audio: true, Encoding: &small, Outputs: []wire.Output{{Kind: wire.File, Path: dir + "/sound", Format: format}}})
		s.publish(opus, 0, wire.Track{Identity: "a", Source: "microphone"})
		s.publish(opus, 0, wire.Track{Identity: "b", Source: "microphone"})
		done, _ := s.run()
		made := done.Made[0][0]
		if a := probe(t, made.Path, "a"); a["codec_name"] != codec || a["channels"] != "2" || filepath.Ext(made.Path) != format {
			t.Errorf("%s: %v", made.Path, a)
		}
		if made.Plays < 2300*time.Millisecond || made.Plays > time.Since(s.began) {
			t.Errorf("%s plays %v", made.Path, made.Plays)
		}
	}
}

func TestNothingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := newScript(t, wire.Job{Audio: true, Video: true, Outputs: []wire.Output{
		{Kind: wire.File, Path: dir + "/room"},
		{Kind: wire.Segments, Path: dir + "/seg", Playlist: dir + "/list.m3u8", LivePlaylist: dir + "/live.m3u8", Length: time.Second, TS: true},
	}})
	var out bytes.Buffer
	if err := worker.Run(bytes.NewReader(s.bytes()), &out, kinds); !errors.Is(err, worker.ErrNothing) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) != 0 {
		t.Errorf("%v", left)
	}
}
