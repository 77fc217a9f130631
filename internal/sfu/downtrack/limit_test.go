package downtrack

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestPauseAndStarvationAreUndoneEachByItself(t *testing.T) {
	inWorld(t, 20, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		w.run(time.Second)
		w.down.SetStarved(true)
		w.down.SetPaused(true)
		w.down.SetPaused(false)
		w.run(100 * time.Millisecond)
		n := w.viewer.frames
		w.run(time.Second)
		w.viewer.wantStill(n, "starved")
		w.down.SetPaused(true)
		w.down.SetStarved(false)
		w.run(time.Second)
		w.viewer.wantStill(n, "paused")
		w.down.SetPaused(false)
		w.run(time.Second)
		w.viewer.wantPlaying(2, "neither")
	})
}

func TestTheLowerOfBothCapsCounts(t *testing.T) {
	inWorld(t, 21, simulcast, func(t *testing.T, w *world) {
		w.down.Bind(w.bind)
		for _, c := range []struct{ wish, allotted, want int }{{2, 1, 1}, {0, 1, 0}, {1, 2, 1}, {2, 2, 2}} {
			w.down.SetMaxLayer(c.wish)
			w.down.SetAllotted(c.allotted)
			w.run(2 * time.Second)
			w.viewer.wantPlaying(c.want, "under both caps")
			if missed := w.down.Stats().Missed; missed != c.wish-c.want {
				t.Fatalf("%d layers missed with %+v", missed, c)
			}
		}
	})
}

func TestFlowIsToldAfterEachBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 22, simulcast...)
		defer w.close()
		flows := 0
		w.down = New(Options{Source: w.up, OnFlow: func() { flows++ }})
		w.down.Bind(w.bind)
		if flows != 0 {
			t.Fatal("flows before anything was sent")
		}
		for want := 1; want <= 3; want++ {
			w.run(2 * time.Second)
			w.down.SetMaxLayer(want % 3)
			w.run(2 * time.Second)
			if flows != want {
				t.Fatalf("told %d times, want %d", flows, want)
			}
			w.down.SetStarved(true)
			w.down.SetStarved(false)
		}
	})
}

// Everything that a client sees, padding and retransmissions too, has room for
// the number of its connection.
func TestPacketsHaveRoomForTheTransportsNumber(t *testing.T) {
	inWorld(t, 23, []string{""}, func(t *testing.T, w *world) {
		w.dnlink.setLoss(0.1)
		stamped := &stamper{viewer: w.viewer}
		w.bind.Writer, w.bind.SequenceExt = stamped, 5
		w.down.Bind(w.bind)
		w.run(3 * time.Second)
		w.down.Pad(2000)
		w.run(time.Second)
		if stamped.packets == 0 || stamped.without > 0 {
			t.Fatalf("%d of %d packets have none", stamped.without, stamped.packets)
		}
		if w.viewer.resent == 0 || w.viewer.padding != 2000/padPacket+1 {
			t.Fatalf("%d sent again, %d packets of padding", w.viewer.resent, w.viewer.padding)
		}
		w.viewer.wantPlaying(0, "with numbers")
	})
}

type stamper struct {
	*viewer
	packets, without int
}

func (s *stamper) WriteRTP(h *rtp.Header, payload []byte, _ uptrack.Batch) (int, error) {
	s.packets++
	if len(h.GetExtension(5)) != 2 {
		s.without++
	}
	return s.viewer.WriteRTP(h, payload, nil)
}

func TestNoPaddingWithoutRetransmissions(t *testing.T) {
	inWorld(t, 24, []string{""}, func(t *testing.T, w *world) {
		if n := w.down.Pad(1000); n != 0 {
			t.Errorf("%d bytes while unbound", n)
		}
		w.bind.RTXSSRC = 0
		w.down.Bind(w.bind)
		if n := w.down.Pad(1000); n != 0 {
			t.Errorf("%d bytes without RTX", n)
		}
	})
}
