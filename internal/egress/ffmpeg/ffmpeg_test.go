package ffmpeg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// program is the ffmpeg that is installed. Without one the test is skipped, except
// in CI.
func program(t testing.TB) *Program {
	t.Helper()
	p, err := Find(t.Context(), "")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return p
}

// encode makes that many pictures, of which each is a bit brighter, with a tone.
func encode(t testing.TB, s Settings, pictures int) []container.Frame {
	t.Helper()
	e, err := program(t).Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	var all []container.Frame
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f := range e.Frames() {
			all = append(all, f)
		}
	}()
	pic := compose.NewPicture(max(s.Width, 2), max(s.Height, 2))
	slots := 0
	for i := range pictures {
		if s.Video != "" {
			pic.Fill(pic.Bounds(), compose.Color{Y: byte(40 + 2*i), U: 128, V: 128})
			if err := e.Picture(int64(i), pic); err != nil {
				t.Fatal(err, e.pictures.problem())
			}
		}
		for ; s.Audio != "" && slots < (i+1)*50/30; slots++ {
			if err := e.Sound(make([]byte, compose.Slot*4)); err != nil {
				t.Fatal(err, e.sound.problem())
			}
		}
	}
	e.Finish()
	<-done
	if err := e.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

var h264 = Settings{
	Video: container.H264, Profile: "main", Width: 320, Height: 180, Framerate: 30, VideoBitrate: 500, KeyFrames: time.Second,
	Audio: container.AAC, AudioBitrate: 96, AudioFrequency: 44100,
}

// Every picture that goes in comes out, encoded and decoded again, at its time, as
// itself.
func TestPicturesComeOutAsTheyWentIn(t *testing.T) {
	vp8 := h264
	vp8.Video, vp8.Audio = container.VP8, container.Opus
	vp9 := vp8
	vp9.Video = container.VP9
	const pictures = 75
	const begin = 90 * time.Minute // a decoder need not begin with the recording
	for _, s := range []Settings{h264, vp8, vp9} {
		t.Run(string(s.Video), func(t *testing.T) {
			t.Parallel()
			frames := encode(t, s, pictures)
			d, err := program(t).Decode(s.Video, 160, 90, false)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			n, keys, sound := 0, 0, 0
			for _, f := range frames {
				if f.Track != 0 {
					sound++
					continue
				}
				if want := time.Duration(n) * time.Second / 30; f.At != want {
					t.Errorf("picture %d is at %v, want %v", n, f.At, want)
				}
				if f.Key {
					keys++
				}
				if !d.Submit(begin+f.At, f.Data) {
					t.Fatal("the decoder takes no more")
				}
				n++
			}
			d.End()
			if n != pictures || keys != 3 {
				t.Errorf("%d pictures, %d of them key frames, want %d and 3", n, keys, pictures)
			}
			if want := pictures * 48000 / 30 / 960; s.Audio == container.Opus && (sound < want || sound > want+2) {
				t.Errorf("%d packets of sound, want %d", sound, want)
			}
			n = 0
			for pic := range d.Pictures() {
				if want := (begin + time.Duration(n)*time.Second/30).Truncate(time.Millisecond); pic.At != want {
					t.Errorf("decoded picture %d is at %v, want %v", n, pic.At, want)
				}
				if got, want := int(pic.Pix[160*45+80]), 40+2*n; got < want-6 || got > want+6 {
					t.Errorf("picture %d is %d bright, want %d", n, got, want)
				}
				d.Recycle(pic)
				n++
			}
			if n != pictures {
				t.Errorf("%d pictures were decoded, want %d", n, pictures)
			}
		})
	}
}

// A decoder gives a picture out when it has it, not when the next one comes.
func TestDecoderHoldsNothingBack(t *testing.T) {
	for _, codec := range []container.Codec{container.H264, container.VP8} {
		s := h264
		s.Video, s.Audio = codec, ""
		frames := encode(t, s, 10)
		d, err := program(t).Decode(codec, 64, 64, true)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range frames {
			d.Submit(f.At, f.Data)
			select {
			case <-d.Pictures():
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: picture %d does not come", codec, i)
			}
		}
		d.Close()
	}
}

func TestSoundAloneIsEncoded(t *testing.T) {
	for _, codec := range []container.Codec{container.AAC, container.MP3, container.Opus} {
		s := Settings{Audio: codec, AudioBitrate: 64, AudioFrequency: 48000}
		frames := encode(t, s, 60)
		path := filepath.Join(t.TempDir(), "a"+string(container.FormatOf(codec)))
		w, err := container.Create(path, container.FormatOf(codec), s.Tracks())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			if f.At < 0 {
				continue
			}
			if err := w.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		plays, err := container.Repair(path)
		if err != nil || plays < 1900*time.Millisecond || plays > 2150*time.Millisecond {
			t.Errorf("%s plays %v, %v; want 2 s", codec, plays, err)
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	_, err := Find(t.Context(), "no-such-ffmpeg")
	var missing *MissingError
	if !errors.As(err, &missing) || missing.Package != "ffmpeg" || missing.ErrorCode() != "failed_precondition" {
		t.Errorf("%v", err)
	}
	p := program(t)
	if err := p.Need("libx264", "aac", "libvpx", "libopus", "libmp3lame", "rtmp:", "rtmps:", "srt:"); err != nil {
		t.Error(err)
	}
	if err := p.Need("libx264", "no_such_encoder"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no_such_encoder") {
		t.Errorf("%v", err)
	}
	if err := p.Need("gopher2:"); err == nil {
		t.Error("it sends by gopher2")
	}
	if p.Version == "" {
		t.Error("no version")
	}
}

// A decoder that is closed in the middle leaves nothing behind, and one whose child
// dies says so.
func TestDecoderEndsInTheMiddle(t *testing.T) {
	s := h264
	s.Audio = ""
	frames := encode(t, s, 10)
	d, err := program(t).Decode(container.H264, 64, 64, false)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, f := range frames {
			d.Submit(f.At, f.Data)
		}
	}
	d.Close()
	d, err = program(t).Decode(container.H264, 64, 64, false)
	if err != nil {
		t.Fatal(err)
	}
	d.child.kill()
	<-d.child.donec
	if d.Submit(0, frames[0].Data) {
		t.Error("a dead decoder takes a frame")
	}
	for range d.Pictures() {
	}
	d.Close()
}
