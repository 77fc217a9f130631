package peer

import (
	"net/netip"
	"testing"
	"time"
)

func TestClientIsFollowedOnceItsOldAddressIsSilent(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	r := &rebound{now: func() time.Time { return now }}
	home, away := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.2:4000")
	var heard time.Time
	at := home
	steps := []struct {
		why      string
		after    time.Duration
		from     netip.AddrPort
		answered bool // by the old address, at that moment
		moves    bool
	}{
		{why: "nothing is known of the old address yet", from: away},
		{why: "the old address is checked", after: time.Second, from: home},
		{why: "it was heard of a moment ago", after: silence, from: away},
		{why: "it answers", after: time.Second, from: away, answered: true},
		{why: "it has answered", after: silence, from: away},
		{why: "it is silent", after: time.Millisecond, from: away, moves: true},
		{why: "media goes there already", after: time.Second, from: away},
		{why: "a straggler from before", after: time.Second, from: home},
		{why: "the client is back", after: silence, from: home, moves: true},
		{why: "just moved", after: silence, from: away},
	}
	for _, s := range steps {
		now = now.Add(s.after)
		if s.from == at {
			heard = now
		}
		if s.answered {
			heard = now
		}
		if got := r.checked(s.from, at, heard); got != s.moves {
			t.Fatalf("%s: moves %t", s.why, got)
		}
		if s.moves {
			at, heard = s.from, time.Time{}
		}
	}
}
