package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// vp8Sink keeps the frames of VP8 as files of IVF, and how large they are.
type vp8Sink struct {
	*sink
	files [3][]byte
}

func (s *vp8Sink) Picture(layer int, at time.Duration, t flv.Tag) error {
	s.mu.Lock()
	if t.Codec == flv.VP8 {
		b := binary.LittleEndian.AppendUint32(s.files[layer], uint32(len(t.Data)))
		s.files[layer] = append(binary.LittleEndian.AppendUint64(b, uint64(at.Milliseconds())), t.Data...)
	}
	s.mu.Unlock()
	return s.sink.Picture(layer, at, t)
}

// Layers of VP8 have the times, the sizes, the key frames and about the bitrates that
// they are asked for.
func TestPicturesBecomeLayersOfVP8(t *testing.T) {
	tags := source(t, "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30,noise=alls=20:allf=t", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "5",
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac", "-ac", "1", "-f", "flv")
	const begin = 25 * time.Hour
	s := &vp8Sink{sink: newSink()}
	layers := []Layer{{Width: 160, Height: 90, Bitrate: 100_000}, {Width: 320, Height: 180, Bitrate: 300_000}, {Width: 640, Height: 360, Bitrate: 900_000}}
	tr, err := Start("", Job{
		Sound: true, Pictures: true, Opus: &Opus{Bitrate: 64_000, Channels: 1}, Layers: layers, LayersAs: flv.VP8,
	}, s, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[time.Duration]bool)
	for _, tag := range tags {
		if v, err := flv.ParseVideo(tag.body); tag.kind == flv.TypeVideo && err == nil && v.Kind == flv.Frame {
			shown[(begin + tag.at + v.CTS).Round(time.Millisecond)] = true
		}
		if err := tr.Write(tag.kind, begin+tag.at, tag.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		all := s.pictures[i]
		if len(all) != 150 || s.keys[i] != 3 {
			t.Errorf("layer %d: %d pictures, %d key frames", i, len(all), s.keys[i])
		}
		for n, at := range all {
			if n > 0 && at <= all[n-1] {
				t.Fatalf("layer %d goes back to %v", i, at)
			}
			if !shown[at] && !shown[at+time.Millisecond] && !shown[at-time.Millisecond] {
				t.Errorf("layer %d: a picture at %v, where there is none", i, at)
			}
		}
		if rate := len(s.files[i]) * 8 / 5; rate < l.Bitrate/2 || rate > l.Bitrate*3/2 {
			t.Errorf("layer %d has %d bits a second, not %d", i, rate, l.Bitrate)
		}
		file := append(ivf(1, 1000), s.files[i]...)
		width, height := binary.LittleEndian.Uint16(file[32+12+6:]), binary.LittleEndian.Uint16(file[32+12+8:]) // RFC 6386 §9.1
		if n := decodes(t, "ivf", file); n != 150 || int(width) != l.Width || int(height) != l.Height {
			t.Errorf("layer %d: %d pictures decode, of %d x %d", i, n, width, height)
		}
	}
	if n := len(s.sound); n < 245 {
		t.Errorf("%d packets of sound", n)
	}
}

// decodes is how many pictures of a file decode.
func decodes(t *testing.T, format string, b []byte) int {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "error", "-f", format, "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "-i", "pipe:0")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("ffprobe says %q", out)
	}
	return n
}

// hevc are pictures of H265 as tags of Enhanced RTMP, and their configuration.
func hevc(t *testing.T, size string, bframes int) (config []byte, tags []tag) {
	t.Helper()
	need(t)
	path := filepath.Join(t.TempDir(), "a.mp4")
	out, err := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=s="+size+":r=30", "-t", "2", "-pix_fmt", "yuv420p",
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=30:bframes="+strconv.Itoa(bframes), "-tag:v", "hvc1", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b := read(t, path)
	at := bytes.Index(b, []byte("hvcC"))
	if at < 4 {
		t.Fatal("no configuration")
	}
	config = b[at+4 : at-4+int(binary.BigEndian.Uint32(b[at-4:]))]
	list, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=pts_time,dts_time,size,pos,flags", "-of", "compact=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	tags = append(tags, tag{flv.TypeVideo, 0, append([]byte("\x90hvc1"), config...)})
	for line := range strings.Lines(string(list)) {
		of := make(map[string]string)
		for field := range strings.SplitSeq(strings.TrimSpace(line), "|") {
			key, value, _ := strings.Cut(field, "=")
			of[key] = value
		}
		number := func(key string) float64 {
			f, err := strconv.ParseFloat(of[key], 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return f
		}
		head := byte(0x80 | 2<<4 | 1)
		if strings.Contains(of["flags"], "K") {
			head = 0x80 | 1<<4 | 1
		}
		const before = 200 * time.Millisecond // first pictures are decoded before 0
		dts, pts := time.Duration(number("dts_time")*1e9)+before, time.Duration(number("pts_time")*1e9)+before
		cts := uint32((pts - dts).Round(time.Millisecond).Milliseconds())
		body := append([]byte{head, 'h', 'v', 'c', '1', byte(cts >> 16), byte(cts >> 8), byte(cts)}, b[int(number("pos")):int(number("pos"))+int(number("size"))]...)
		tags = append(tags, tag{flv.TypeVideo, dts, body})
	}
	return config, tags
}

// H265 is decoded, with B-frames and without, at its times, and with a configuration
// that changes on the way.
func TestH265IsEncodedAnew(t *testing.T) {
	for _, bframes := range []int{0, 2} {
		config, small := hevc(t, "320x180", bframes)
		_, large := hevc(t, "480x270", bframes)
		tags := after(small, large, 2*time.Second)
		s := run(t, Job{
			Pictures: true, PicturesAs: Stream{Codec: flv.H265, Config: config, Width: 320, Height: 180},
			Layers: []Layer{{Width: 160, Height: 90, Bitrate: 100_000}, {Width: 320, Height: 180, Bitrate: 300_000}},
		}, tags, 0)
		var shown []time.Duration
		for _, one := range tags {
			if v, err := flv.ParseVideo(one.body); err != nil {
				t.Fatal(err)
			} else if v.Kind == flv.Frame {
				shown = append(shown, one.at+v.CTS)
			}
		}
		slices.Sort(shown)
		for layer, all := range s.pictures[:2] {
			if len(all) != len(shown) || len(all) != 120 {
				t.Fatalf("%d B-frames: layer %d has %d pictures of %d", bframes, layer, len(all), len(shown))
			}
			for i, at := range all {
				if off := at - shown[i]; off.Abs() > 2*time.Millisecond {
					t.Fatalf("%d B-frames: picture %d is off by %v", bframes, i, off)
				}
			}
		}
	}
}

func TestParametersOfH265AreReadToTheirEnd(t *testing.T) {
	config := append(make([]byte, 22), 2)
	config = append(config, "\x20\x00\x01\x00\x03vps\x21\x00\x02\x00\x02s1\x00\x02s2"...)
	want := "\x00\x00\x00\x03vps\x00\x00\x00\x02s1\x00\x00\x00\x02s2"
	if got := inBandHEVC(config); string(got) != want {
		t.Errorf("%q", got)
	}
	for n := range config { // nothing is read past the end
		if got := inBandHEVC(config[:n]); n > 23 && got != nil {
			t.Errorf("%d bytes have %q", n, got)
		}
	}
}
