package studio

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
	"github.com/rollcall-rtc/rollcall/internal/egress/wire"
)

// Also after days, to each picture belongs the sound that is heard while it is seen,
// and to sound alone one slot a step.
func TestSoundBelongsToPicturesForWeeks(t *testing.T) {
	for _, hours := range []int64{0, 54, 1000, 100_000} {
		seconds := hours * 3600
		settings := ffmpeg.Settings{Video: container.H264, Width: 64, Height: 64, Framerate: 25, Audio: container.AAC}
		f := newFloor(new(Studio), new(ffmpeg.Program), wire.Job{Kind: wire.Encode}, settings, new(desk))
		f.next, f.slot = seconds*25, seconds*50
		if at := f.due(f.next); at != time.Duration(seconds)*time.Second {
			t.Errorf("after %d h: the picture is at %v", hours, at)
		}
		if n := f.slots(f.due(f.next + 1)); n != 2 {
			t.Errorf("after %d h: %d slots of sound to a picture", hours, n)
		}
		settings.Video = ""
		f = newFloor(new(Studio), new(ffmpeg.Program), wire.Job{Kind: wire.Encode}, settings, new(desk))
		f.next, f.slot = seconds*50, seconds*50
		if at, n := f.due(f.next), f.slots(f.due(f.next+1)); at != time.Duration(seconds)*time.Second || n != 1 {
			t.Errorf("after %d h: %d slots to a step at %v", hours, n, at)
		}
	}
}

// A step ends, and has its sound encoded, after days as at the beginning.
func TestStepEndsAfterDays(t *testing.T) {
	program, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		newScript(t, wire.Job{}) // fails or skips
	}
	const steps = 50
	for _, hours := range []int64{54, 1000} {
		settings := ffmpeg.Settings{Audio: container.Opus, AudioBitrate: 64}
		f := newFloor(new(Studio), program, wire.Job{Kind: wire.Encode}, settings, new(desk))
		if f.encoder, err = program.Encode(settings); err != nil {
			t.Fatal(err)
		}
		f.next, f.slot = hours*3600*50, hours*3600*50
		done := make(chan error, 1)
		go func() {
			for range steps {
				if err := f.step(0, true); err != nil {
					done <- err
					return
				}
			}
			f.encoder.Finish()
			done <- nil
		}()
		var heard time.Duration
		for fr := range f.encoder.Frames() {
			if heard = max(heard, fr.At+20*time.Millisecond); heard > 2*time.Minute {
				f.encoder.Close()
				t.Fatalf("after %d h: steps do not end", hours)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := f.encoder.Wait(); err != nil {
			t.Error(err)
		}
		if want := steps * compose.SlotTime; heard < want-50*time.Millisecond || heard > want+50*time.Millisecond {
			t.Errorf("after %d h: %v were heard, want %v", hours, heard, want)
		}
	}
}

// While something of a track is missing that may still come, it is waited for.
func TestFloorWaitsForWhatIsMissing(t *testing.T) {
	s := new(Studio)
	s.donec, s.wakec = make(chan struct{}), make(chan struct{}, 1)
	f := newFloor(s, new(ffmpeg.Program), wire.Job{Kind: wire.Encode}, ffmpeg.Settings{Audio: container.AAC}, new(desk))
	f.voices[1] = new(voice)
	gap := func(track uint16, open bool, want time.Duration) {
		t.Helper()
		if err := s.Gap(track, open); err != nil {
			t.Fatal(err)
		}
		if _, err := f.takeAll(); err != nil {
			t.Fatal(err)
		}
		if got := f.lag.Wait(); got != want {
			t.Errorf("it waits %v, want %v", got, want)
		}
	}
	gap(2, true, leastLatency) // of which nothing is recorded
	gap(1, true, mostLatency)
	gap(1, false, leastLatency)
}
