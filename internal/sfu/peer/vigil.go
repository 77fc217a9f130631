package peer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

// vigil watches over a connection: the checks of the path that ICE has chosen are
// answered where they are read, and ours are made in the factory's rounds. ICE itself
// has nothing more to do then.
type vigil struct {
	disconnected, failed time.Duration // immutable
	lite                 bool          // immutable after open: we make no checks

	keeper atomic.Pointer[consent.Keeper] // of the chosen path, nil before
	found  atomic.Int32                   // finding; changes under mu

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
		path.Claim() // if somebody else has named our client's address meanwhile
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

// searched returns for how long a path was looked for by now, zero if there is one.
func (v *vigil) searched(now time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seeking.IsZero() {
		return 0
	}
	return now.Sub(v.seeking)
}

// ifLost calls f if the path is lost still, and reports whether. It is not kept again
// meanwhile.
func (v *vigil) ifLost(f func()) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	lost := finding(v.found.Load()) == pathLost
	if lost {
		f()
	}
	return lost
}

// adjust is the state of a connection of which ICE and DTLS know s.
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

// rtt is the round trip time to the client as our checks measure it: with or without
// media, and whether any of it is lost. It is 0 while it is unknown, and always with
// ICE-lite, which makes no checks; what media tells must do then.
func (v *vigil) rtt() time.Duration {
	if k := v.keeper.Load(); k != nil {
		return k.RTT()
	}
	return 0
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
	batch.Add(path, k.Check(batch.Reserve(k.CheckSize()), now))
}
