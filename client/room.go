package client

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

const (
	// joinTimeout is how long it may take from the join to the first media path.
	joinTimeout = 15 * time.Second
	// requestTimeout is how long the server may take to answer a request.
	requestTimeout = 10 * time.Second
	// goodbyeTimeout is how long the server may take to end the signal connection
	// after a leave; not every server does.
	goodbyeTimeout = 500 * time.Millisecond
)

// Room is a room that the local participant is in.
type Room struct {
	// immutable
	opts      Options
	server    target
	log       *slog.Logger
	connector *connector
	local     *LocalParticipant
	events    *dispatcher
	loop      *mailbox[func()]
	ctx       context.Context // ends when the room does; bounds what the loop starts
	cancel    context.CancelFunc
	endedc    chan struct{} // closed when the local participant is out of the room
	donec     chan struct{} // closed when nothing of the room runs any more

	running sync.WaitGroup // of everything but the loop and the dispatcher

	mu         sync.RWMutex
	connection ConnectionState          // mu guards
	reason     livekit.DisconnectReason // mu guards
	info       *livekit.Room            // mu guards; replaced, not changed
	serverInfo *livekit.ServerInfo      // mu guards; replaced, not changed
	remotes    []*RemoteParticipant     // mu guards; replaced, not changed
	speakers   []Participant            // mu guards; replaced, not changed
	snapshot   *State                   // mu guards; nil if something changed since
	changec    chan struct{}            // mu guards; closed at the next change

	// loop only
	token     string
	session   *session // nil before the first and after the last
	restoring *restoring
	held      []Event // what is told once the room is connected
	requestID uint32
	updates   map[uint32]*update
	waiting   []func(error) // on the connection

	data    *dataPlane
	streams *streams
	rpc     *rpc
}

// Connect joins a room and returns once media and data can flow. The URL is that
// of the server, beginning with ws, wss, http or https. What goes wrong is a
// *ConnectError. The context bounds the joining only; a room is left with
// Room.Disconnect.
func Connect(ctx context.Context, url, token string, opts Options) (*Room, error) {
	server, err := parseTarget(url)
	if err != nil {
		return nil, &ConnectError{Op: "read URL", Err: err}
	}
	r := newRoom(server, token, opts)
	if r.connector, err = newConnector(&r.opts, server); err != nil {
		return nil, &ConnectError{Op: "make certificate", Err: err}
	}
	if opts.Setup != nil {
		opts.Setup(r)
	}
	go r.run()
	if err := r.join(ctx); err != nil {
		r.end(livekit.DisconnectReason_JOIN_FAILURE, err)
		<-r.donec
		return nil, err
	}
	return r, nil
}

func newRoom(server target, token string, opts Options) *Room {
	r := &Room{
		opts: opts.withDefaults(), server: server, token: token, events: newDispatcher(), loop: newMailbox[func()](),
		endedc: make(chan struct{}), donec: make(chan struct{}), changec: make(chan struct{}),
		updates: map[uint32]*update{},
	}
	r.log = r.opts.Logger
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.local = &LocalParticipant{participant: participant{room: r, quality: livekit.ConnectionQuality_EXCELLENT}}
	r.data, r.streams, r.rpc = newDataPlane(r), newStreams(r), newRPC(r)
	r.rpc.handle(r.streams)
	return r
}

// run is the room's loop, and waits in the end for everything that it started.
func (r *Room) run() {
	var telling sync.WaitGroup
	telling.Go(r.events.run)
	for range r.loop.wakec {
		queue, more := r.loop.take()
		for _, fn := range queue {
			fn()
		}
		if !more {
			break
		}
	}
	r.running.Wait()
	telling.Wait()
	close(r.donec)
}

// do runs fn on the loop and returns its error.
func (r *Room) do(ctx context.Context, fn func() error) error {
	errc := make(chan error, 1)
	if !r.loop.send(func() { errc <- r.ifHere(fn) }) {
		return ErrNotConnected
	}
	select {
	case err := <-errc:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Room) ifHere(fn func() error) error {
	if r.connection == StateDisconnected {
		return ErrNotConnected
	}
	return fn()
}

// join connects for the first time.
func (r *Room) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, ErrTimeout)
	defer cancel()
	signal, first, single, err := r.dial(ctx, r.token, nil)
	if err != nil {
		return err
	}
	join, err := joinOf(first)
	if err != nil {
		signal.abandon()
		return err
	}
	connected := make(chan error, 1)
	sent := r.loop.send(func() {
		if r.connection == StateDisconnected {
			signal.abandon()
			connected <- ErrNotConnected
			return
		}
		r.await(func(err error) { connected <- err })
		r.open(signal, join, single)
	})
	if !sent {
		signal.abandon()
		return &ConnectError{Op: "join", Err: ErrNotConnected}
	}
	select {
	case err = <-connected:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return &ConnectError{Op: "connect media", Err: err}
	}
	return nil
}

func joinOf(first *livekit.SignalResponse) (*livekit.JoinResponse, error) {
	switch m := first.GetMessage().(type) {
	case *livekit.SignalResponse_Join:
		if m.Join.GetRoom() != nil && m.Join.GetParticipant().GetIdentity() != "" {
			return m.Join, nil
		}
	case *livekit.SignalResponse_Leave:
		return nil, &ConnectError{Op: "join", Err: &LeaveError{Reason: m.Leave.GetReason()}}
	}
	return nil, &ConnectError{Op: "join", Err: errProtocol}
}

var errProtocol = errors.New("not what the protocol says a server answers")

// dial opens a signal connection: the one for a single peer connection if that is
// wanted and the server has it.
func (r *Room) dial(ctx context.Context, token string, resume *resumption) (c *signalConn, first *livekit.SignalResponse, single bool, err error) {
	if r.opts.SinglePeerConnection {
		var url string
		if url, err = r.server.joinURLSingle(&r.opts, resume); err != nil {
			return nil, nil, false, &ConnectError{Op: "write URL", Err: err}
		}
		c, first, err = dialSignal(ctx, &r.opts, url, token)
		var failed *ConnectError
		if !errors.As(err, &failed) || failed.Status != 404 || errors.Is(err, ErrRoomNotFound) {
			return c, first, true, err
		}
		r.log.Debug("the server has no single peer connections")
	}
	url, err := r.server.joinURL(&r.opts, resume)
	if err != nil {
		return nil, nil, false, &ConnectError{Op: "write URL", Err: err}
	}
	c, first, err = dialSignal(ctx, &r.opts, url, token)
	return c, first, false, err
}

// await calls fn when the room is connected, or will not be. Loop only.
func (r *Room) await(fn func(error)) {
	switch r.connection {
	case StateConnected:
		fn(nil)
	case StateDisconnected:
		fn(ErrNotConnected)
	default:
		r.waiting = append(r.waiting, fn)
	}
}

// request sends m to the server, now or, if it concerns what is told anew after a
// reconnect anyway, not at all. Loop only.
func (r *Room) request(m *livekit.SignalRequest) {
	if r.session != nil && r.session.signal != nil {
		r.session.signal.send(m)
	}
}

// emit tells e, once the room is connected. Loop only.
func (r *Room) emit(e Event) {
	if r.connection != StateConnected {
		r.held = append(r.held, e)
		return
	}
	r.events.emit(e)
}

// connected says that media and data can flow, and tells first, then what was held.
func (r *Room) connected(first ...Event) {
	held := r.held
	r.held = nil
	r.changeConnection(StateConnected)
	for _, e := range slices.Concat(first, held) {
		r.events.emit(e)
	}
	for _, fn := range r.waiting {
		fn(nil)
	}
	r.waiting = nil
	r.data.goOn()
}

func (r *Room) changeConnection(s ConnectionState) { r.change(func() { r.connection = s }) }

// Disconnect leaves the room. When it returns, the local participant is out and
// everybody else was told so, or ctx has ended. Handlers may still run until
// Done is closed.
func (r *Room) Disconnect(ctx context.Context) error {
	r.end(livekit.DisconnectReason_CLIENT_INITIATED, nil)
	select {
	case <-r.endedc:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the local participant is out of the room, for whatever
// reason, and every handler has returned.
func (r *Room) Done() <-chan struct{} { return r.donec }

// end has the loop leave the room.
func (r *Room) end(reason livekit.DisconnectReason, err error) {
	r.loop.send(func() { r.leave(reason, err) })
}

// leave ends the room. Only the first reason counts. Loop only.
func (r *Room) leave(reason livekit.DisconnectReason, err error) {
	if r.connection == StateDisconnected {
		return
	}
	joined := r.info != nil
	r.cancel()
	if w := r.restoring; w != nil && w.settling != nil {
		w.settling.over()
	}
	r.restoring = nil
	r.held = nil
	// Whoever received something is told that there is no more of it.
	if r.connection == StateConnected {
		r.change(func() { r.unsubscribeAll() })
	}
	r.change(func() { r.connection, r.reason, r.speakers = StateDisconnected, reason, nil })
	if joined {
		r.events.emit(Disconnected{Reason: reason, Err: err})
	}
	for _, fn := range r.waiting {
		fn(orNotConnected(err))
	}
	r.waiting = nil
	r.abortRequests(ErrNotConnected)
	r.data.close()
	r.streams.close()
	r.rpc.close()
	r.events.end()
	if s := r.session; s != nil {
		r.session = nil
		// To the server, only a leave of our own needs a reason.
		s.close(reason)
		r.running.Go(func() {
			s.wait()
			close(r.endedc)
		})
	} else {
		close(r.endedc)
	}
	r.loop.close()
}

func orNotConnected(err error) error {
	if err == nil {
		return ErrNotConnected
	}
	return err
}

// On is told at the room.
func (r *Room) register(fn func(Event)) (stop func()) { return r.events.handlers.register(fn) }

func (r *Room) tells(v event.View) bool { return v.Room }

// Events returns every event of the room from this call on, in order, until ctx
// or the room ends. Events wait for a slow reader, without limit, and none is
// lost. Cancel ctx if the events are never asked for.
func (r *Room) Events(ctx context.Context) iter.Seq[Event] { return r.events.listen(ctx) }

// Local is the local participant.
func (r *Room) Local() *LocalParticipant { return r.local }

// Participants are the others in the room, in the order of their joining.
func (r *Room) Participants() []*RemoteParticipant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.remotes)
}

// Participant returns the other participant with the identity; nil if there is none.
func (r *Room) Participant(identity string) *RemoteParticipant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, p := range r.remotes {
		if p.info.GetIdentity() == identity {
			return p
		}
	}
	return nil
}

// SID identifies the room while it lives.
func (r *Room) SID() string { return r.latest().GetSid() }

// Name is the room's name.
func (r *Room) Name() string { return r.latest().GetName() }

// Metadata is the room's metadata.
func (r *Room) Metadata() string { return r.latest().GetMetadata() }

// Connection says how the room is connected.
func (r *Room) Connection() ConnectionState {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.connection
}

// ServerVersion is what the server says it is of.
func (r *Room) ServerVersion() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.serverInfo.GetVersion()
}

func (r *Room) latest() *livekit.Room {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.info
}
