package room

import (
	"testing"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
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
