package peer

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// events are what both kinds of handler have in common.
type events interface {
	state(State)
	data(kind DataKind, label string, payload []byte)
	failed(err error)
}

// conn is what Publisher and Subscriber have in common.
type conn struct {
	// immutable
	factory *Factory
	log     *slog.Logger
	events  events
	queue   *queue
	donec   chan struct{}
	endingc chan struct{} // closed when teardown begins
	fullICE bool
	tcpOnly bool
	own     *transport.Mux // ports of its own, nil if it shares one

	packets packets
	finder  finder
	shake   shake
	vigil   vigil
	tally   tally
	told    told
	route   atomic.Pointer[Route] // nil before ICE has chosen, and after the end

	// tasks only
	session  uint64 // the id of our descriptions
	version  uint64 // of the next one
	visited  bool   // in the rounds
	known    bool   // the client has described itself
	state    State
	waiting  []remoteCandidate // for the description they belong to
	accepted int               // candidates since the last description
	ufrags   []string          // of the client's last description

	complained bool // the log knows that there is no path; tasks only

	onConnected func()
	onPath      func() // each time that ICE is seen to have a path; may be nil
	onClosed    func() // by anybody

	out  dataOut
	gate *dataGate // immutable

	stopped atomic.Bool
	ending  sync.Once
	shaken  sync.Once
	wasUp   atomic.Bool // the handshake was completed, and nobody was told yet
	turn    sync.Mutex  // held while a handler method runs
	readers readers
}

func (c *conn) init(f *Factory, log *slog.Logger, e events) error {
	if log == nil {
		log = f.opts.Logger
	}
	c.factory, c.log, c.events = f, log, e
	c.queue, c.donec = newQueue(), make(chan struct{})
	c.endingc = make(chan struct{})
	c.gate = newDataGate(f.opts.DataLimit, time.Now())
	c.vigil.disconnected, c.vigil.failed = f.opts.DisconnectedTimeout, f.opts.FailedTimeout
	c.packets.init(f.sharedMux(c), f.streams)
	c.packets.intake = newIntake(f.opts.MediaBits, c.sendsTooMuch, time.Now())
	c.packets.checks, c.packets.records = c.check, c.shake.arrive
	c.packets.data.init(c.packets.link, c.deliver)
	c.shake.init(c)
	c.out.to = &c.packets.data
	c.packets.failed = func(err error) { _ = c.queue.post(func() { c.fail("read packets", err) }) }
	return f.register(c)
}

// call runs a handler method in its turn, unless the connection is stopped.
func (c *conn) call(method func()) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if !c.stopped.Load() {
		method()
	}
}

// sendsTooMuch tells of media beyond the limit.
func (c *conn) sendsTooMuch() {
	_ = c.queue.post(func() {
		c.log.Warn("client sends more media than limit.media_bits: what is beyond is left out, as if it were lost")
	})
}

// fail reports what makes the connection unusable.
func (c *conn) fail(op string, err error) {
	c.log.Debug("negotiation failed", "operation", op, "error", err)
	c.call(func() { c.events.failed(fmt.Errorf("%s: %w", op, err)) })
}

// guarded runs what reads a description of the client. A panic in there must end this
// connection and no other.
func (c *conn) guarded(op func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("BUG: description not understood", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrDescription, r)
		}
	}()
	return op()
}

// begun reports whether there is something to negotiate about.
func (c *conn) begun() bool { return c.finder.agent != nil }

// shook takes a change of the handshake, on its goroutine.
func (c *conn) shook() {
	if s := c.shake.current(); s == shakeDone || s == shakeEnded {
		// A client may close the moment it is connected: that it was must not
		// be missed between two looks at the state.
		c.shaken.Do(func() { c.wasUp.Store(true) })
	}
	_ = c.queue.post(c.updateState)
}

func (c *conn) updateState() {
	if !c.known {
		return
	}
	s := c.vigil.adjust(c.found())
	if s == Failed {
		c.complain(c.vigil.searched(time.Now()))
	}
	if c.state < Connected && s >= Connected && c.wasUp.Swap(false) {
		c.enter(Connected)
	}
	c.enter(s)
	if c.onPath != nil && c.settled() {
		c.onPath()
	}
}

// found is the state as ICE and DTLS have it.
func (c *conn) found() State {
	shake := c.shake.current()
	switch {
	case shake == shakeEnded:
		return Closed
	case shake == shakeFailed:
		return Failed
	case !c.settled():
		return Connecting
	case shake != shakeDone:
		return Reachable
	}
	return Connected
}

// Look finds out whether the client can have seen the connection come up while
// it still comes up here, and if so enters Reachable: for a client that says
// goodbye the moment it is connected and answers no more checks.
func (c *conn) Look() { _ = c.queue.post(c.look) }

func (c *conn) look() {
	// A client has the connection once its own check was answered (RFC 8445 §7.2.5.3).
	if c.known && c.state < Reachable && c.finder.agent.Answered() {
		c.enter(Reachable)
	}
}

func (c *conn) enter(s State) {
	if s == c.state || c.state == Closed {
		return
	}
	drop := func() {
		c.route.Store(nil)
		c.packets.link.Drop() // RFC 7675 §5.1: what is sent needs consent
	}
	switch {
	case s == Failed && c.shake.current() != shakeFailed:
		if !c.vigil.ifLost(drop) {
			return // the client has come back this moment, as another task will tell
		}
	case s >= Failed:
		drop()
	}
	c.state = s
	if s == Closed {
		c.out.close()
		c.packets.close()
	}
	if c.onClosed != nil && s == Closed {
		c.onClosed()
	}
	c.call(func() { c.events.state(s) })
	if c.onConnected != nil && s == Connected {
		c.onConnected()
	}
}

// AddCandidate takes an RTCIceCandidateInit of the client, at any time. What
// is well formed and of no use is ignored.
func (c *conn) AddCandidate(init string) error {
	candidate, ok, err := parseCandidateInit(init)
	if err != nil || !ok {
		return err
	}
	return c.queue.postRemote(func() {
		batch := transport.Borrow()
		defer batch.Return()
		c.addCandidate(candidate, batch)
	})
}

func (c *conn) addCandidate(candidate remoteCandidate, batch *transport.Batch) {
	if !c.known || candidate.ufrag != "" && !slices.Contains(c.ufrags, candidate.ufrag) {
		if len(c.waiting) < maxCandidates {
			c.waiting = append(c.waiting, candidate)
		}
		return
	}
	if c.accepted++; c.accepted > maxCandidates {
		return
	}
	c.told.add(candidate)
	if p := c.packets.link.Path(); p != nil && p.Addr() == candidate.addr {
		c.took(p) // by which the client is known already
	}
	c.settle(c.finder.agent.AddCandidate(candidate.addr, candidate.priority, time.Now(), batchSender{batch}))
}

// seek notes with what user name fragments the client describes itself. What it says in a
// section that is rejected is of the past.
func (c *conn) seek(r *remote) {
	c.ufrags = append(c.ufrags[:0], r.own.Ufrag)
	for _, l := range r.lines {
		if l.ufrag != "" && !l.rejected && !slices.Contains(c.ufrags, l.ufrag) {
			c.ufrags = append(c.ufrags, l.ufrag)
		}
	}
	c.vigil.seek(c.ufrags[:1], time.Now())
}

// described takes the client's description: ICE looks for a path to it, or goes on, and the
// candidates that waited for it are added. Those of another description are of the past by now.
func (c *conn) described(r *remote) {
	if !c.visited {
		c.visited = true
		c.factory.rounds.add(c)
	}
	c.known, c.accepted = true, 0
	c.seek(r)
	// The other side of who is active, RFC 8842 §5.
	c.shake.describe(r.setup == "passive", r.fingerprints)
	batch := transport.Borrow() // checks go out together
	defer batch.Return()
	c.search(r, batch)
	c.updateState()
	wanted := hasData(r.lines)
	if wanted {
		c.packets.data.negotiated(time.Now())
	}
	c.out.described(wanted)
	waiting := c.waiting
	c.waiting = nil
	for _, text := range r.candidates {
		if candidate, ok, err := parseCandidate(text); ok && err == nil {
			candidate.ufrag = ""
			c.addCandidate(candidate, batch)
		}
	}
	for _, candidate := range waiting {
		if candidate.ufrag == "" || slices.Contains(c.ufrags, candidate.ufrag) {
			c.addCandidate(candidate, batch)
		}
	}
}

// describe returns a description of ours.
func (c *conn) describe(setup string, sections []section) *description {
	if c.session == 0 {
		c.session, c.version = newSession(), uint64(time.Now().Unix())
	}
	c.version++
	return &description{
		session: c.session, version: c.version, lite: c.lite(), setup: setup, fingerprint: c.factory.fingerprint,
		own: c.finder.agent.Local(), candidates: c.candidates(), sections: sections,
	}
}

// newSession returns the id of a session, RFC 9429 §5.2.1.
func newSession() uint64 {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return binary.BigEndian.Uint64(id[:])>>2 | 1
}

// candidates are ours, as descriptions have them.
func (c *conn) candidates() []string {
	switch {
	case c.own != nil:
		return candidateAttributes(c.factory.addrs, c.own.LocalAddrs()[0].Port(), c.factory.tcpPort())
	case c.withoutUDP(), c.factory.mux == nil:
		return c.factory.tcpCandidates
	}
	return c.factory.allCandidates
}

// SendData sends to the client, with a batch of Together or by itself, and never
// waits for it. Lossy data that would queue up is dropped with ErrDataDropped;
// ErrDataOverflow says that the client is too far behind to be served reliably, ErrNoData
// that it has nothing to take data with.
func (c *conn) SendData(kind DataKind, payload []byte, batch uptrack.Batch) error {
	into, _ := batch.(*transport.Batch)
	return c.out.send(kind, payload, into)
}

// Stop begins to close the connection, and reports whether it has ended: one that its client
// has not described does so at once. Of others a handler method that is under way may
// still run; none begins. Close ends them.
func (c *conn) Stop() (ended bool) {
	if !c.stopped.Swap(true) && isClosed(c.queue.close()) && !c.known && c.own == nil {
		c.end()
	}
	return isClosed(c.donec)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close closes the connection and waits until every goroutine of it has ended. No
// handler method runs after it. It must not be called from one.
func (c *conn) Close() {
	if !c.Stop() {
		<-c.queue.close()
		c.end()
	}
	<-c.donec
}

// end runs after the last task, once.
func (c *conn) end() {
	c.ending.Do(func() {
		c.teardown()
		c.factory.unregister(c)
		close(c.donec)
	})
}

// teardown owns what tasks own.
func (c *conn) teardown() {
	close(c.endingc)
	if d := c.vigil.searched(time.Now()); d >= complainAfter {
		c.complain(d)
	}
	c.factory.rounds.remove(c)
	c.finder.close()
	c.out.close()
	c.packets.close() // says goodbye to the client
	if c.onClosed != nil {
		c.onClosed()
	}
	c.shake.close()
	c.packets.link.Close()
	if c.own != nil {
		_ = c.own.Close()
	}
	c.readers.close()
	c.turn.Lock() // the last handler method has returned
	defer c.turn.Unlock()
}
