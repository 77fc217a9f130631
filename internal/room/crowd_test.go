package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// deaf is the sink of a client that nobody reads the messages of.
type deaf struct{}

func (deaf) Send(*Message) {}
func (deaf) Close()        {}

// BenchmarkQuality is what a room does at once, every five seconds, while nobody sends.
func BenchmarkQuality(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := Options{}.withDefaults()
			s := newState(newRoom("demo", "RM_demo"), &o, &livekit.Room{}, time.Now())
			for i := range n {
				j := joinOf("demo", fmt.Sprint(i))
				j.SinglePC = true
				s.add(&participant{
					state: s, sid: fmt.Sprint("PA_", i), identity: j.Identity, req: j, permission: j.Permission, log: s.log,
					joined: true, sink: deaf{}, pubState: peer.Connected,
				})
			}
			for b.Loop() {
				s.qualityDue = s.now
				s.tickQuality()
				s.events = nil
			}
		})
	}
}
