package peer

import (
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// silence is how long nothing comes from where a client was before it counts as
// having moved: longer than the pause between our checks and those of most clients.
const silence = 3 * time.Second

// rebound finds out that a client is at another address without knowing it: a
// router on the way has forgotten its table, and begun a new one. The client sees
// its checks answered and does nothing; what we send goes nowhere. ICE has no rule
// for that, so pion would wait until the connection fails. The agent's goroutine
// owns it.
type rebound struct {
	now func() time.Time // immutable

	at   netip.AddrPort // where media goes
	seen time.Time      // when that began
	pair checkedPair    // the newest that was checked there, nil before
}

// checkedPair is what a rebound asks of pion's candidate pairs.
type checkedPair interface {
	LastRequestReceivedAt() time.Time
	LastResponseReceivedAt() time.Time
}

// checked takes a check, authentic as pion has found, that came from an address
// while media goes to another or the same. It reports whether media should go there
// from now on.
func (r *rebound) checked(from, at netip.AddrPort, pair checkedPair) bool {
	now := r.now()
	if at != r.at {
		r.at, r.seen, r.pair = at, now, nil
	}
	if from == at {
		r.pair = pair
		return false
	}
	last := r.seen
	if r.pair != nil {
		for _, t := range []time.Time{r.pair.LastRequestReceivedAt(), r.pair.LastResponseReceivedAt()} {
			if t.After(last) {
				last = t
			}
		}
	}
	return now.Sub(last) > silence
}

// followRebound has c's media follow a client that is at another address.
func (c *conn) followRebound(e *webrtc.SettingEngine) {
	r := &rebound{now: time.Now}
	e.SetICEBindingRequestHandler(func(_ *stun.Message, _, remote ice.Candidate, pair *ice.CandidatePair) bool {
		path := c.packets.link.Path()
		ip, err := netip.ParseAddr(remote.Address())
		if path == nil || err != nil || remote.TCPType() != ice.TCPTypeUnspecified || !settled(c.pc.ICEConnectionState()) {
			return false
		}
		return r.checked(netip.AddrPortFrom(ip.Unmap(), uint16(remote.Port())), path.Addr(), pair)
	})
}

// settled says whether ICE has chosen a path, and nothing is looking for another.
func settled(s webrtc.ICEConnectionState) bool {
	switch s {
	case webrtc.ICEConnectionStateConnected, webrtc.ICEConnectionStateCompleted, webrtc.ICEConnectionStateDisconnected:
		return true
	}
	return false
}
