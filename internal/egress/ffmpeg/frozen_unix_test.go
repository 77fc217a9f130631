//go:build unix

package ffmpeg

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
)

// feeder puts pictures and sound into an encoder, and has what comes out.
type feeder struct {
	t     *testing.T
	e     *Encoder
	pic   *compose.Picture
	slots int
	given []time.Duration // when the pictures are seen that were put in

	mu   sync.Mutex
	out  [2][]container.Frame
	done chan struct{}
}

func newFeeder(t *testing.T, s Settings) *feeder {
	e, err := program(t).Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	f := &feeder{t: t, e: e, pic: compose.NewPicture(s.Width, s.Height), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for fr := range e.Frames() {
			f.mu.Lock()
			f.out[fr.Track] = append(f.out[fr.Track], fr)
			f.mu.Unlock()
		}
	}()
	return f
}

// step is that of a picture and its sound. Pictures that have no room are left out, unless
// they are to wait.
func (f *feeder) step(n int64, wait bool) {
	f.t.Helper()
	if wait || !f.e.Full(n) {
		f.given = append(f.given, time.Duration(n)*time.Second/time.Duration(f.e.settings.Framerate))
		f.pic.Fill(f.pic.Bounds(), compose.Color{Y: byte(40 + n%150), U: 128, V: 128})
		if err := f.e.Picture(n, f.pic); err != nil {
			f.t.Fatal(err, f.e.pictures.problem())
		}
	}
	for ; f.slots < int(n+1)*50/f.e.settings.Framerate; f.slots++ {
		if err := f.e.Sound(make([]byte, compose.Slot*4)); err != nil {
			f.t.Fatal(err, f.e.sound.problem())
		}
	}
}

// await waits until that much has come of a track.
func (f *feeder) await(track int, what string, enough func(frames []container.Frame) bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		ok := enough(f.out[track])
		n := len(f.out[track])
		f.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: %d frames came", what, n)
		}
	}
}

// While pictures are not encoded no more of them are taken than a moment has, and sound
// goes on. Then pictures go on too, each at its time, and with key frames where those
// are to be.
func TestFrozenEncoderCostsPicturesAndNothingElse(t *testing.T) {
	for _, codec := range []container.Codec{container.H264, container.VP8} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			s := h264
			s.Framerate = 24
			if s.Video = codec; codec == container.VP8 {
				s.Audio = container.Opus
			}
			f := newFeeder(t, s)
			n := int64(0)
			for ; n < 30; n++ {
				f.step(n, true)
			}
			f.await(0, "pictures", func(all []container.Frame) bool { return len(all) >= 29 })
			if err := f.e.pictures.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			for ; n < 130; n++ {
				f.step(n, false)
			}
			most := int(maxBacklog/f.e.backlog.step) + 2
			frozen := len(f.given) - 30
			if frozen < 1 || frozen > most || f.given[29+frozen]-f.given[29] > maxBacklog+2*f.e.backlog.step {
				t.Errorf("%d pictures were taken while it was frozen, want %d at most: %v", frozen, most, f.given[29:])
			}
			heard := time.Duration(n)*f.e.backlog.step - 300*time.Millisecond
			f.await(1, "sound while pictures are not encoded", func(all []container.Frame) bool { return len(all) > 0 && all[len(all)-1].At >= heard })
			if err := f.e.pictures.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			f.await(0, "pictures after that", func(all []container.Frame) bool { return len(all) >= len(f.given)-1 })
			for ; n < 160; n++ {
				f.step(n, true)
			}
			f.e.Finish()
			<-f.done
			if err := f.e.Wait(); err != nil {
				t.Fatal(err)
			}
			if len(f.out[0]) != len(f.given) {
				t.Fatalf("%d pictures came of %d", len(f.out[0]), len(f.given))
			}
			var keys []time.Duration
			for i, fr := range f.out[0] {
				if fr.At != f.given[i] {
					t.Fatalf("picture %d is at %v, want %v", i, fr.At, f.given[i])
				}
				if fr.Key {
					keys = append(keys, fr.At)
				}
			}
			// At the first picture of each second.
			var want []time.Duration
			for _, at := range f.given {
				if len(want) == 0 || at/time.Second > want[len(want)-1]/time.Second {
					want = append(want, at)
				}
			}
			if len(keys) != len(want) || keys[len(keys)-1] != want[len(want)-1] || keys[1] != want[1] {
				t.Errorf("key frames are at %v, want %v", keys, want)
			}
		})
	}
}
