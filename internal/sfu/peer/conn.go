package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// events are what both kinds of handler have in common.
type events interface {
	candidate(init string, final bool)
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

	packets packets
	vigil   vigil
	tally   tally
	route   atomic.Pointer[Route] // nil before ICE has chosen, and after the end

	// tasks only
	ahead    *ahead // nil if pion makes the first offer
	api      *webrtc.API
	pc       *webrtc.PeerConnection // nil before it is needed
	state    State
	waiting  []remoteCandidate // for the description they belong to
	accepted int               // candidates since the last description
	ufrags   []string          // of the client's last description
	held     *webrtc.ICECandidate
	broken   bool // pion panicked and may hold locks for ever

	onConnected func()
	onPath      func() // each time that ICE is seen to have a path; may be nil
	onClosed    func() // by anybody

	out  dataOut
	gate *dataGate // immutable

	stopped atomic.Bool
	ending  sync.Once
	role    atomic.Int32 // the client's in ICE, see controls
	wasUp   atomic.Bool  // the handshake was completed once
	turn    sync.Mutex   // held while a handler method runs
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
	c.packets.init(f.mux)
	c.packets.checks = c.check
	c.packets.data.init(c.packets.link, c.deliver)
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

// fail reports what makes the connection unusable. That the client has closed it
// meanwhile is no failure but its end, which the state tells.
func (c *conn) fail(op string, err error) {
	if errors.Is(err, webrtc.ErrConnectionClosed) {
		c.updateState()
		return
	}
	c.log.Debug("negotiation failed", "operation", op, "error", err)
	c.call(func() { c.events.failed(fmt.Errorf("%s: %w", op, err)) })
}

// guarded runs a pion operation on what a client sent. A panic in there must
// end this connection and no other.
func (c *conn) guarded(op func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.broken = true
			c.log.Error("pion panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrDescription, r)
		}
	}()
	return op()
}

// open makes the pion connection, for the codecs of media.
func (c *conn) open(media *webrtc.MediaEngine) error {
	c.api = c.factory.apiFor(c, media)
	pc, err := c.api.NewPeerConnection(c.factory.config)
	if err != nil {
		return err
	}
	c.pc = pc
	c.vigil.lite = c.factory.opts.ICELite && !c.fullICE
	c.factory.rounds.add(c)
	// Data is ours (see association). pion starts an association of its own once, and
	// has no connection for it yet.
	if err := pc.SCTP().Start(webrtc.SCTPCapabilities{}); err == nil {
		return errors.New("BUG: pion carries the data")
	}
	pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) {
		// pion does not keep the order of these calls, so read the state.
		_ = c.queue.post(c.updateState)
	})
	dtls := pc.SCTP().Transport()
	dtls.OnStateChange(func(s webrtc.DTLSTransportState) {
		if s != webrtc.DTLSTransportStateConnected {
			return
		}
		if err := c.packets.secured(); err != nil {
			_ = c.queue.post(func() { c.fail("take keys", err) })
		}
		// A client may close the moment it is connected: that it was must not
		// be missed between two looks at the state.
		c.wasUp.Store(true)
	})
	dtls.ICETransport().OnSelectedCandidatePairChange(c.follow)
	pc.OnICEConnectionStateChange(func(webrtc.ICEConnectionState) {
		_ = c.queue.post(c.updateState)
	})
	c.followGathering(pc)
	return nil
}

// followGathering has our candidates sent: those of our sockets together, which are all
// there at once; with STUN servers each as it is found.
func (c *conn) followGathering(pc *webrtc.PeerConnection) {
	slow := len(c.factory.opts.ICEServers) > 0
	var mu sync.Mutex
	var found []*webrtc.ICECandidate // mu guards
	pc.OnICECandidate(func(candidate *webrtc.ICECandidate) {
		mu.Lock()
		defer mu.Unlock()
		if candidate != nil {
			found = append(found, candidate)
		}
		done := candidate == nil // also said again with each description, when there is nothing more
		if slow || done && len(found) > 0 {
			batch := found
			found = nil
			_ = c.queue.post(func() { c.gathered(batch, done) })
		}
	})
}

// follow sends media where ICE sends. It runs on pion's goroutine, for which pion
// waits when it closes, with locks held: it must not ask pion anything.
func (c *conn) follow(pair *webrtc.ICECandidatePair) {
	ip, err := netip.ParseAddr(pair.Remote.Address)
	at := netip.AddrPortFrom(ip, pair.Remote.Port)
	found := err == nil && c.packets.link.Select(at, pair.Local.Protocol == webrtc.ICEProtocolTCP)
	if !found && !c.stopped.Load() {
		c.log.Warn("no way to send media to the client", "address", pair.Remote.Address)
	}
	if found {
		search := c.vigil.search()
		_ = c.queue.post(func() {
			if c.vigil.search() != search {
				return // a restart has overtaken it
			}
			if err := c.watch(); err != nil && !c.stopped.Load() {
				c.log.Warn("connection is not watched over", "error", err)
			}
		})
	}
	c.took(pair)
}

func (c *conn) updateState() {
	if c.pc == nil {
		return
	}
	s := c.vigil.adjust(stateFromPion(c.pc.ConnectionState(), c.pc.ICEConnectionState()))
	if c.state < Connected && s > Connected && c.wasUp.Load() {
		c.enter(Connected)
	}
	c.enter(s)
	if c.onPath != nil && settled(c.pc.ICEConnectionState()) {
		c.onPath()
	}
}

// Look finds out whether the client can have seen the connection come up while
// it still comes up here, and if so enters Reachable: for a client that says
// goodbye the moment it is connected and answers no more checks.
func (c *conn) Look() { _ = c.queue.post(c.look) }

func (c *conn) look() {
	if c.pc == nil || c.state >= Reachable || c.pc.RemoteDescription() == nil ||
		c.pc.ICEConnectionState() == webrtc.ICEConnectionStateNew {
		return // nothing has been sent yet, or there is nothing to find out
	}
	for _, s := range c.pc.GetStats() {
		// A client has the connection once its own check was answered (RFC 8445 §7.2.5.3).
		if pair, ok := s.(webrtc.ICECandidatePairStats); ok && pair.ResponsesSent > 0 {
			c.enter(Reachable)
			return
		}
	}
}

func (c *conn) enter(s State) {
	if s == c.state || c.state == Closed {
		return
	}
	c.state = s
	if s >= Failed {
		c.route.Store(nil)
		c.packets.link.Drop() // RFC 7675 §5.1: what is sent needs consent
	}
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

// gathered sends our candidates. The last one of all is marked final; if that was not
// known of it, it is sent again.
func (c *conn) gathered(found []*webrtc.ICECandidate, done bool) {
	if c.claimed() {
		return // they were in our offer
	}
	if len(found) == 0 && c.held != nil {
		found = []*webrtc.ICECandidate{c.held}
	}
	for i, candidate := range found {
		last := i == len(found)-1
		c.sendCandidate(candidate, done && last)
		if last {
			c.held = candidate
		}
	}
	if done {
		c.held = nil
	}
}

func (c *conn) sendCandidate(candidate *webrtc.ICECandidate, final bool) {
	init, err := candidateInit(candidate)
	if err != nil {
		c.log.Debug("candidate not sent", "error", err)
		return
	}
	c.call(func() { c.events.candidate(init, final) })
}

// AddCandidate takes an RTCIceCandidateInit of the client, at any time. What
// is well formed and of no use is ignored.
func (c *conn) AddCandidate(init string) error {
	candidate, ok, err := parseCandidate(init)
	if err != nil || !ok {
		return err
	}
	return c.queue.postRemote(func() { c.addCandidate(candidate) })
}

func (c *conn) addCandidate(candidate remoteCandidate) {
	known := candidate.ufrag == "" || slices.Contains(c.ufrags, candidate.ufrag)
	if c.pc == nil || c.pc.RemoteDescription() == nil || !known {
		if len(c.waiting) < maxCandidates {
			c.waiting = append(c.waiting, candidate)
		}
		return
	}
	if c.accepted++; c.accepted > maxCandidates {
		return
	}
	err := c.guarded(func() error {
		return c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: candidate.candidate})
	})
	if err != nil {
		c.log.Debug("candidate not added", "error", err)
	}
}

// seek notes with what user name fragments the client describes itself, before pion
// is told: it may have chosen a path with them by the time that it returns.
func (c *conn) seek(lines []line) {
	c.ufrags = c.ufrags[:0]
	for _, l := range lines {
		if l.ufrag != "" && !slices.Contains(c.ufrags, l.ufrag) {
			c.ufrags = append(c.ufrags, l.ufrag)
		}
	}
	c.vigil.seek(c.ufrags, time.Now())
}

// described notes the client's new description and adds the candidates that
// waited for it. Those of another description are of the past by now.
func (c *conn) described(lines []line) {
	c.accepted = 0
	c.seek(lines)
	c.updateState()
	wanted := hasData(lines)
	if wanted {
		c.packets.data.negotiated(time.Now())
	}
	c.out.described(wanted)
	waiting := c.waiting
	c.waiting = nil
	for _, candidate := range waiting {
		if candidate.ufrag == "" || slices.Contains(c.ufrags, candidate.ufrag) {
			c.addCandidate(candidate)
		}
	}
}

// SendData sends to the client, with a batch of Together or by itself, and never
// waits for it. Lossy data that would queue up is dropped with ErrDataDropped;
// ErrDataOverflow says that the client is too far behind to be served reliably, ErrNoData
// that it has nothing to take data with.
func (c *conn) SendData(kind DataKind, payload []byte, batch uptrack.Batch) error {
	into, _ := batch.(*transport.Batch)
	return c.out.send(kind, payload, into)
}

// Stop begins to close the connection, and reports whether it has ended: one that pion was
// never asked for does so at once. Of others a handler method that is under way may
// still run; none begins. Close ends them.
func (c *conn) Stop() (ended bool) {
	if !c.stopped.Swap(true) && isClosed(c.queue.close()) && c.pc == nil {
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
	c.claimed()
	c.factory.rounds.remove(c)
	c.out.close()
	c.packets.close()
	if c.onClosed != nil {
		c.onClosed()
	}
	if c.broken {
		go c.pc.Close()
		return
	}
	if c.pc != nil {
		if err := c.pc.GracefulClose(); err != nil {
			c.log.Debug("connection closed", "error", err)
		}
	}
	c.readers.close()
	c.turn.Lock() // the last handler method has returned
	defer c.turn.Unlock()
}
