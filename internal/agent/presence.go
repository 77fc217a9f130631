package agent

import (
	"context"
	"slices"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Who is in a room, the log tells from the room's start on. A room that wants an agent
// only later is asked for it, and who comes and goes meanwhile must be neither missed nor
// taken to be there: from before it is asked, what happens in it is held back until its
// answer is in.

// await follows the room from now on, for a dispatch that is about to be made, until
// release.
func (s *state) await(info *livekit.Room) *room {
	r := s.rooms[info.Sid]
	if r == nil {
		r = s.roomOf(info)
		r.asked = true
	}
	r.awaited++
	return r
}

// release ends an await.
func (s *state) release(r *room) {
	r.awaited--
	switch {
	case r.awaited > 0 || s.rooms[r.info.Sid] != r: // somebody else asks, or it is over
	case len(r.dispatches) == 0:
		s.dropIdle(r)
	default:
		s.answered(r, nil) // it has started meanwhile, and nobody was there before
	}
}

// dropIdle forgets a room that wants no agents any more.
func (s *state) dropIdle(r *room) {
	if len(r.dispatches) == 0 && r.awaited == 0 && s.rooms[r.info.Sid] == r {
		delete(s.rooms, r.info.Sid)
	}
}

// answered takes in who was in the room when it was asked, and then what happened since.
func (s *state) answered(r *room, present []*livekit.ParticipantInfo) {
	if !r.asked {
		return
	}
	for _, p := range present {
		if p.State == livekit.ParticipantInfo_ACTIVE && wantsAgents(p) {
			r.present[p.Identity] = &attendee{info: p, published: p.IsPublisher}
		}
	}
	held := r.held
	r.asked, r.held = false, nil
	for i := range held {
		s.follow(r, &held[i])
	}
}

// follow takes note of what happened in a room that wants agents.
func (s *state) follow(r *room, rec *event.Record) {
	switch {
	case rec.Name == event.RoomFinished:
		s.roomFinished(r)
	case r.asked:
		r.held = append(r.held, *rec)
	case rec.Name == event.ParticipantJoined:
		if w, err := rec.Webhook(); err == nil && w.Participant != nil {
			s.participantJoined(r, w.Participant)
		}
	case rec.Name == event.TrackPublished:
		s.participantPublished(r, rec.Identity)
	default:
		s.participantLeft(r, rec.Identity, rec.ParticipantSID)
	}
}

// present returns who is in the room, and whether that is still live.
func (d *Dispatcher) present(ctx context.Context, info *livekit.Room) (present []*livekit.ParticipantInfo, live bool, err error) {
	if present, err = d.opts.Rooms.ListParticipants(ctx, info.Name); err != nil {
		return nil, false, err
	}
	rooms, err := d.opts.Rooms.List(ctx, []string{info.Name})
	return present, slices.ContainsFunc(rooms, func(r *livekit.Room) bool { return r.Sid == info.Sid }), err
}
