package worker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/rollcall-rtc/rollcall/client/mediafile"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

var tracks = []struct {
	name, file, mime string
	rate             uint32
	payloader        rtp.Payloader
}{
	{"opus.ogg", "tone.ogg", "audio/opus", 48000, new(codecs.OpusPayloader)},
	{"vp8.webm", "card.ivf", "video/VP8", 90000, &codecs.VP8Payloader{EnablePictureID: true}},
	{"vp9.webm", "vp9.ivf", "video/VP9", 90000, new(codecs.VP9Payloader)},
	{"av1.webm", "av1.ivf", "video/AV1", 90000, new(codecs.AV1Payloader)},
	{"h264.mp4", "card.h264", "video/H264", 90000, new(codecs.H264Payloader)},
	{"h265.mp4", "card.h265", "video/H265", 90000, new(codecs.H265Payloader)},
}

// packets are two seconds of a track, as a client sends them.
func packets(t testing.TB, file string, rate uint32, p rtp.Payloader) (out []*rtp.Packet) {
	t.Helper()
	source, err := mediafile.Open(filepath.Join("../../../client/mediafile/testdata", file), mediafile.Options{FrameRate: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer source[0].Close()
	packetizer := rtp.NewPacketizer(300, 96, 1, p, rtp.NewRandomSequencer(), rate)
	for {
		s, err := source[0].Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, packetizer.Packetize(s.Data, uint32(s.Duration.Seconds()*float64(rate)))...)
	}
}

var passing = map[wire.Kind]New{wire.Pass: NewPass}

// job is one into that file, of sound, pictures, or both.
func job(path string, mimes ...string) wire.Job {
	j := wire.Job{ID: "EG_x", Kind: wire.Pass, Journal: filepath.Join(filepath.Dir(path), "journal")}
	ext := filepath.Ext(path)
	j.Outputs = []wire.Output{{Kind: wire.File, Path: strings.TrimSuffix(path, ext), Format: ext}}
	for _, mime := range mimes {
		if strings.HasPrefix(mime, "audio/") {
			j.Audio = true
		} else {
			j.Video = true
		}
	}
	return j
}

// appendPacket appends one of a track, that came so long after the beginning as its
// timestamp says.
func appendPacket(t testing.TB, b []byte, number uint16, p *rtp.Packet, came time.Time) []byte {
	t.Helper()
	raw, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	head := binary.BigEndian.AppendUint16(nil, number)
	return wire.AppendFrame(b, wire.Packet, binary.BigEndian.AppendUint64(head, uint64(came.UnixNano())), raw)
}

// input is what a server sends a worker, up to the end or to its death.
func input(t testing.TB, path, mime string, rate uint32, all []*rtp.Packet, ends bool) io.Reader {
	t.Helper()
	b := wire.AppendJSON(nil, wire.JobFrame, job(path, mime))
	b = wire.AppendJSON(b, wire.TrackFrame, wire.Track{Number: 1, MimeType: mime, ClockRate: rate, Channels: 1})
	begin := time.Now()
	for _, p := range all {
		b = appendPacket(t, b, 1, p, begin.Add(time.Duration(p.Timestamp-all[0].Timestamp)*time.Second/time.Duration(rate)))
	}
	if ends {
		b = wire.AppendFrame(b, wire.End)
	}
	return bytes.NewReader(b)
}

// reports are what was said, but for the names of files.
func reports(t testing.TB, out io.Reader) (all []wire.Report) {
	t.Helper()
	for lines := json.NewDecoder(out); ; {
		var r wire.Report
		if err := lines.Decode(&r); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if r.Kind != wire.Opened && r.Kind != wire.Closed {
			all = append(all, r)
		}
	}
}

// file is the one file of a report.
func file(t testing.TB, r wire.Report) wire.Made {
	t.Helper()
	if len(r.Made) != 1 || len(r.Made[0]) != 1 {
		t.Fatalf("want one file: %+v", r)
	}
	return r.Made[0][0]
}

func TestTrackOfEachCodecIsKeptWhole(t *testing.T) {
	for _, tr := range tracks {
		for _, ends := range []bool{true, false} {
			path := filepath.Join(t.TempDir(), tr.name)
			var out bytes.Buffer
			if err := Run(input(t, path, tr.mime, tr.rate, packets(t, tr.file, tr.rate, tr.payloader), ends), &out, passing); err != nil {
				t.Fatalf("%s: %v", tr.name, err)
			}
			said := reports(t, &out)
			if len(said) != 2 || said[0].Kind != wire.Active || said[1].Kind != wire.Done {
				t.Fatalf("%s: %+v", tr.name, said)
			}
			plays, err := container.Repair(path)
			stat, _ := os.Stat(path)
			if err != nil || plays < 1850*time.Millisecond || plays > 2050*time.Millisecond || stat.Size() != file(t, said[1]).Bytes {
				t.Errorf("%s plays %v, %v; it said %+v", tr.name, plays, err, said[1])
			}
			if d := file(t, said[1]).Plays - plays; d < -150*time.Millisecond || d > 150*time.Millisecond || said[1].Missing != 0 {
				t.Errorf("%s plays %v; it said %+v", tr.name, plays, said[1])
			}
		}
	}
}

// Some clients send each NAL unit as if it were a picture, parameter sets too.
func TestParameterSetsThatComeByThemselvesBelongToTheNextPicture(t *testing.T) {
	for _, tr := range tracks[4:] {
		all := packets(t, tr.file, tr.rate, tr.payloader)
		for i := range all[:3] {
			all[i].Marker = true
		}
		path := filepath.Join(t.TempDir(), tr.name)
		var out bytes.Buffer
		if err := Run(input(t, path, tr.mime, tr.rate, all, true), &out, passing); err != nil {
			t.Fatalf("%s: %v", tr.name, err)
		}
		if said := reports(t, &out); file(t, said[len(said)-1]).Plays < 1800*time.Millisecond {
			t.Errorf("%s: %+v", tr.name, said)
		}
	}
}

// Packets that change places are no loss; one that never comes costs pictures up to
// the next key frame, which is asked for, and is told.
func TestLossesAreToldAndOrderIsMade(t *testing.T) {
	tr := tracks[1]
	all := packets(t, tr.file, tr.rate, tr.payloader)
	for i := 1; i+1 < len(all); i += 3 {
		all[i], all[i+1] = all[i+1], all[i]
	}
	path := filepath.Join(t.TempDir(), "a.webm")
	var out bytes.Buffer
	if err := Run(input(t, path, tr.mime, tr.rate, all, true), &out, passing); err != nil {
		t.Fatal(err)
	}
	if said := reports(t, &out); len(said) != 2 || said[1].Missing != 0 {
		t.Errorf("in another order: %+v", said)
	}

	all = packets(t, tr.file, tr.rate, tr.payloader)
	more := packets(t, tr.file, tr.rate, tr.payloader) // begins with a key frame
	last := all[len(all)-1]
	first := more[0].Timestamp
	for i, p := range more {
		p.SequenceNumber = last.SequenceNumber + 1 + uint16(i)
		p.Timestamp += last.Timestamp + 9000 - first
	}
	half := len(all) / 2
	all = append(append(all[:half:half], all[half+2:]...), more...)
	path = filepath.Join(t.TempDir(), "b.webm")
	out.Reset()
	if err := Run(input(t, path, tr.mime, tr.rate, all, true), &out, passing); err != nil {
		t.Fatal(err)
	}
	asked, done := 0, wire.Report{}
	for _, r := range reports(t, &out) {
		if r.Kind == wire.Keyframe {
			asked++
		}
		if r.Kind == wire.Done {
			done = r
		}
	}
	if asked != 1 || done.Missing < 500*time.Millisecond || done.Missing > 1500*time.Millisecond {
		t.Errorf("asked %d times for a key frame, %+v", asked, done)
	}
}

func TestRecordingOfNothingLeavesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.webm")
	var out bytes.Buffer
	if err := Run(input(t, path, "video/VP8", 90000, nil, true), &out, passing); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	if said := reports(t, &out); len(said) != 1 || said[0].Kind != wire.Failed {
		t.Errorf("%+v", said)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("there is a file")
	}
}

func TestBrokenInputFailsAndKeepsWhatCameBefore(t *testing.T) {
	tr := tracks[1]
	for name, tail := range map[string][]byte{
		"frame cut off":  wire.AppendFrame(nil, wire.Packet, make([]byte, 100))[:50],
		"header cut off": {byte(wire.Packet), 0},
		"frame too long": {byte(wire.Packet), 0xff, 0xff, 0xff, 0xff},
	} {
		path := filepath.Join(t.TempDir(), tr.name)
		whole := input(t, path, tr.mime, tr.rate, packets(t, tr.file, tr.rate, tr.payloader), false)
		var out bytes.Buffer
		if err := Run(io.MultiReader(whole, bytes.NewReader(tail)), &out, passing); err == nil {
			t.Errorf("%s: it is taken for the end", name)
		}
		said := reports(t, &out)
		if last := said[len(said)-1]; last.Kind != wire.Failed || !strings.Contains(last.Error, "read from the server") {
			t.Errorf("%s: %+v", name, last)
		}
		if plays, err := container.Repair(path); err != nil || plays < 1850*time.Millisecond {
			t.Errorf("%s: %v are left, %v", name, plays, err)
		}
	}
}

func TestFileThatIsThereIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.webm")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	tr := tracks[1]
	var out bytes.Buffer
	if err := Run(input(t, path, tr.mime, tr.rate, packets(t, tr.file, tr.rate, tr.payloader), true), &out, passing); err != nil {
		t.Error(err)
	}
	said := reports(t, &out)
	if made := file(t, said[len(said)-1]); made.Path != strings.TrimSuffix(path, ".webm")+"-2.webm" {
		t.Errorf("made %+v", made)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Error("it was replaced")
	}
}

func FuzzPackets(f *testing.F) {
	for i, tr := range tracks {
		for _, p := range packets(f, tr.file, tr.rate, tr.payloader)[:2] {
			raw, _ := p.Marshal()
			f.Add(uint8(i), raw, raw)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, one, two []byte) {
		tr := tracks[int(kind)%len(tracks)]
		path := filepath.Join(t.TempDir(), tr.name)
		b := wire.AppendJSON(nil, wire.JobFrame, job(path, tr.mime))
		b = wire.AppendJSON(b, wire.TrackFrame, wire.Track{MimeType: tr.mime, ClockRate: tr.rate})
		at := make([]byte, 10)
		for range 3 {
			b = wire.AppendFrame(b, wire.Packet, at, one)
			b = wire.AppendFrame(b, wire.Packet, at, two)
		}
		_ = Run(bytes.NewReader(b), io.Discard, passing)
	})
}
