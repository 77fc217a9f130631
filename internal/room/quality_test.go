package room

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

func TestQualityIsToldWhenItIsNewOrChanges(t *testing.T) {
	inBubble(t, Options{}, func(tc *test) {
		alice, bob := tc.enter("demo", "alice"), tc.enter("demo", "bob")
		stranger := joinOf("demo", "stranger")
		stranger.AutoSubscribe = false
		carol := tc.accept(stranger)
		carol.transport(peer.Connected)
		alice.publishCamera()
		for _, c := range []*client{alice, bob, carol} {
			c.heard()
		}
		sleep(qualityInterval)
		counts := `room participants=3 publishers=1 metadata=""`
		alice.wantHeard("her own; bob publishes nothing", counts, "quality alice=EXCELLENT")
		bob.wantHeard("his own and that of whom he receives", counts, "quality alice=EXCELLENT bob=EXCELLENT")
		carol.wantHeard("her own; she receives nobody", counts, "quality stranger=EXCELLENT")
		sleep(time.Minute)
		bob.wantHeard("nothing changed")
		alice.transport(peer.Disconnected)
		sleep(qualityInterval)
		bob.wantHeard("alice is cut off", "quality alice=LOST")
		alice.transport(peer.Connected)
		sleep(qualityInterval)
		bob.wantHeard("alice is back", "quality alice=EXCELLENT")
	})
}

func TestLossCountsWhatCameOnlyBecauseItWasAskedFor(t *testing.T) {
	at := func(received, missing, recovered int) (c counts) {
		c.add(uptrack.LayerStats{Packets: uint64(received), Lost: int64(missing), Recovered: uint64(recovered)})
		return c
	}
	for _, c := range []struct {
		what          string
		before, after counts
		want          float64
	}{
		{"nothing lost", at(50, 0, 0), at(150, 0, 0), 0},
		{"one in five missing", at(50, 0, 0), at(130, 20, 0), 0.2},
		{"one in five, all of it sent again", at(50, 0, 0), at(150, 0, 20), 0.2},
		{"missing before, sent again since", at(40, 10, 0), at(150, 0, 10), 0},
		{"nothing came", at(50, 0, 0), at(50, 0, 0), 0},
		{"a stream that began anew", at(50, 10, 0), at(20, 0, 0), 0},
	} {
		if got := c.after.loss(c.before); got != c.want {
			t.Errorf("%s: loss %.2f, want %.2f", c.what, got, c.want)
		}
	}
}
