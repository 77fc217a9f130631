package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/ingress/flv"
)

// file has ffmpeg write one.
func file(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	need(t)
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ffmpeg", append(append([]string{"-hide_banner", "-loglevel", "error", "-nostdin"}, args...), path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pictures are the frames of an IVF file at 30 a second, as tags of Enhanced RTMP.
func pictures(b []byte, fourCC string) (tags []tag) {
	for b = b[32:]; len(b) > 12; {
		size := int(binary.LittleEndian.Uint32(b))
		head := byte(0x80 | 2<<4 | 1)
		if len(tags) == 0 {
			head = 0x80 | 1<<4 | 1
		}
		at := time.Duration(binary.LittleEndian.Uint64(b[4:])) * time.Second / 30
		tags = append(tags, tag{flv.TypeVideo, at, append(append([]byte{head}, fourCC...), b[12:12+size]...)})
		b = b[12+size:]
	}
	return tags
}

// sounds are the packets of an Ogg file, as tags of Enhanced RTMP.
func sounds(t *testing.T, b []byte) (tags []tag) {
	t.Helper()
	for r := newOggReader(bytes.NewReader(b)); ; {
		packet, at, err := r.next()
		if err == io.EOF {
			return tags
		}
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag{flv.TypeAudio, time.Duration(at) * time.Second / sampleRate, append([]byte("\x91Opus"), packet...)})
	}
}

// What FLV of older versions of ffmpeg does not know is encoded all the same, at its
// times.
func TestLaterCodecsAreEncoded(t *testing.T) {
	opus := sounds(t, file(t, "a.ogg", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "2", "-c:a", "libopus"))
	for _, tc := range []struct {
		codec           flv.Codec
		encoder, fourCC string
	}{{flv.VP8, "libvpx", "vp08"}, {flv.VP9, "libvpx-vp9", "vp09"}} {
		t.Run(string(tc.codec), func(t *testing.T) {
			tags := pictures(file(t, "a.ivf", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-t", "2", "-c:v", tc.encoder, "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0", "-lag-in-frames", "0"), tc.fourCC)
			if len(tags) != 60 {
				t.Fatalf("%d pictures", len(tags))
			}
			var all []tag
			for i, n := 0, 0; i < len(tags) || n < len(opus); {
				if n == len(opus) || i < len(tags) && tags[i].at <= opus[n].at {
					all, i = append(all, tags[i]), i+1
				} else {
					all, n = append(all, opus[n]), n+1
				}
			}
			const begin = 25 * time.Hour
			s := run(t, Job{
				Pictures: true, PicturesAs: Stream{Codec: tc.codec, Width: 320, Height: 180},
				Sound: true, SoundAs: Stream{Codec: flv.Opus, Channels: 1, Rate: sampleRate},
				Opus:   &Opus{Bitrate: 64_000, Channels: 1},
				Layers: []Layer{{Width: 160, Height: 90, Bitrate: 100_000}, {Width: 320, Height: 180, Bitrate: 300_000}},
			}, all, begin)
			for layer, at := range s.pictures[:2] {
				if len(at) != 60 {
					t.Fatalf("layer %d has %d pictures", layer, len(at))
				}
				for i := range at {
					if off := at[i] - begin - tags[i].at; off.Abs() > time.Millisecond {
						t.Fatalf("layer %d: picture %d is off by %v", layer, i, off)
					}
				}
			}
			if n := len(s.sound); n < 95 {
				t.Errorf("%d packets of sound", n)
			}
			for i, at := range s.sound {
				if i == 0 && (at-begin).Abs() > 50*time.Millisecond || i > 0 && at-s.sound[i-1] != 20*time.Millisecond {
					t.Fatalf("sound %d is at %v", i, at-begin)
				}
			}
		})
	}
}

// sizes are pictures of VP8 of a source of ffmpeg's, one size after the other; length
// says how many there are of each.
func sizes(t *testing.T, source string, of []string, length ...string) (tags []tag) {
	t.Helper()
	for _, size := range of {
		begin := time.Duration(len(tags)) * time.Second / 30
		args := slices.Concat([]string{"-f", "lavfi", "-i", source + "=s=" + size + ":r=30"}, length,
			[]string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"})
		for _, one := range pictures(file(t, "a.ivf", args...), "vp08") {
			one.at += begin
			tags = append(tags, one)
		}
	}
	return tags
}

// A phone that is turned sends pictures of another shape, and one whose connection is
// bad smaller ones.
func TestPicturesMayChangeTheirSize(t *testing.T) {
	tags := sizes(t, "testsrc2", []string{"320x180", "180x320", "160x90"}, "-t", "1")
	s := run(t, Job{
		Pictures: true, PicturesAs: Stream{Codec: flv.VP8, Width: 320, Height: 180}, Varies: true,
		Layers: []Layer{{Width: 640, Height: 360, Bitrate: 400_000, FrameRate: 30}},
	}, tags, 0)
	if n := len(s.pictures[0]); n != 90 {
		t.Errorf("%d pictures", n)
	}
}

// Pictures of which a decoder would have to hold gigabytes are not decoded.
func TestPicturesThatAreTooLargeAreNotDecoded(t *testing.T) {
	tags := sizes(t, "color", []string{"320x180", "4160x2304", "320x180"}, "-frames:v", "4")
	s := run(t, Job{Pictures: true, PicturesAs: Stream{Codec: flv.VP8, Width: 320, Height: 180}, Varies: true, Layers: []Layer{{Width: 160, Height: 90, Bitrate: 100_000}}}, tags, 0)
	if n := len(s.pictures[0]); n != 8 {
		t.Errorf("%d pictures of 8", n)
	}
}

// A frame is there for the child as soon as it is written.
func TestFramesAreClustersOfTheirOwn(t *testing.T) {
	got := appendFrame(nil, matroskaSound, 1234*time.Millisecond, true, []byte("data"))
	want := []byte("\x1F\x43\xB6\x75\x01\x00\x00\x00\x00\x00\x00\x22" + // Cluster
		"\xE7\x01\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x04\xD2" + // its time
		"\xA3\x01\x00\x00\x00\x00\x00\x00\x08\x82\x00\x00\x80data")
	if !bytes.Equal(got, want) {
		t.Errorf("% x\nwant\n% x", got, want)
	}
}
