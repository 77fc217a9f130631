package client

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// crowd is a hall in which senders have many streams open.
type crowd struct {
	*hall
	mu   sync.Mutex
	ends map[string]error // mu guards; of the streams that have ended, by id
	lost int              // mu guards
}

func inCrowd(t *testing.T, test func(c *crowd)) {
	inHall(t, func(h *hall) {
		c := &crowd{hall: h, ends: map[string]error{}}
		h.room.HandleText("chat", func(s *StreamReader) {
			_, err := io.ReadAll(s)
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.ends[s.Info().ID] = err; errors.Is(err, ErrStreamLost) {
				c.lost++
			}
		})
		test(c)
	})
}

// begins opens streams from first to last of somebody.
func (c *crowd) begins(sid string, first, last int) {
	for i := first; i <= last; i++ {
		m := header()
		m.GetStreamHeader().StreamId = fmt.Sprint(sid, "/", i)
		c.getsAs(sid, sid, m)
	}
}

// finishes ends a stream in order.
func (c *crowd) finishes(sid string, i int) {
	c.getsAs(sid, sid, &livekit.DataPacket{Value: &livekit.DataPacket_StreamTrailer{
		StreamTrailer: &livekit.DataStream_Trailer{StreamId: fmt.Sprint(sid, "/", i)},
	}})
}

// wantWhole checks that a stream has ended in order.
func (c *crowd) wantWhole(sid string, i int) {
	c.t.Helper()
	c.finishes(sid, i)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err, ended := c.ends[fmt.Sprint(sid, "/", i)]; !ended || err != nil {
		c.t.Errorf("stream %d of %s: ended %t, %v", i, sid, ended, err)
	}
}

func (c *crowd) wantLost(n int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != n {
		c.t.Errorf("%d streams are lost, want %d", c.lost, n)
	}
}

func TestWhoOpensManyStreamsKeepsNobodyOut(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		for _, sid := range []string{"PA_mallory", "PA_1", "PA_2"} {
			c.update(sid, sid, livekit.ParticipantInfo_ACTIVE)
		}
		c.begins("PA_mallory", 1, maxStreams)
		c.wantLost(0) // alone she may have all of them
		c.begins("PA_mallory", maxStreams+1, maxStreams+10)
		c.wantLost(0)
		c.begins("PA_1", 1, 10)
		c.begins("PA_2", 1, 10)
		c.wantLost(20)
		if n := len(c.room.streams.open); n != maxStreams {
			t.Errorf("%d streams are open", n)
		}
		for i := 1; i <= 10; i++ {
			c.wantWhole("PA_1", i)
			c.wantWhole("PA_2", i)
		}
		// What she began first is hers, what she began last made way.
		for i := 1; i <= maxStreams-20; i++ {
			c.wantWhole("PA_mallory", i)
		}
		c.wantLost(20)
		if len(c.room.streams.open)+len(c.room.streams.of) > 0 {
			t.Errorf("%d are still open, of %v", len(c.room.streams.open), c.room.streams.of)
		}
	})
}

func TestStreamsAreSharedEvenlyByWhoWantsMany(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		senders := []string{"PA_1", "PA_2", "PA_3", ""} // the last is hidden
		for _, sid := range senders[:3] {
			c.update(sid, sid, livekit.ParticipantInfo_ACTIVE)
		}
		for _, sid := range senders {
			c.begins(sid, 1, maxStreams)
		}
		for _, sid := range senders {
			if n := c.room.streams.of[sid]; n != maxStreams/len(senders) {
				t.Errorf("%q has %d streams", sid, n)
			}
		}
	})
}
