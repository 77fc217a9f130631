package ice

import (
	"bytes"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/stun"
)

const (
	// maxPairs is how many paths are known at a time, and how many candidates may
	// be told before Start.
	maxPairs = 64
	// maxFormer is how many sessions before the current one have their checks
	// answered.
	maxFormer = 4
)

// Path is a way to the client: a socket of ours and an address of its. Paths are
// compared with ==.
type Path interface {
	Addr() netip.AddrPort // the client's, unmapped
	Stream() bool         // TCP, RFC 6544
}

// Sender sends a STUN message on a path. It must not keep b, nor call the Agent.
type Sender interface {
	Send(p Path, b []byte)
}

// Credentials are one side's user name fragment and password.
type Credentials = stun.Credentials

// Options configure an Agent. The functions are called with its lock held, and
// must not call it.
type Options struct {
	Local       Credentials
	Lite        bool // we answer checks and make none
	Controlling bool // the role to begin with; those that make the offer have it

	// Paths returns the ways over UDP to an address of the client. A Lite agent
	// needs none.
	Paths func(netip.AddrPort) []Path
	// Selected says that a path was chosen: the first of a session, or another.
	Selected func(Path)
	// Heard returns when the client was heard on the chosen path, if the Agent is
	// not given what arrives there; zero if it was not. It may be nil.
	Heard func() time.Time
}

// Agent is our side of ICE for one client. Its methods may be called concurrently.
//
// A session of ICE begins with New, or with Restart, is started when the client's
// credentials are known, and searches until a path is chosen. The path stays in use
// while the next session searches.
type Agent struct {
	opts Options // immutable

	mu         sync.Mutex
	current    session     // mu guards
	former     []session   // mu guards; the latest last, none once there is a path
	started    bool        // mu guards
	remote     Credentials // mu guards
	remoteKey  stun.Key    // mu guards
	remoteLite bool        // mu guards
	asks       string      // mu guards; the user name of our checks

	controlling bool   // mu guards
	tieBreaker  uint64 // mu guards

	told     []candidate // mu guards; before Start
	pairs    []*pair     // mu guards
	nominee  *pair       // mu guards; the one that we nominate
	proposed time.Time   // mu guards; when that began
	answered bool        // mu guards

	path   Path          // mu guards; in use, of this session or the one before
	chosen *pair         // mu guards; of this session, nil while it searches
	since  time.Time     // mu guards; when it was chosen
	hold   time.Duration // mu guards; see follow
}

// session is what the client's checks belong to.
type session struct {
	local  Credentials
	key    stun.Key
	remote string // the client's user name fragment, empty if not known yet
}

// has says whether a check with the user name is of the session.
func (s *session) has(username []byte) bool {
	ours, theirs, ok := bytes.Cut(username, []byte(":"))
	return ok && string(ours) == s.local.Ufrag && (s.remote == "" || string(theirs) == s.remote)
}

// candidate is an address of the client's.
type candidate struct {
	addr     netip.AddrPort
	priority uint32
}

// New returns an Agent that answers checks, and waits for Start to make some.
func New(o Options) *Agent {
	a := &Agent{opts: o, controlling: o.Controlling && !o.Lite, tieBreaker: mathrand.Uint64(), hold: firstHold}
	a.current = session{local: o.Local, key: stun.NewKey(o.Local.Password)}
	return a
}

// Start begins to check with the client's credentials. With others than before it
// begins a session, as a client does that restarts ICE; with the same it does
// nothing. next is when Tick wants to be called, zero for never. As calls may be
// concurrent, a caller keeps the earliest that it was told, until that has come.
func (a *Agent) Start(remote Credentials, remoteLite bool, now time.Time, s Sender) (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started && remote == a.remote {
		return a.next()
	}
	if a.started {
		a.retire()
	}
	a.started, a.remote, a.remoteLite = true, remote, remoteLite
	a.remoteKey, a.asks = stun.NewKey(remote.Password), remote.Ufrag+":"+a.current.local.Ufrag
	a.current.remote = remote.Ufrag
	if remoteLite && !a.opts.Lite {
		a.controlling = true // RFC 8445 §6.1.1
	}
	told := a.told
	a.told = nil
	for _, c := range told {
		a.pairWith(c)
	}
	a.checkAll(now, s)
	return a.next()
}

// Restart begins a session with other credentials of ours. It is started when Start
// brings the client's.
func (a *Agent) Restart(local Credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retire()
	a.started = false
	a.current = session{local: local, key: stun.NewKey(local.Password)}
}

// retire ends the current session, whose checks are answered until the next one
// has a path: the client may not know of that yet.
func (a *Agent) retire() {
	if len(a.former) == maxFormer {
		a.former = append(a.former[:0], a.former[1:]...)
	}
	a.former = append(a.former, a.current)
	a.told, a.pairs, a.nominee = nil, nil, nil
	a.chosen, a.answered, a.hold = nil, false, firstHold
}

// AddCandidate tells of an address of the client's, over UDP, at any time. There
// is a bound for how many are kept. See Start for next.
func (a *Agent) AddCandidate(addr netip.AddrPort, priority uint32, now time.Time, s Sender) (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := candidate{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), priority}
	switch {
	case a.opts.Lite, !addr.IsValid(), a.chosen != nil:
		// Who has a path is told of another by a check on it.
	case a.started:
		known := len(a.pairs)
		a.pairWith(c)
		for _, p := range a.pairs[known:] {
			a.check(p, now, s)
		}
	case len(a.told) < maxPairs:
		a.told = append(a.told, c)
	}
	return a.next()
}

// Handle takes a STUN message that arrived for this client. What is not authentic
// is dropped. See Start for next.
func (a *Agent) Handle(b []byte, from Path, now time.Time, s Sender) (next time.Time) {
	m, ok := stun.Parse(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok {
		switch m.Kind {
		case stun.Request:
			a.handleCheck(b, &m, from, now, s)
		case stun.Success:
			a.handleSuccess(b, &m, from, now, s)
		case stun.Error:
			a.handleError(b, &m, from, now, s)
		}
	}
	return a.next()
}

// Tick sends again what is due. See Start for next.
func (a *Agent) Tick(now time.Time, s Sender) (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retransmit(now, s)
	return a.next()
}

// next is the earliest deadline.
func (a *Agent) next() (first time.Time) {
	for _, p := range a.pairs {
		if !p.due.IsZero() && (first.IsZero() || p.due.Before(first)) {
			first = p.due
		}
	}
	return first
}

// Session returns the credentials of both sides in the current session, and our role, as
// they are together.
func (a *Agent) Session() (local, remote Credentials, controlling bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current.local, a.remote, a.controlling
}

// Local returns our credentials in the current session.
func (a *Agent) Local() Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current.local
}

// Remote returns the client's credentials that Start was last called with.
func (a *Agent) Remote() Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remote
}

// Controlling says which role we have. It changes with Start, if the client is
// lite, and with Handle.
func (a *Agent) Controlling() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.controlling
}

// Path returns the path in use, nil before there is one.
func (a *Agent) Path() Path {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.path
}

// Reselect calls Selected once more, for who has let go of the path in use. There may
// be none.
func (a *Agent) Reselect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.path != nil {
		a.opts.Selected(a.path)
	}
}

// Answered says whether a check of this session was answered, so that the client
// may take the connection for up (RFC 8445 §7.2.5.3).
func (a *Agent) Answered() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answered
}

// Searching says that no path was chosen in this session yet.
func (a *Agent) Searching() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chosen == nil
}
