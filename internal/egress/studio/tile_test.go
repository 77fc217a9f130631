package studio

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/egress/compose"
	"github.com/rollcall-rtc/rollcall/internal/egress/container"
	"github.com/rollcall-rtc/rollcall/internal/egress/ffmpeg"
)

// scripted is a decoder of which a picture comes when the test gives one.
type scripted struct {
	given    []time.Duration // frames
	pictures chan ffmpeg.Decoded
	closed   bool
}

func (s *scripted) Submit(at time.Duration, _ []byte) bool {
	s.given = append(s.given, at)
	return true
}
func (s *scripted) Pictures() <-chan ffmpeg.Decoded { return s.pictures }
func (s *scripted) Recycle(ffmpeg.Decoded)          {}
func (s *scripted) End()                            {}
func (s *scripted) Close()                          { s.closed = true }

// give has the picture of a frame come.
func (s *scripted) give(at time.Duration) {
	s.pictures <- ffmpeg.Decoded{At: at, Picture: &compose.Picture{Width: 2, Height: 2}}
}

// soon is until when a picture is waited for.
func soon() time.Time { return time.Now().Add(decodePatience) }

// newScripted makes a tile that is shown, and notes its decoders and how often a key
// frame was asked for.
func newScripted() (t *tile, made *[]*scripted, wanted *int) {
	made, wanted = new([]*scripted), new(int)
	t = &tile{codec: container.VP8, want: func() { *wanted++ }, decode: func(container.Codec, int, int, bool) (decoder, error) {
		s := &scripted{pictures: make(chan ffmpeg.Decoded, 9)}
		*made = append(*made, s)
		return s, nil
	}}
	t.show(2, 2, false)
	return t, made, wanted
}

// A machine that is too slow leaves frames out while a decoder is behind. If what it
// was given gives no picture, as a frame that is not shown, it is not behind for good.
func TestTileGoesOnAfterAFrameWithoutAPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tile, made, wanted := newScripted()
		const step = time.Second / 30
		frame := func(at time.Duration, key bool) {
			t.Helper()
			if err := tile.frame(at, key, nil); err != nil {
				t.Fatal(err)
			}
		}
		frame(0, true)
		first := (*made)[0]
		first.give(0)
		tile.advance(0, soon())
		tile.hurry = true
		shown := tile.current
		frame(step, false) // of which nothing comes
		var at time.Duration
		for at = 40 * step; at < 60*time.Second && *wanted == 0; at += step {
			frame(at, false)
			tile.advance(at, soon())
			time.Sleep(step)
		}
		if at < 40*step+maxMissed || *wanted == 0 || tile.current != shown || len(first.given) != 2 {
			t.Fatalf("after %v %d key frames are asked for, and the decoder has %v", at, *wanted, first.given)
		}
		frame(at, false)
		frame(at+step, true)
		if len(*made) != 2 {
			t.Fatalf("%d decoders", len(*made))
		}
		second := (*made)[1]
		second.give((at + step).Truncate(time.Millisecond))
		tile.advance(at+step, soon())
		if !first.closed || tile.current == shown || len(second.given) != 1 {
			t.Errorf("the first is closed: %v; the second has %v", first.closed, second.given)
		}
	})
}

// One that is slow, but gives pictures, goes on with the next key frame.
func TestSlowDecoderKeepsItsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tile, made, wanted := newScripted()
		const step = 100 * time.Millisecond
		for n := range 12 {
			if err := tile.frame(time.Duration(n)*step, n == 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		tile.hurry = true
		d := (*made)[0]
		at := 12 * step
		for n := range 12 {
			if err := tile.frame(at, false, nil); err != nil {
				t.Fatal(err)
			}
			tile.advance(at, soon())
			time.Sleep(maxMissed - step)
			at += maxMissed - step
			d.give(time.Duration(n) * step)
			tile.advance(at, soon())
		}
		if *wanted != 0 || len(d.given) != 12 {
			t.Errorf("%d key frames are asked for, it has %v", *wanted, d.given)
		}
		for _, key := range []bool{false, true, false} {
			if err := tile.frame(at, key, nil); err != nil {
				t.Fatal(err)
			}
		}
		if *wanted != 1 || len(d.given) != 14 || len(*made) != 1 {
			t.Errorf("%d key frames are asked for, it has %v of %d", *wanted, d.given, len(*made))
		}
	})
}
