package room

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Registry is all rooms of this server: one live session for each name. Its
// methods may be called from anywhere.
type Registry struct {
	opts Options // immutable

	mu       sync.Mutex
	rooms    map[string]*Room    // mu guards
	farewell map[string]farewell // mu guards; by participant sid
	order    []string            // mu guards; sids of farewell, oldest first
	lately   map[place]string    // mu guards; the last sid of farewell for each
	stopping bool                // mu guards

	revoked     map[seat]revocation // mu guards
	revocations []seat              // mu guards; of revoked, oldest first
	loops       sync.WaitGroup
}

// farewell is why a session ended, kept for a client that tries to resume it
// because it was not there to be told.
type farewell struct {
	reason livekit.DisconnectReason
	from   place
	came   time.Time // as Join.At
	at     time.Time
	moved  *berth // where the participant is now; nil unless it was moved
}

// place is an identity in a room.
type place struct{ room, identity string }

func (p *participant) place() place { return place{p.state.room.name, p.identity} }

const (
	farewellKept = 10 * time.Minute
	maxFarewells = 100_000
)

// NewRegistry returns a registry without rooms.
func NewRegistry(o Options) *Registry {
	return &Registry{
		opts:     o.withDefaults(),
		rooms:    make(map[string]*Room),
		farewell: make(map[string]farewell),
		lately:   make(map[place]string),
	}
}

// Gone says that a session which a client wants to resume is over, and what the
// client is to be told in place of an answer.
type Gone struct {
	Reason livekit.DisconnectReason
	Action livekit.LeaveRequest_Action
}

// Error describes the end of the session.
func (g *Gone) Error() string { return "session is over: " + g.Reason.String() }

// Final says that the client must not come back with a new session either.
func (g *Gone) Final() bool { return g.Action == livekit.LeaveRequest_DISCONNECT }

// Message is the farewell for the client.
func (g *Gone) Message() *Message { return leaveMessage(g.Reason, g.Action) }

// Join accepts a participant and gives its answers to sink. It makes the room if
// there is none, unless auto-create is off: then it fails with ErrRoomNotFound.
// It fails with ErrRoomFull, ErrStopping or an invalid_argument Error.
func (g *Registry) Join(ctx context.Context, req *Join, sink Sink) (*Participant, error) {
	if err := g.checkJoin(req); err != nil {
		return nil, err
	}
	for {
		r, _, err := g.roomFor(ctx, createFrom(req), !g.opts.Defaults.NoAutoCreate || req.MayCreate)
		if err != nil {
			return nil, err
		}
		var p *participant
		var refused error
		_, err = r.do(ctx, func(s *state) {
			// Nobody may read any more what the sink is given, and the client's owner may
			// have been removed in a turn that was before this one.
			if refused = ctx.Err(); refused == nil {
				refused = g.admits(req)
			}
			if refused == nil {
				p, refused = s.join(req, sink)
			}
		})
		switch {
		case errors.Is(err, errClosed):
			continue // it ended meanwhile; its successor is ours to make
		case err != nil:
			r.nobodyReads(&p, sink)
			return nil, err
		case refused != nil:
			return nil, refused
		}
		return &Participant{p.berth}, nil
	}
}

// nobodyReads takes a sink from the participant that had it in a turn whose caller has
// gone meanwhile; that turn may be yet to come.
func (r *Room) nobodyReads(p **participant, sink Sink) {
	r.post(func(s *state) {
		if *p != nil {
			s.signalLost(*p, sink)
		}
	})
}

// Resume gives the session sid, or the identity's if sid is empty, a new signal
// connection. It never makes a room. It fails with *Gone.
func (g *Registry) Resume(ctx context.Context, req *Join, sid string, sink Sink) (*Participant, error) {
	if err := g.admits(req); err != nil {
		return nil, g.goneOr(sid, err)
	}
	r := g.roomOf(req, sid)
	if r == nil {
		return nil, g.gone(sid)
	}
	var p *participant
	var refused error
	_, err := r.do(ctx, func(s *state) {
		if refused = ctx.Err(); refused == nil {
			refused = g.admits(req)
		}
		if refused != nil {
			return
		}
		if p = s.session(req.Identity, sid); p != nil {
			s.resume(p, req, sid, sink)
		}
	})
	switch {
	case err != nil && !errors.Is(err, errClosed):
		r.nobodyReads(&p, sink)
		return nil, err
	case refused != nil:
		return nil, g.goneOr(sid, refused)
	case err == nil && p != nil:
		return &Participant{p.berth}, nil
	}
	return nil, g.gone(sid)
}

// roomOf returns the room in which a session is that a client wants to resume:
// the one that it asks for, unless the session was moved; nil if there is none.
func (g *Registry) roomOf(req *Join, sid string) *Room {
	g.mu.Lock()
	moved := g.farewell[sid].moved
	r := g.rooms[req.Room]
	g.mu.Unlock()
	if moved != nil {
		r, _ = moved.where()
	}
	return r
}

// session returns the identity's session if it is that of the sid, now or before
// a move; an empty sid stands for whichever it is.
func (s *state) session(identity, sid string) *participant {
	p := s.participants[identity]
	if p == nil || p.forwarding != nil || sid != "" && p.sid != sid && !slices.Contains(p.formerly, sid) {
		return nil
	}
	return p
}

// CanResume returns the error with which Resume would refuse the request now, or nil.
func (g *Registry) CanResume(ctx context.Context, req *Join, sid string) error {
	if err := g.admits(req); err != nil {
		return g.goneOr(sid, err)
	}
	var there bool
	if r := g.roomOf(req, sid); r != nil {
		if _, err := r.do(ctx, func(s *state) { there = s.session(req.Identity, sid) != nil }); err != nil && !errors.Is(err, errClosed) {
			return err
		} else if err == nil && there {
			return nil
		}
	}
	return g.gone(sid)
}

// gone tells how a session that is not there ended. One that ended on purpose is
// over; any other client may join anew.
func (g *Registry) gone(sid string) *Gone {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch reason := g.farewell[sid].reason; {
	case clientsReason(reason):
		return &Gone{reason, livekit.LeaveRequest_DISCONNECT}
	case sentAway(reason):
		return &Gone{reason, livekit.LeaveRequest_DISCONNECT}
	}
	return &Gone{livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT}
}

// goneOr tells how the session ended if that is why it cannot be resumed, else err.
func (g *Registry) goneOr(sid string, err error) error {
	if gone := g.gone(sid); gone.Final() {
		return gone
	}
	return err
}

// departed remembers why a session ended.
func (g *Registry) departed(sid string, why farewell) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	why.at = now
	g.farewell[sid], g.lately[why.from] = why, sid
	g.order = append(g.order, sid)
	for len(g.order) > 0 && (len(g.order) > maxFarewells || now.Sub(g.farewell[g.order[0]].at) > farewellKept) {
		oldest := g.order[0]
		if from := g.farewell[oldest].from; g.lately[from] == oldest {
			delete(g.lately, from)
		}
		delete(g.farewell, oldest)
		g.order = g.order[1:]
	}
}

func (g *Registry) checkJoin(req *Join) error {
	l := g.opts.Limits
	if req.Identity == "" {
		return invalid("identity is required")
	}
	if err := l.checkRoomName(req.Room); err != nil {
		return err
	}
	if err := checkText("identity", req.Identity, l.MaxIdentity); err != nil {
		return err
	}
	if err := checkClient(req.Client); err != nil {
		return err
	}
	if err := checkTags(req.RoomConfig.GetTags()); err != nil {
		return err
	}
	if err := l.check("", req.RoomConfig.GetMetadata(), nil); err != nil {
		return err
	}
	if err := g.opts.checkPreset(req.RoomPreset); err != nil {
		return err
	}
	if err := l.check(req.Name, req.Metadata, req.Attributes); err != nil {
		return err
	}
	return g.admits(req)
}

// roomFor returns the live session of the name, made now if there is none and
// create is set, and whether it was. What it records is checked and begun without the
// lock: others may run programs for that.
func (g *Registry) roomFor(ctx context.Context, req *livekit.CreateRoomRequest, create bool) (r *Room, made bool, err error) {
	if req, err = g.opts.withPreset(req); err != nil {
		return nil, false, err
	}
	for checked := false; ; checked = true {
		var settings *livekit.Room
		r, settings, err = g.findOrMake(req, create, checked)
		switch {
		case err == nil && r == nil:
			if err := g.opts.checkEgress(ctx, req); err != nil {
				return nil, false, err
			}
			continue
		case settings != nil && g.opts.Egress != nil && req.Egress != nil:
			g.opts.Egress(settings, req.Egress)
		}
		return r, settings != nil, err
	}
}

// findOrMake returns the live session of the name, with its settings if it was made
// now. Without either the request is to be checked first.
func (g *Registry) findOrMake(req *livekit.CreateRoomRequest, create, checked bool) (*Room, *livekit.Room, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return nil, nil, ErrStopping
	}
	if r := g.rooms[req.Name]; r != nil {
		return r, nil, nil
	}
	if !create {
		return nil, nil, ErrRoomNotFound
	}
	if !checked {
		return nil, nil, nil
	}
	now := time.Now()
	sid := newSID(roomPrefix)
	settings := roomSettings(sid, req, &g.opts, now.UnixMilli())
	r, s := g.open(settings, now)
	if g.opts.Wants != nil {
		g.opts.Wants(sid, req.Agents)
	}
	s.tags, s.syncStreams = maps.Clone(req.Tags), req.SyncStreams || g.opts.Defaults.SyncStreams
	s.playoutDelay = g.opts.Defaults.PlayoutDelay
	if req.MinPlayoutDelay > 0 || req.MaxPlayoutDelay > 0 {
		s.playoutDelay = [2]time.Duration{
			time.Duration(req.MinPlayoutDelay) * time.Millisecond, time.Duration(req.MaxPlayoutDelay) * time.Millisecond,
		}
	}
	g.loops.Go(func() {
		s.begin(len(req.Agents) > 0)
		r.run(s)
	})
	return r, settings, nil
}

// open makes a session with these settings the live one of its name. g.mu must
// be held.
func (g *Registry) open(settings *livekit.Room, now time.Time) (*Room, *state) {
	r := newRoom(settings.Name, settings.Sid)
	s := newState(r, &g.opts, settings, now)
	s.onDeparture = g.departed
	s.onFinished = func() { g.forget(r) }
	g.rooms[r.name] = r
	g.opts.census.opened.Add(1)
	return r, s
}

// Restore makes sessions live again that an earlier run of the server left open,
// with their sids and settings, and nobody in them: who comes back before the
// departure timeout finds the same session, else it finishes. Call it before
// the first join. past returns what a session was like so far, or nil if that is
// not known. A name that is live already is passed over. Their tags are the log's
// to remember.
func (g *Registry) Restore(sessions []*livekit.Room, past func(*livekit.Room) *Past) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, left := range sessions {
		if g.stopping || g.rooms[left.Name] != nil {
			continue
		}
		settings := proto.CloneOf(left)
		settings.NumParticipants, settings.NumPublishers, settings.ActiveRecording = 0, 0, false
		r, s := g.open(settings, now)
		s.joinedOnce = true
		s.syncStreams, s.playoutDelay = g.opts.Defaults.SyncStreams, g.opts.Defaults.PlayoutDelay
		if p := past(left); p != nil {
			s.totals = p.totals
			s.joinedOnce = p.met // or it still waits for the first
		}
		s.wakeAt(s.closesAt())
		s.log.Info("room restored", "grace", s.closesAt().Sub(now))
		g.loops.Go(func() { r.run(s) })
	}
}

// forget makes the name free, once the session's last event is appended.
func (g *Registry) forget(r *Room) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.rooms, r.name)
}

// lookup returns the live session of the name, or nil.
func (g *Registry) lookup(name string) *Room {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rooms[name]
}

// all returns the live sessions.
func (g *Registry) all() []*Room {
	g.mu.Lock()
	defer g.mu.Unlock()
	rooms := make([]*Room, 0, len(g.rooms))
	for _, r := range g.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// Close empties every room because the server stops: clients are told to come
// back, the events of their going are appended, connections are closed. The room
// sessions stay open in the log, for the next run to restore. Joins from now on
// fail with ErrStopping.
func (g *Registry) Close(ctx context.Context) error {
	g.mu.Lock()
	g.stopping = true
	g.mu.Unlock()
	for _, r := range g.all() {
		r.post((*state).suspend)
	}
	done := make(chan struct{})
	go func() {
		g.loops.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CanJoin returns the error with which Join would refuse the request now, or nil.
func (g *Registry) CanJoin(ctx context.Context, req *Join) error {
	if err := g.checkJoin(req); err != nil {
		return err
	}
	r := g.lookup(req.Room)
	if r == nil {
		if g.opts.Defaults.NoAutoCreate && !req.MayCreate {
			return ErrRoomNotFound
		}
		create, err := g.opts.withPreset(createFrom(req))
		if err != nil {
			return err
		}
		return g.opts.checkEgress(ctx, create)
	}
	var refused error
	if _, err := r.do(ctx, func(s *state) { refused = s.refuses(req) }); err != nil && !errors.Is(err, errClosed) {
		return err
	}
	return refused
}
