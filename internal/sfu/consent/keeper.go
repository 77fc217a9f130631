package consent

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Expiry is how long consent lasts after the client has given it, RFC 7675
	// §5.1.
	Expiry = 30 * time.Second

	// MaxReply is the longest answer to a check, in bytes: with an IPv6 address.
	MaxReply = headerSize + 24 + 24 + 8

	// maxMessage is the longest check that is looked at. Names have up to 256
	// characters each (RFC 8839 §5.4).
	maxMessage = 1024

	// maxPending is how many of our checks may be under way. The oldest is lost
	// then.
	maxPending = 8

	// priority is that of a peer-reflexive candidate of one component with nothing
	// preferred, RFC 8445 §5.1.2.1.
	priority = 110<<24 | 65535<<8 | 255
)

// Credentials are one side's user name fragment and password.
type Credentials struct{ Ufrag, Password string }

// Keeper keeps one path of one ICE session. Its methods may be called
// concurrently.
type Keeper struct {
	// immutable
	remoteUfrag      string
	asked, asks      string // user names of the client's checks, and of ours
	local, remote    key
	tieBreaker       uint64
	start            time.Time
	controls         atomic.Bool  // we have the controlling role
	heard, consented atomic.Int64 // when, in ns since start

	mu      sync.Mutex
	pending [maxPending]transaction // mu guards
	next    int                     // mu guards
}

type transaction [idSize]byte

// New returns a Keeper of a path that was checked at that time.
func New(local, remote Credentials, controls bool, now time.Time) *Keeper {
	k := &Keeper{
		remoteUfrag: remote.Ufrag,
		asked:       local.Ufrag + ":" + remote.Ufrag, asks: remote.Ufrag + ":" + local.Ufrag,
		local: newKey(local.Password), remote: newKey(remote.Password),
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

// Take takes a STUN message that came from where media goes. It reports false
// if it is not for it, and the agent must see it: another session, not authentic,
// a conflict of roles, no answer to one of our checks, no check at all. The answer
// to a check is written into room, which has MaxReply bytes; n is its length, 0 if
// there is nothing to answer.
func (k *Keeper) Take(b []byte, from netip.AddrPort, room []byte, now time.Time) (n int, ok bool) {
	m, ok := parse(b)
	if !ok {
		return 0, false
	}
	switch m.kind {
	case typeRequest:
		conflict := m.controlling && k.controls.Load() || m.controlled && !k.controls.Load()
		if conflict || string(m.username) != k.asked || !m.authentic(b, &k.local) {
			return 0, false
		}
		w := writer{b: room}
		w.begin(typeSuccess, m.id)
		w.xorMapped(from)
		n = w.end(&k.local)
	case typeSuccess:
		if !m.authentic(b, &k.remote) || !k.settle(transaction(m.id)) {
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
func (k *Keeper) CheckSize() int { return headerSize + 4 + (len(k.asks)+3)&^3 + 8 + 12 + 24 + 8 }

// Check writes a check of ours into room, which has CheckSize bytes.
func (k *Keeper) Check(room []byte) int {
	var id transaction
	_, _ = rand.Read(id[:]) // it never fails
	k.mu.Lock()
	k.pending[k.next%maxPending] = id
	k.next++
	k.mu.Unlock()

	w := writer{b: room}
	w.begin(typeRequest, id[:])
	copy(w.attribute(attrUsername, len(k.asks)), k.asks)
	role := uint16(attrControlled)
	if k.controls.Load() {
		role = attrControlling
	}
	binary.BigEndian.PutUint64(w.attribute(role, 8), k.tieBreaker)
	binary.BigEndian.PutUint32(w.attribute(attrPriority, 4), priority)
	return w.end(&k.remote)
}

// settle forgets one of our checks, and reports whether there was such a one.
func (k *Keeper) settle(id transaction) bool {
	if id == (transaction{}) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.pending {
		if k.pending[i] == id {
			k.pending[i] = transaction{}
			return true
		}
	}
	return false
}
