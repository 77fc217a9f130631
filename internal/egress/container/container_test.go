package container

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/rollcall-rtc/rollcall/client/mediafile"
)

// media are two seconds of picture at 10 frames a second, or of sound, as
// encoders made them, and the frames in them.
func media(t testing.TB, name string, codec Codec) (frames []Frame) {
	t.Helper()
	tracks, err := mediafile.Open(filepath.Join("../../../client/mediafile/testdata", name), mediafile.Options{FrameRate: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, tr := range tracks {
			_ = tr.Close()
		}
	}()
	at := time.Duration(0)
	for {
		s, err := tracks[0].Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		f := Frame{At: at, Key: len(frames) == 0, Data: bytes.Clone(s.Data)}
		switch codec {
		case H264, H265:
			var units h264.AnnexB
			if err := units.Unmarshal(f.Data); err != nil {
				t.Fatal(err)
			}
			if f.Data, err = h264.AVCC(units).Marshal(); err != nil {
				t.Fatal(err)
			}
		case AV1:
			var tu av1.Bitstream
			if err := tu.Unmarshal(f.Data); err != nil {
				t.Fatal(err)
			}
			if av1.OBUType(tu[0][0]>>3&15) == av1.OBUTypeTemporalDelimiter {
				tu = tu[1:]
			}
			if f.Data, err = tu.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
		frames = append(frames, f)
		at += s.Duration
	}
}

var sources = []struct {
	codec  Codec
	name   string
	format Format
}{
	{Opus, "tone.ogg", Ogg}, {Opus, "tone.ogg", WebM}, {Opus, "tone.ogg", MP4},
	{VP8, "card.ivf", WebM}, {VP9, "vp9.ivf", WebM}, {AV1, "av1.ivf", WebM},
	{H264, "card.h264", MP4}, {H265, "card.h265", MP4},
}

// probe has ffprobe decode the whole file: what it complains of is an error.
func probe(t *testing.T, path string) (frames int, lasts time.Duration) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-show_entries", "stream=nb_read_frames,codec_name:format=duration", "-of", "json", path)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip("ffprobe is not installed (package ffmpeg)")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if said.Len() > 0 {
		t.Errorf("ffprobe complains of %s: %s", filepath.Base(path), said.String())
	}
	var told struct {
		Streams []struct {
			Frames string `json:"nb_read_frames"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatal(err)
	}
	for _, s := range told.Streams {
		n, err := strconv.Atoi(s.Frames)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		frames += n
	}
	seconds, _ := strconv.ParseFloat(told.Format.Duration, 64)
	return frames, time.Duration(seconds * float64(time.Second))
}

func TestWholeFilesDecodeToTheLastFrame(t *testing.T) {
	for _, src := range sources {
		t.Run(string(src.codec)+string(src.format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a"+string(src.format))
			frames := media(t, src.name, src.codec)
			w, err := Create(path, src.format, []Track{{Codec: src.codec, Channels: 1}})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			n, lasts := probe(t, path)
			if n != len(frames) {
				t.Errorf("%d frames were decoded, %d written", n, len(frames))
			}
			if lasts < 1850*time.Millisecond || lasts > 2050*time.Millisecond {
				t.Errorf("it plays %v", lasts)
			}
			before, _ := os.ReadFile(path)
			plays, err := Repair(path)
			if err != nil || plays < 1850*time.Millisecond || plays > 2050*time.Millisecond {
				t.Errorf("repaired, it plays %v, %v", plays, err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("repairing changed a whole file")
			}
		})
	}
}

// A writer that dies leaves any number of bytes of its last write. What was put
// is there, and what is left decodes.
func TestFileCutAnywhereIsMadeWhole(t *testing.T) {
	for _, src := range sources {
		t.Run(string(src.codec)+string(src.format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a"+string(src.format))
			frames := media(t, src.name, src.codec)
			w, err := Create(path, src.format, []Track{{Codec: src.codec, Channels: 1}})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[:len(frames)/2] {
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Put(); err != nil {
				t.Fatal(err)
			}
			put, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[len(frames)/2:] {
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Put(); err != nil {
				t.Fatal(err)
			}
			all, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(all, put) {
				t.Fatal("what was put was changed")
			}
			step := max((len(all)-len(put))/40, 1)
			for n := len(put); n < len(all); n += step {
				if err := os.WriteFile(path, all[:n], 0o644); err != nil {
					t.Fatal(err)
				}
				plays, err := Repair(path)
				if err != nil {
					t.Fatal(err)
				}
				left, _ := os.ReadFile(path)
				if len(left) < len(put) || !bytes.HasPrefix(all, untold(left)) {
					t.Fatalf("of %d bytes %d are left, %d were put", n, len(left), len(put))
				}
				if plays < 700*time.Millisecond || plays > 2050*time.Millisecond {
					t.Fatalf("%d bytes play %v", n, plays)
				}
			}
			if n, _ := probe(t, path); n < len(frames)/2-1 {
				t.Errorf("%d frames of %d are left", n, len(frames))
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// untold is the file of ours without its duration.
func untold(b []byte) []byte {
	b = bytes.Clone(b)
	if i := bytes.Index(b, float(idDuration, 0)[:10]); i >= 0 && len(b) >= i+18 {
		clear(b[i+10 : i+18])
	}
	return b
}

func TestPausesOfSoundAreFilledWithSilence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ogg")
	w, err := Create(path, Ogg, []Track{{Codec: Opus, Channels: 2}})
	if err != nil {
		t.Fatal(err)
	}
	frames := media(t, "tone.ogg", Opus)
	for i, f := range frames {
		if i >= len(frames)/2 {
			f.At += 10 * time.Second
		}
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, lasts := probe(t, path); n < len(frames)+490 || lasts < 11950*time.Millisecond || lasts > 12050*time.Millisecond {
		t.Errorf("%d packets play %v", n, lasts)
	}
}

func TestPictureAndSoundShareAFile(t *testing.T) {
	for _, pair := range []struct {
		format Format
		codec  Codec
		name   string
	}{{WebM, VP8, "card.ivf"}, {MP4, H264, "card.h264"}} {
		path := filepath.Join(t.TempDir(), "a"+string(pair.format))
		w, err := Create(path, pair.format, []Track{{Codec: pair.codec}, {Codec: Opus, Channels: 2}})
		if err != nil {
			t.Fatal(err)
		}
		pictures, sounds := media(t, pair.name, pair.codec), media(t, "tone.ogg", Opus)
		total := len(pictures) + len(sounds)
		for len(pictures)+len(sounds) > 0 {
			var f Frame
			if len(sounds) == 0 || len(pictures) > 0 && pictures[0].At <= sounds[0].At {
				f, pictures = pictures[0], pictures[1:]
			} else {
				f, sounds = sounds[0], sounds[1:]
				f.Track = 1
			}
			if err := w.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if n, lasts := probe(t, path); n != total || lasts < 1950*time.Millisecond || lasts > 2060*time.Millisecond {
			t.Errorf("%s: %d of %d frames play %v", pair.format, n, total, lasts)
		}
	}
}

// A track that is not in the header of a file is not in what follows either.
func TestPictureThatComesTooLateIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mp4")
	w, err := Create(path, MP4, []Track{{Codec: H264}, {Codec: Opus, Channels: 2}})
	if err != nil {
		t.Fatal(err)
	}
	picture, sounds := media(t, "card.h264", H264)[0], media(t, "tone.ogg", Opus)
	n := 0
	for ; n < maxEarly+100; n++ {
		if n == maxEarly+50 {
			picture.At = time.Duration(n) * 20 * time.Millisecond
			if err := w.Write(picture); !errors.Is(err, ErrFrame) {
				t.Errorf("Write of a picture after so much = %v", err)
			}
		}
		f := sounds[n%len(sounds)]
		f.At, f.Track = time.Duration(n)*20*time.Millisecond, 1
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := probe(t, path); got != n {
		t.Errorf("%d of %d frames", got, n)
	}
}

// A picture that stood for long says nothing of how long the last one does.
func TestLastFrameAfterAGapIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mp4")
	w, err := Create(path, MP4, []Track{{Codec: H264}})
	if err != nil {
		t.Fatal(err)
	}
	pictures := media(t, "card.h264", H264)
	for i, at := range []time.Duration{0, 33 * time.Millisecond, 10 * time.Minute} {
		pictures[i].At = at
		if err := w.Write(pictures[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, lasts := probe(t, path); lasts < 10*time.Minute || lasts > 10*time.Minute+1100*time.Millisecond {
		t.Errorf("it plays for %v", lasts)
	}
}

func TestWhatCannotBeKeptIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "a.ogg"), Ogg, []Track{{Codec: VP8}}); !errors.Is(err, ErrCodec) {
		t.Errorf("VP8 in Ogg: %v", err)
	}
	if _, err := CodecOf("audio/PCMU"); !errors.Is(err, ErrCodec) {
		t.Errorf("PCMU: %v", err)
	}
	for codec, format := range map[Codec]Format{VP8: WebM, H264: MP4, Opus: Ogg} {
		path := filepath.Join(dir, "b"+string(format))
		w, err := Create(path, format, []Track{{Codec: codec}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(Frame{Data: []byte{0xff, 0}}); !errors.Is(err, ErrFrame) {
			t.Errorf("garbage of %s: %v", codec, err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("close %s without a frame: %v", format, err)
		}
		if _, err := Create(path, format, []Track{{Codec: codec}}); !errors.Is(err, os.ErrExist) {
			t.Errorf("a file was replaced: %v", err)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, src := range sources {
		path := filepath.Join(f.TempDir(), "a"+string(src.format))
		w, err := Create(path, src.format, []Track{{Codec: src.codec, Channels: 1}})
		if err != nil {
			f.Fatal(err)
		}
		for _, frame := range media(f, src.name, src.codec)[:10] {
			_ = w.Write(frame)
		}
		_ = w.Close()
		b, _ := os.ReadFile(path)
		f.Add(b, string(src.format))
	}
	f.Fuzz(func(t *testing.T, b []byte, format string) {
		switch Format(format) {
		case Ogg, WebM, MP4:
		default:
			return
		}
		path := filepath.Join(t.TempDir(), "a"+format)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Repair(path); err != nil {
			t.Fatal(err)
		}
		left, _ := os.ReadFile(path)
		if !bytes.HasPrefix(untold(b), untold(left)) {
			t.Fatal("repairing does more than cut")
		}
		again, err := Repair(path)
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := os.ReadFile(path); len(rest) != len(left) {
			t.Fatalf("repaired twice, %d bytes become %d (%v)", len(left), len(rest), again)
		}
	})
}

func TestChecksumIsOggs(t *testing.T) {
	// The header page of a file that an encoder made.
	b, err := os.ReadFile("../../../client/mediafile/testdata/tone.ogg")
	if err != nil {
		t.Fatal(err)
	}
	page := b[:27+1+19]
	sum := binary.LittleEndian.Uint32(page[22:])
	clear(page[22:26])
	if got := oggChecksum(page); got != sum {
		t.Errorf("checksum %x, want %x", got, sum)
	}
}
