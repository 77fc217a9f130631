package mediafile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/client"
)

// The files in testdata are two seconds of ffmpeg's testsrc2 at 10 frames a second
// and of its sine, made with libvpx, libaom, libx264, libx265 and libopus.

// held is what a track of a file is to hold.
type held struct {
	mime          string
	width, height uint32
	frames        int
	lasts         time.Duration
	begin         []byte
}

func TestFilesAreReadFrameByFrame(t *testing.T) {
	video := func(mime string, begin ...byte) held { return held{mime, 160, 120, 20, 2 * time.Second, begin} }
	stream := func(mime string, begin ...byte) held {
		return held{mime, 0, 0, 20, 20 * time.Second / 10, begin}
	}
	sound := held{mime: client.Opus.MimeType, frames: 101, lasts: 2020 * time.Millisecond}
	for name, want := range map[string][]held{
		"tone.ogg":  {sound},
		"card.ivf":  {video(client.VP8.MimeType, 0x10)},       // a key frame that is shown, RFC 6386 §9.1; size aside
		"vp9.ivf":   {video(client.VP9.MimeType, 0x82)},       // frame marker, profile 0, key frame, shown
		"av1.ivf":   {video(client.AV1.MimeType, 0x12, 0x00)}, // temporal delimiter
		"card.webm": {video(client.VP8.MimeType, 0x10), sound},
		"live.webm": {video(client.VP8.MimeType, 0x10)},
		"card.h264": {stream(client.H264.MimeType, 0, 0, 0, 1, 0x67)},
		"card.h265": {stream(client.H265.MimeType, 0, 0, 0, 1, 0x40)},
	} {
		t.Run(name, func(t *testing.T) {
			tracks, err := Open(filepath.Join("testdata", name), Options{FrameRate: 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(tracks) != len(want) {
				t.Fatalf("%d tracks, want %d", len(tracks), len(want))
			}
			for i, tr := range tracks {
				for round := range 2 { // the second after Rewind
					got := held{mime: tr.Codec.MimeType, width: tr.Width, height: tr.Height, begin: want[i].begin}
					for {
						s, err := tr.Next()
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						if got.frames == 0 && len(want[i].begin) > 0 && !begins(tr, s.Data, want[i].begin) {
							t.Errorf("begins with % x, want % x", s.Data[:8], want[i].begin)
						}
						got.frames++
						got.lasts += s.Duration
					}
					w := want[i]
					if got.mime != w.mime || got.width != w.width || got.height != w.height || got.frames != w.frames ||
						(got.lasts-w.lasts).Abs() > 40*time.Millisecond {
						t.Errorf("round %d, track %d: %+v, want %+v", round, i, got, w)
					}
					if err := tr.Rewind(); err != nil {
						t.Fatal(err)
					}
				}
				if err := tr.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// begins compares the beginning of a frame, of VP8 only the bits that are not its
// size.
func begins(tr *Track, data, want []byte) bool {
	if tr.Codec.MimeType == client.VP8.MimeType {
		return data[0]&0x11 == want[0]&0x11
	}
	return bytes.HasPrefix(data, want)
}

func TestAudioIsAsLoudAsTheApplicationSays(t *testing.T) {
	asked := 0
	tracks, err := Open(filepath.Join("testdata", "card.webm"), Options{Level: func(frame []byte) (float64, bool) {
		asked++
		return float64(len(frame)) / 1000, asked%2 == 0
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range tracks {
		defer tr.Close()
		audio := tr.Codec.MimeType == client.Opus.MimeType
		for n := 1; n <= 4; n++ {
			s, err := tr.Next()
			if err != nil {
				t.Fatal(err)
			}
			want := client.Sample{}
			if audio {
				want.AudioLevel, want.Voice = float64(len(s.Data))/1000, n%2 == 0
			}
			if s.AudioLevel != want.AudioLevel || s.Voice != want.Voice {
				t.Errorf("%s, frame %d: level %v, voice %t", tr.Codec.MimeType, n, s.AudioLevel, s.Voice)
			}
		}
	}
	if asked != 4 {
		t.Errorf("asked for %d frames, want 4", asked)
	}
}

func TestWhatIsNoMediaFileIsSaid(t *testing.T) {
	whole := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	vorbis := bytes.Replace(whole("tone.ogg"), []byte("OpusHead"), []byte("xvorbisx"), 1)
	pcm := bytes.ReplaceAll(bytes.ReplaceAll(whole("card.webm"), []byte("A_OPUS"), []byte("A_XXXX")), []byte("V_VP8"), []byte("V_XXX"))
	for _, c := range []struct {
		what string
		data []byte
		want error
	}{
		{"nothing", nil, ErrFormat},
		{"text", []byte("hello, world"), ErrFormat},
		{"zeros", make([]byte, 100), ErrFormat},
		{"Ogg without Opus", vorbis, ErrCodec},
		{"half a page", whole("tone.ogg")[:20], ErrFormat},
		{"WebM with other codecs", pcm, ErrCodec},
		{"IVF with another codec", append([]byte("DKIF\x00\x00\x20\x00MJPG"), make([]byte, 40)...), ErrCodec},
		{"half an IVF header", whole("card.ivf")[:20], ErrFormat},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		tracks, err := Open(path, Options{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %d tracks, %v; want %v", c.what, len(tracks), err, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestACutFileEndsWithItsLastWholeFrame(t *testing.T) {
	for _, name := range []string{"tone.ogg", "card.ivf", "card.webm", "card.h264"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b[:len(b)*2/3], 0o600); err != nil {
			t.Fatal(err)
		}
		tracks, err := Open(path, Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		n := 0
		for ; err == nil; n++ {
			_, err = tracks[0].Next()
		}
		if !errors.Is(err, io.EOF) || n < 5 {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
		for _, tr := range tracks {
			tr.Close()
		}
	}
}

func FuzzOpen(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil || len(names) == 0 {
		f.Fatal("no files", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 4096)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		tracks, err := Open(path, Options{})
		if err != nil {
			return
		}
		for _, tr := range tracks {
			for n := 0; ; n++ {
				if n > len(b)+1 {
					t.Fatal("more frames than bytes")
				}
				if s, err := tr.Next(); err != nil {
					break
				} else if s.Duration < 0 {
					t.Fatalf("a frame lasts %s", s.Duration)
				}
			}
			tr.Close()
		}
	})
}
