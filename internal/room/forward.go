package room

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// forwarding shows a participant of one room in another. There it is a participant
// too, its double, which has no client: it has the name, metadata, attributes and
// tracks of the original, with sids of its own, and its tracks are the same media.
// What the original says by data is said there too; nothing of that room comes back,
// for its client is not in it.
//
// Its goroutine carries between the two loops, which never wait for each other:
// what the original is now and what it says one way, how much of it is wanted the
// other way. Of what is and what is wanted only the latest counts, so that nothing
// piles up; of what is said, everything, within bounds.
type forwarding struct {
	from, to *Room        // immutable
	original *participant // loop of from only
	double   *participant // loop of to only; nil until it is there

	mu      sync.Mutex
	now     *portrait                // mu guards; not yet shown, or nil
	data    []carried                // mu guards; not yet said
	waiting int                      // mu guards; bytes of data
	stuck   bool                     // mu guards; reliable data was too much
	wishes  map[string]wish          // mu guards; by the original's track sid, not yet told
	end     livekit.DisconnectReason // mu guards; why the original is gone; 0: it is not
	over    bool                     // mu guards; the double is gone
	wakec   chan struct{}            // has an element when any of these changed
}

// wish is what a room wants of a track that is forwarded to it.
type wish struct {
	layer    int  // the highest
	second   bool // somebody does not decode its first codec
	recorded bool // in its first codec
}

// portrait is what the other room is to show of a participant. It is immutable.
type portrait struct {
	name, metadata string
	attributes     map[string]string
	permission     *livekit.ParticipantPermission
	permissions    *trackPermissions
	transport      peer.State
	tracks         []portraitTrack
	dataTracks     []*livekit.DataTrackInfo
}

type portraitTrack struct {
	cids     []string
	info     *livekit.TrackInfo
	receiver Receiver
	backup   backup
}

func (p *participant) portrait() *portrait {
	now := &portrait{
		name: p.name, metadata: p.metadata, attributes: p.attributes,
		permission: p.permission, permissions: p.permissions, transport: p.primary(),
	}
	for _, t := range p.tracks {
		now.tracks = append(now.tracks, portraitTrack{t.cids, t.info, t.receiver, t.backup})
	}
	for _, t := range p.dataTracks {
		now.dataTracks = append(now.dataTracks, t.info)
	}
	return now
}

// ForwardParticipant shows a participant and its tracks in another room too, until
// it leaves, or until it is removed from the other room. That room is made if there
// is none, unless auto-create is off. What is forwarded there already stays as it is.
//
// It fails with already_exists if the other room has somebody else of that identity,
// with failed_precondition for a participant that is not connected yet or is itself
// forwarded, and like a join where the other room is full.
func (g *Registry) ForwardParticipant(ctx context.Context, req *livekit.ForwardParticipantRequest) error {
	if err := g.checkDestination(req.Room, req.DestinationRoom); err != nil {
		return err
	}
	var p *participant
	var from *Room
	there := false
	err := g.with(ctx, req.Room, req.Identity, func(s *state, found *participant) error {
		p, from = found, s.room
		there = slices.ContainsFunc(p.forwards, func(f *forwarding) bool { return f.to.name == req.DestinationRoom && !f.ended() })
		switch {
		case p.forwarding != nil:
			return ErrForwarded
		case !p.joined || p.leaving != 0:
			return &Error{FailedPrecondition, "participant is not connected yet"}
		}
		return nil
	})
	if err != nil || there {
		return err
	}
	to, err := g.expect(ctx, req.DestinationRoom, p.req)
	if err != nil {
		return err
	}
	f := &forwarding{from: from, to: to, original: p, wakec: make(chan struct{}, 1)}
	seq, err := g.forward(context.WithoutCancel(ctx), f)
	if err != nil || g.opts.Sync == nil {
		return err
	}
	return g.opts.Sync(ctx, seq)
}

// forward begins a forwarding to a room that expects it.
func (g *Registry) forward(ctx context.Context, f *forwarding) (uint64, error) {
	var seen *portrait
	var req *Join
	_, err := f.from.do(ctx, func(*state) {
		if p := f.original; !p.gone {
			seen, req = p.portrait(), f.entrance()
			p.forwards = append(p.forwards, f)
		}
	})
	if err != nil || seen == nil {
		f.to.post(func(s *state) { s.expectNoLonger(f.original.identity) })
		return 0, errors.Join(err, ErrParticipantNotFound)
	}
	var refused error
	seq, err := f.to.do(ctx, func(s *state) { refused = s.show(f, req, seen) })
	if errors.Is(err, errClosed) {
		err = ErrRoomNotFound // it was deleted at this moment
	}
	if err = errors.Join(err, refused); err != nil {
		f.from.post(func(s *state) { s.dropForward(f) })
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return 0, ErrStopping // both rooms are being closed, and with them this
	}
	g.loops.Go(f.run)
	return seq, nil
}

// entrance is how the double comes in. It runs in the loop of the original.
func (f *forwarding) entrance() *Join {
	p := f.original
	req := *p.req
	req.Room = f.to.name
	req.KindDetails = append(slices.Clone(p.req.KindDetails), livekit.ParticipantInfo_FORWARDED)
	// Nothing is sent to it.
	req.AutoSubscribe, req.AutoSubscribeData, req.SinglePC, req.RefreshToken = false, false, true, nil
	return &req
}

// run carries until either end is gone.
func (f *forwarding) run() {
	removed := false
	for range f.wakec {
		f.mu.Lock()
		now, wishes, end, over := f.now, f.wishes, f.end, f.over
		data, stuck := f.data, f.stuck
		f.now, f.wishes, f.data, f.waiting = nil, nil, nil, 0
		f.mu.Unlock()
		if over {
			f.from.post(func(s *state) { s.dropForward(f) })
			return
		}
		if len(wishes) > 0 {
			f.from.post(func(s *state) { s.wantedElsewhere(f, wishes) })
		}
		if now != nil {
			f.to.post(func(s *state) { s.reshow(f.double, now) })
		}
		f.giveData(data)
		switch {
		case end != 0:
			f.to.post(func(s *state) { s.remove(f.double, end) })
			return
		case stuck && !removed:
			removed = true
			// One message is missing: who is there must not take it for all.
			f.to.post(func(s *state) {
				f.double.log.Warn("forwarded data was too much for this room", "from", f.from.name)
				s.remove(f.double, livekit.DisconnectReason_STATE_MISMATCH)
			})
		}
	}
}

// ended says that the double is gone, which the original's room may not know yet.
func (f *forwarding) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

// tell changes what is to be carried.
func (f *forwarding) tell(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.wakec <- struct{}{}:
	default:
	}
}

// mirror has p shown as it is at the end of this turn, where it is forwarded to.
func (s *state) mirror(p *participant) {
	if len(p.forwards) > 0 && !slices.Contains(s.mirrored, p) {
		s.mirrored = append(s.mirrored, p)
	}
}

// tellForwards does what mirror was asked for.
func (s *state) tellForwards() {
	for _, p := range s.mirrored {
		for _, f := range p.forwards {
			if p.gone {
				f.tell(func() { f.end = p.reason })
			} else {
				f.tell(func() { f.now = p.portrait() })
			}
		}
	}
	clear(s.mirrored)
	s.mirrored = s.mirrored[:0]
}

// dropForward forgets a forwarding that ended, and what was wanted because of it.
func (s *state) dropForward(f *forwarding) {
	p := f.original
	p.forwards = slices.DeleteFunc(p.forwards, func(x *forwarding) bool { return x == f })
	for _, t := range p.tracks {
		if _, ok := t.demand.elsewhere[f]; ok {
			before := t.recordedFirst()
			delete(t.demand.elsewhere, f)
			s.demandChanged(t)
			t.firstCodecChanged(before)
		}
	}
}

// wantedElsewhere takes over how much of the original's tracks is wanted where it
// is forwarded to.
func (s *state) wantedElsewhere(f *forwarding, wishes map[string]wish) {
	for _, t := range f.original.tracks {
		wished, ok := wishes[t.info.Sid]
		if !ok {
			continue
		}
		if t.demand.elsewhere == nil {
			t.demand.elsewhere = make(map[*forwarding]wish)
		}
		before := t.recordedFirst()
		t.demand.elsewhere[f] = wished
		s.demandChanged(t)
		t.firstCodecChanged(before)
		if wished.second && t.backup.mime != "" && !t.backup.regressed && !t.backup.wanted {
			t.backup.wanted = true
			t.tellDemand(t.demand.top())
		}
	}
}

// show brings the double in.
func (s *state) show(f *forwarding, req *Join, now *portrait) error {
	delete(s.expected, req.Identity)
	if s.participants[req.Identity] != nil {
		s.occupancyChanged()
		return &Error{AlreadyExists, "the destination room has a participant of that identity"}
	}
	p := &participant{
		state: s, req: req, forwarding: f,
		sid: newSID(participantPrefix), identity: req.Identity, joinedAt: s.now,
		name: now.name, metadata: now.metadata, attributes: now.attributes,
		permission: now.permission, permissions: now.permissions, pubState: now.transport,
		subscriptions: make(map[string]*subscription), wanted: make(map[string]bool),
	}
	p.log = s.log.With("participant", p.identity, "participant_sid", p.sid)
	p.berth = newBerth(s.room, p)
	f.double = p
	s.add(p)
	p.log.Info("participant is forwarded here", "from", f.from.name)
	s.emit(event.Event{Name: event.ParticipantConnecting, Participant: p.info()})
	s.activate(p)
	s.reshow(p, now)
	return nil
}

// reshow makes the double what its original is now.
func (s *state) reshow(p *participant, now *portrait) {
	if p.gone {
		return
	}
	p.pubState = now.transport
	changes := maps.Clone(now.attributes)
	for key := range p.attributes {
		if _, kept := now.attributes[key]; !kept {
			if changes == nil {
				changes = make(map[string]string)
			}
			changes[key] = ""
		}
	}
	p.update(now.name, now.metadata, changes, event.ActorServer)
	p.setPermission(now.permission)
	if p.permissions != now.permissions {
		p.permissions = now.permissions
		p.reconcileSubscribers()
	}
	s.reshowDataTracks(p, now.dataTracks)
	for _, t := range slices.Clone(p.tracks) {
		if !slices.ContainsFunc(now.tracks, t.shows) {
			s.unpublish(t, event.ActorServer, mediaEnded)
			s.broadcast(p, false)
		}
	}
	for _, original := range now.tracks {
		i := slices.IndexFunc(p.tracks, func(t *track) bool { return t.shows(original) })
		if i < 0 {
			s.showTrack(p, original)
			continue
		}
		s.reshowTrack(p.tracks[i], original)
	}
}

// shows says whether t is the double of that track: the same media, or the second
// codec where that has taken the place of the first.
func (t *track) shows(original portraitTrack) bool {
	return t.original == original.info.Sid &&
		(t.receiver == original.receiver || original.backup.regressed && !t.backup.regressed)
}

func (s *state) showTrack(p *participant, original portraitTrack) {
	if !p.mayPublish(original.info.Type, original.info.Source) {
		return
	}
	info := proto.CloneOf(original.info)
	info.Sid = newTrackSID(info.Type, info.Source)
	s.makeKnown(&track{
		owner: p, cids: original.cids, info: info, receiver: original.receiver, original: original.info.Sid,
		subscribed: true,                               // its client hears that where it is
		demand:     demand{told: nothing, begun: true}, // until somebody here wants it
		backup:     original.backup,
	})
}

func (s *state) reshowTrack(t *track, original portraitTrack) {
	before := t.backup
	t.receiver, t.backup = original.receiver, original.backup
	t.backup.wanted = before.wanted || original.backup.wanted
	s.setMuted(t, original.info.Muted, event.ActorServer)
	want := proto.CloneOf(original.info)
	want.Sid, want.Version = t.info.Sid, t.info.Version
	if !proto.Equal(want, t.info) {
		s.changeTrack(t, func(info *livekit.TrackInfo) {
			version := info.Version
			proto.Reset(info)
			proto.Merge(info, want)
			info.Version = version
		})
	}
	switch {
	case t.backup.regressed && !before.regressed:
		s.useSecond(t, t.receiver)
	case t.backup.receiver != nil && t.backup.receiver != before.receiver:
		s.useSecond(t, t.backup.receiver)
	}
}
