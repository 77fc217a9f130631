package peer

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/rtpstats"
)

// A wall clock that jumps is not to be had in a test: what counts is that times of
// media follow the other one.
func TestTimesOfMediaGoByTheMonotonicClock(t *testing.T) {
	c := newClock()
	first := c.now()
	for range 100 {
		later := c.now()
		wall, monotonic := later.Round(0).Sub(first.Round(0)), later.Sub(first)
		if wall != monotonic || monotonic < 0 {
			t.Fatalf("%v passed on the wall, %v in truth", wall, monotonic)
		}
	}
	sent := rtpstats.NTP(first)
	if rtt, ok := rtpstats.RTT(first.Add(40*time.Millisecond), uint32(sent>>16), 0); !ok || rtt < 39*time.Millisecond || rtt > 41*time.Millisecond {
		t.Errorf("round trip %v, %v", rtt, ok)
	}
}
