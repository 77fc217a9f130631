package peer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/consent"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// finding is what a vigil says of a connection.
type finding int32

const (
	pathAlive  finding = iota
	pathSilent         // nothing was heard for DisconnectedTimeout
	pathLost           // for FailedTimeout more, or consent has expired; until an ICE restart
)

// vigil watches over a connection in the place of pion's agent, whose timers and
// goroutines would wake up for each check: the checks of the path that ICE has
// chosen are answered where they are read, and ours are made in the factory's
// rounds.
type vigil struct {
	disconnected, failed time.Duration // immutable
	lite                 bool          // immutable after open: we make no checks

	keeper  atomic.Pointer[consent.Keeper] // of the chosen path, nil before
	aligned *consent.Keeper                // that for which align was called; rounds only
	found   atomic.Int32                   // finding; changes under mu

	mu      sync.Mutex
	sought  string    // mu guards; the client's user name fragment of this search
	seeking time.Time // mu guards; when ICE began to look for a path, zero if it has one
}

// seek says with what user name fragments the client has described itself. A new
// one has ICE look for a path.
func (v *vigil) seek(ufrags []string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(ufrags) == 0 || v.sought != "" && slices.Contains(ufrags, v.sought) {
		return
	}
	v.sought, v.seeking = ufrags[0], now
	v.found.Store(int32(pathAlive))
}

// restart says that ICE begins anew with other credentials of ours; the client's
// follow.
func (v *vigil) restart(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sought, v.seeking = "", now
	v.found.Store(int32(pathAlive))
}

// search names the search for a path that is the last.
func (v *vigil) search() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sought
}

// keep begins to watch over a path that ICE has chosen.
func (v *vigil) keep(k *consent.Keeper) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sought != "" && v.sought != k.RemoteUfrag() {
		return // a restart has overtaken it
	}
	v.keeper.Store(k)
	v.sought, v.seeking = k.RemoteUfrag(), time.Time{}
	v.found.Store(int32(pathAlive))
}

// take gives the keeper a STUN message from the chosen path. back says that the
// client was silent before it.
func (v *vigil) take(b []byte, path *transport.Path, batch *transport.Batch) (ok, back bool) {
	k := v.keeper.Load()
	if k == nil {
		return false, false
	}
	n, ok := k.Take(b, path.Addr(), batch.Reserve(consent.MaxReply), time.Now())
	if !ok {
		return false, false
	}
	if n > 0 {
		batch.Add(path, n)
	}
	return true, finding(v.found.Load()) == pathSilent && v.found.CompareAndSwap(int32(pathSilent), int32(pathAlive))
}

// look looks after the connection. It returns the keeper of whom a check is due,
// and whether the finding has changed.
func (v *vigil) look(now time.Time) (due *consent.Keeper, changed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, is := finding(v.found.Load()), pathAlive
	k := v.keeper.Load()
	switch {
	case was == pathLost:
		return nil, false
	case !v.seeking.IsZero():
		if now.Sub(v.seeking) > v.disconnected+v.failed {
			is = pathLost
		}
	case k == nil:
		return nil, false
	default:
		quiet := now.Sub(k.Heard())
		switch {
		case quiet > v.disconnected+v.failed, !v.lite && now.Sub(k.Consented()) > consent.Expiry:
			is = pathLost
		case quiet > v.disconnected:
			is = pathSilent
		}
	}
	v.found.Store(int32(is))
	if k == nil || v.lite || is == pathLost {
		return nil, is != was
	}
	return k, is != was
}

// adjust is the state of a connection of which pion knows s.
func (v *vigil) adjust(s State) State {
	if s < Connecting || s > Connected {
		return s
	}
	switch finding(v.found.Load()) {
	case pathSilent:
		return Disconnected
	case pathLost:
		return Failed
	}
	return s
}

// heard returns when the client was last heard of on the chosen path, zero before
// there is one.
func (v *vigil) heard() time.Time {
	if k := v.keeper.Load(); k != nil {
		return k.Heard()
	}
	return time.Time{}
}

// watch begins to keep the path that ICE has chosen. It is a task.
func (c *conn) watch() error {
	ice := c.pc.SCTP().Transport().ICETransport()
	ours, err := ice.GetLocalParameters()
	if err != nil {
		return err
	}
	theirs, err := ice.GetRemoteParameters()
	if err != nil {
		return err
	}
	c.vigil.keep(consent.New(
		consent.Credentials{Ufrag: ours.UsernameFragment, Password: ours.Password},
		consent.Credentials{Ufrag: theirs.UsernameFragment, Password: theirs.Password},
		c.controls(), time.Now(),
	))
	return nil
}

// check takes a STUN message from the chosen path, see transport.Handler.
func (c *conn) check(b []byte, path *transport.Path, batch *transport.Batch) bool {
	ok, back := c.vigil.take(b, path, batch)
	if back {
		_ = c.queue.post(c.updateState)
	}
	return ok
}

// visit is the connection's part of a round.
func (c *conn) visit(now time.Time, batch *transport.Batch) {
	k, changed := c.vigil.look(now)
	if changed {
		_ = c.queue.post(c.updateState)
	}
	path := c.packets.link.Path()
	if k == nil || path == nil {
		return
	}
	batch.Add(path, k.Check(batch.Reserve(k.CheckSize())))
	if c.vigil.aligned != k {
		c.vigil.aligned = k
		_ = c.queue.post(func() { _ = c.align() }) // it is for economy only
	}
}

// align has pion's agent begin a period of its timer now. That goes off every two
// seconds, whatever there is to do; those of a round go off together, and wake the
// process once. A new candidate does it, which for agents that open no TCP connections
// is none to try.
func (c *conn) align() error {
	return c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype passive"})
}
