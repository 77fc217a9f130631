package consent

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const (
	// Expiry is how long consent lasts after the client has given it, RFC 7675
	// §5.1.
	Expiry = 30 * time.Second

	// MaxReply is the longest answer to a check, in bytes: with an IPv6 address.
	MaxReply = stun.MaxReply

	// maxPending is how many of our checks may be under way. The oldest is lost
	// then.
	maxPending = 8

	// rttWeight is the part that a round trip has in the smoothed one, the inverse of it.
	rttWeight = 4

	// maxRTT bounds what one answer counts: a network that held it back for long, as
	// those of phones that sleep do, would be remembered for longer.
	maxRTT = 2 * time.Second
)

// Credentials are one side's user name fragment and password.
type Credentials = stun.Credentials

// check is a check of ours that was not answered yet. Each is sent once and has an id of
// its own, so that an answer tells when it was asked for.
type check struct {
	id   stun.ID // zero: none
	sent int64   // in ns since start
}

// Keeper keeps one path of one ICE session. Its methods may be called
// concurrently.
type Keeper struct {
	// immutable
	remoteUfrag      string
	asked, asks      string // user names of the client's checks, and of ours
	local, remote    stun.Key
	tieBreaker       uint64
	start            time.Time
	controls         atomic.Bool  // we have the controlling role
	heard, consented atomic.Int64 // when, in ns since start
	rtt              atomic.Int64 // in ns, 0 = unknown; changes under mu

	mu      sync.Mutex
	pending [maxPending]check // mu guards
	next    int               // mu guards
}

// New returns a Keeper of a path that was checked at that time.
func New(local, remote Credentials, controls bool, now time.Time) *Keeper {
	k := &Keeper{
		remoteUfrag: remote.Ufrag,
		asked:       local.Ufrag + ":" + remote.Ufrag, asks: remote.Ufrag + ":" + local.Ufrag,
		local: stun.NewKey(local.Password), remote: stun.NewKey(remote.Password),
		tieBreaker: mathrand.Uint64(), start: now,
	}
	k.controls.Store(controls)
	return k
}

// RemoteUfrag is the client's user name fragment.
func (k *Keeper) RemoteUfrag() string { return k.remoteUfrag }

// SetRole says which role we have: it changes if both sides had begun with the
// same.
func (k *Keeper) SetRole(controls bool) { k.controls.Store(controls) }

// Heard returns when an authentic check or answer came last, at the beginning
// the time of New.
func (k *Keeper) Heard() time.Time { return k.start.Add(time.Duration(k.heard.Load())) }

// Consented returns when one of our checks was answered last, at the beginning
// the time of New.
func (k *Keeper) Consented() time.Time { return k.start.Add(time.Duration(k.consented.Load())) }

// RTT returns the round trip time of our checks, smoothed; 0 before one was answered,
// and for ever if none is made.
func (k *Keeper) RTT() time.Duration { return time.Duration(k.rtt.Load()) }

// Take takes a STUN message that came from where media goes. It reports false
// if it is not for it, and the agent must see it: another session, not authentic,
// a conflict of roles, no answer to one of our checks, no check at all. The answer
// to a check is written into room, which has MaxReply bytes; n is its length, 0 if
// there is nothing to answer.
func (k *Keeper) Take(b []byte, from netip.AddrPort, room []byte, now time.Time) (n int, ok bool) {
	m, ok := stun.Parse(b)
	if !ok {
		return 0, false
	}
	switch m.Kind {
	case stun.Request:
		conflict := m.Controlling && k.controls.Load() || m.Controlled && !k.controls.Load()
		if conflict || string(m.Username) != k.asked || !m.Authentic(b, &k.local) {
			return 0, false
		}
		var w stun.Writer
		w.Begin(room, stun.Success, m.ID)
		w.XORMapped(from)
		n = w.End(&k.local)
	case stun.Success:
		if !m.Authentic(b, &k.remote) || !k.settle(stun.ID(m.ID), now) {
			return 0, false
		}
		k.consented.Store(int64(now.Sub(k.start)))
	default:
		return 0, false
	}
	k.heard.Store(int64(now.Sub(k.start)))
	return n, true
}

// CheckSize is how long a check of ours is, in bytes.
func (k *Keeper) CheckSize() int {
	return stun.CheckSize(k.asks)
}

// Check writes a check of ours, which is sent now, into room, which has CheckSize bytes.
func (k *Keeper) Check(room []byte, now time.Time) int {
	var id stun.ID
	_, _ = rand.Read(id[:]) // it never fails
	k.mu.Lock()
	k.pending[k.next%maxPending] = check{id, int64(now.Sub(k.start))}
	k.next++
	k.mu.Unlock()

	var w stun.Writer
	w.BeginCheck(room, id, k.asks, k.controls.Load(), k.tieBreaker, stun.ReflexivePriority)
	return w.End(&k.remote)
}

// settle forgets one of our checks, which was answered, and reports whether there was
// such a one.
func (k *Keeper) settle(id stun.ID, now time.Time) bool {
	if id == (stun.ID{}) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.pending {
		if c := &k.pending[i]; c.id == id {
			k.measured(int64(now.Sub(k.start)) - c.sent)
			*c = check{}
			return true
		}
	}
	return false
}

// measured takes a round trip, in ns. mu is held.
func (k *Keeper) measured(rtt int64) {
	rtt = min(max(rtt, 1), int64(maxRTT))
	if before := k.rtt.Load(); before != 0 {
		rtt = before + (rtt-before)/rttWeight
	}
	k.rtt.Store(rtt)
}
