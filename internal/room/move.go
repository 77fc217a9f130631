package room

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// moveProtocol is the first protocol whose clients understand room_moved.
const moveProtocol = 16

// moved is why a participant left that was moved, as events spell it.
const moved = "moved"

// MoveParticipant takes a participant out of a room and puts it into another, on
// the connections that it has and with the tracks that it publishes. Others see it
// leave the one room and join the other, in which it has a new sid; its tracks
// keep theirs. The other room is made if there is none, unless auto-create is off.
//
// It fails with failed_precondition for a participant that is not connected yet,
// is forwarded, or whose client is too old to be moved, and like a join where the
// other room does not let it in.
func (g *Registry) MoveParticipant(ctx context.Context, req *livekit.MoveParticipantRequest) error {
	if err := g.checkDestination(req.Room, req.DestinationRoom); err != nil {
		return err
	}
	var p *participant
	err := g.with(ctx, req.Room, req.Identity, func(_ *state, found *participant) error {
		p = found
		return p.movable()
	})
	if err != nil {
		return err
	}
	to, err := g.expect(ctx, req.DestinationRoom, p.req)
	if err != nil {
		return err
	}
	if !p.berth.hold() {
		to.post(func(s *state) { s.expectNoLonger(req.Identity) })
		return &Error{FailedPrecondition, "participant is being moved already"}
	}
	// From here on it is in neither room: it must arrive whatever the caller does.
	seq, err := g.carry(context.WithoutCancel(ctx), p, to, req.DestinationRoom)
	if err != nil || g.opts.Sync == nil {
		return err
	}
	return g.opts.Sync(ctx, seq)
}

// checkDestination says whether a participant of room can be brought to another.
func (g *Registry) checkDestination(room, destination string) error {
	if destination == "" {
		return invalid("destination_room is required")
	}
	if room == destination {
		return invalid("destination_room is the room in which the participant is")
	}
	return g.opts.Limits.checkRoomName(destination)
}

// movable says whether p can be moved.
func (p *participant) movable() error {
	switch protocol := p.req.Client.GetProtocol(); {
	case p.forwarding != nil:
		return ErrForwarded
	case !p.joined || p.leaving != 0:
		return &Error{FailedPrecondition, "participant is not connected yet"}
	case protocol < moveProtocol:
		return &Error{FailedPrecondition, fmt.Sprintf(
			"the participant's client speaks protocol %d of signalling, being moved needs %d", protocol, moveProtocol)}
	}
	return nil
}

// expect keeps a place in a room for somebody who is moved there.
func (g *Registry) expect(ctx context.Context, name string, req *Join) (*Room, error) {
	for {
		r, _, err := g.roomFor(ctx, &livekit.CreateRoomRequest{Name: name}, !g.opts.Defaults.NoAutoCreate)
		if err != nil {
			return nil, err
		}
		var refused error
		// Whoever keeps a place gives it up. A caller who is gone would not.
		_, err = r.do(context.WithoutCancel(ctx), func(s *state) {
			if refused = ctx.Err(); refused == nil {
				refused = s.expect(req)
			}
		})
		switch {
		case errors.Is(err, errClosed):
			continue // it ended meanwhile
		case err != nil:
			return nil, err
		}
		return r, refused
	}
}

func (s *state) expect(req *Join) error {
	switch {
	case s.finished:
		return errClosed
	}
	if err := s.refuses(req); err != nil {
		return err
	}
	if s.expected == nil {
		s.expected = make(map[string]bool)
	}
	s.expected[req.Identity] = !req.dependent()
	s.occupancyChanged()
	return nil
}

func (s *state) expectNoLonger(identity string) {
	delete(s.expected, identity)
	s.occupancyChanged()
}

// carry moves p, whose berth is held, into a room that expects it, and returns the
// place of the last event.
func (g *Registry) carry(ctx context.Context, p *participant, to *Room, name string) (uint64, error) {
	from, _ := p.berth.where()
	var next *participant
	var tracks []*track
	var refused error
	_, err := from.do(ctx, func(s *state) {
		switch {
		case p.gone:
			refused = ErrParticipantNotFound
		default:
			if refused = p.movable(); refused == nil {
				next, tracks = s.depart(p, name)
			}
		}
	})
	if err != nil || refused != nil {
		if errors.Is(err, errClosed) {
			err = ErrParticipantNotFound
		}
		p.berth.settle(from, p)
		to.post(func(s *state) { s.expectNoLonger(p.identity) })
		return 0, errors.Join(err, refused)
	}
	for {
		seq, err := to.do(ctx, func(s *state) { s.arrive(next, tracks) })
		if err == nil {
			p.berth.settle(to, next)
			return seq, nil
		}
		// The room was deleted at this moment; its successor will do.
		if to, err = g.expect(ctx, name, next.req); err != nil {
			p.berth.settle(from, p)
			g.strand(next)
			return 0, err
		}
	}
}

// depart takes p out of the room, and returns it as it is to arrive in another.
func (s *state) depart(p *participant, name string) (*participant, []*track) {
	req := *p.req
	req.Room = name
	next := &participant{
		req: &req, berth: p.berth,
		sid:           newSID(participantPrefix),
		formerly:      append(slices.Clone(p.formerly), p.sid),
		identity:      p.identity,
		name:          p.name,
		metadata:      p.metadata,
		attributes:    p.attributes,
		permission:    p.permission,
		sink:          p.sink,
		signalLostAt:  p.signalLostAt,
		publisher:     p.publisher,
		subscriber:    p.subscriber,
		duplex:        p.duplex,
		described:     p.described,
		pubState:      p.pubState,
		subState:      p.subState,
		resumedAt:     p.resumedAt,
		missing:       p.missing,
		deadline:      p.deadline,
		hangUp:        p.hangUp,
		pending:       p.pending,
		unmatched:     p.unmatched,
		reliable:      p.reliable,
		overflowed:    p.overflowed,
		permissions:   p.permissions,
		ended:         p.ended,
		lastHandle:    p.lastHandle,
		way:           p.way,
		speaking:      p.speaking,
		voiceAt:       p.voiceAt,
		pace:          p.pace,
		negotiation:   p.negotiation,
		turns:         p.turns,
		subscriptions: make(map[string]*subscription),
		wanted:        make(map[string]bool),
	}
	for _, t := range next.pending {
		t.owner = next
	}
	var tracks []*track
	for _, t := range p.tracks {
		// What its client was told to send it goes on to send.
		tracks = append(tracks, &track{
			owner: next, cids: t.cids, info: t.info, receiver: t.receiver, subscribed: t.subscribed, asked: t.asked,
			demand: demand{told: t.demand.told, begun: true}, backup: t.backup,
		})
	}
	for _, t := range slices.Clone(p.dataTracks) {
		p.removeDataTrack(t) // its client is not told that it ends
		next.dataTracks = append(next.dataTracks, &dataTrack{owner: next, info: t.info})
	}
	s.withdraw(p, livekit.DisconnectReason_MIGRATION, event.ActorAPI, moved)
	s.hangUp(p)
	p.sink, p.publisher, p.subscriber, p.duplex = nil, nil, nil, nil
	s.onDeparture(p.sid, farewell{reason: livekit.DisconnectReason_MIGRATION, from: p.place(), came: p.req.At, moved: p.berth})
	s.occupancyChanged()
	return next, tracks
}

// arrive takes in a participant that departed from another room. Its client hears
// of that before anything else of this room.
func (s *state) arrive(p *participant, tracks []*track) {
	delete(s.expected, p.identity)
	if old := s.participants[p.identity]; old != nil {
		old.sendLeave(livekit.DisconnectReason_DUPLICATE_IDENTITY, livekit.LeaveRequest_DISCONNECT)
		s.remove(old, livekit.DisconnectReason_DUPLICATE_IDENTITY)
	}
	p.state, p.joinedAt = s, s.now
	p.log = s.log.With("participant", p.identity, "participant_sid", p.sid)
	s.add(p)
	for _, t := range p.dataTracks {
		s.dataTracks[t.info.Sid] = t
	}
	s.emit(event.Event{Name: event.ParticipantConnecting, Participant: p.info()})

	info := proto.CloneOf(p.info())
	info.State, info.IsPublisher = livekit.ParticipantInfo_ACTIVE, len(tracks) > 0
	for _, t := range tracks {
		info.Tracks = append(info.Tracks, t.info)
	}
	p.tellMoved(info)
	p.voiceHeard(p)

	deadline := p.deadline
	s.activate(p)
	for _, t := range tracks {
		s.makeKnown(t)
	}
	p.deadline = deadline
	s.wakeAt(p.deadline)
	s.wakeAt(p.hangUp)
	s.wakeAt(s.now) // whatever else was due
	if p.primary() != peer.Connected {
		p.lose("transport")
	} else if p.sink == nil {
		p.lose("signal")
	}
	p.reconcileSubscriptions()
}

// tellMoved tells p's client in which room it is now. info is p's as the client is
// to see it.
func (p *participant) tellMoved(info *livekit.ParticipantInfo) {
	p.tokenDue = p.state.now.Add(tokenRefresh)
	p.state.wakeAt(p.tokenDue)
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_RoomMoved{RoomMoved: &livekit.RoomMovedResponse{
		Room:              p.state.info(),
		Token:             p.mintToken(),
		Participant:       info,
		OtherParticipants: p.state.others(p),
	}}})
	p.state.informed(p)
}

// strand ends the connections of a participant that departed and that no room
// takes, because the server stops. Its client may come back as after any stop.
func (g *Registry) strand(p *participant) {
	p.sendLeave(livekit.DisconnectReason_SERVER_SHUTDOWN, livekit.LeaveRequest_RESUME)
	if p.sink != nil {
		p.sink.Close()
	}
	if g.opts.Relay != nil {
		for _, sid := range p.formerly {
			g.opts.Relay.Revoke(sid)
		}
	}
	if p.subscriber != nil {
		p.subscriber.Close()
	}
	if p.publisher != nil {
		p.publisher.Close()
	}
}
