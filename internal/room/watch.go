package room

import (
	"context"

	"github.com/livekit/protocol/livekit"
)

// Change is something that happened to what is published in a room.
type Change struct {
	What ChangeKind
	// Participant and Track are as they are after it; Track is nil of what is about a
	// participant, and both are of RoomOver.
	Participant *livekit.ParticipantInfo
	Track       *livekit.TrackInfo
	// Left is why, of ParticipantGone.
	Left livekit.DisconnectReason
}

// ChangeKind is what happened.
type ChangeKind int

// What happens.
const (
	TrackPublished ChangeKind = iota
	TrackChanged              // muted or not, mostly
	TrackUnpublished
	ParticipantHere
	ParticipantGone
	RoomOver // nothing follows
)

// Watch tells of what is published in a room. Like a Tap it is no participant, and
// while there is one the room says that it is recorded.
type Watch struct {
	Room *livekit.Room // as it was when the watch began; immutable

	room      *Room
	tell      func(Change) // loop only
	recording int          // 1 if the room is to say that it is recorded
}

// Watch has tell called with all that is published in the room now, and then with
// each change until Close or RoomOver. It is called in the room's loop and must not
// block. It fails with ErrRoomNotFound.
func (g *Registry) Watch(ctx context.Context, room string, tell func(Change)) (*Watch, error) {
	return g.watch(ctx, room, &Watch{tell: tell, recording: 1})
}

// Observe is a Watch of which the room says nothing.
func (g *Registry) Observe(ctx context.Context, room string, tell func(Change)) (*Watch, error) {
	return g.watch(ctx, room, &Watch{tell: tell})
}

func (g *Registry) watch(ctx context.Context, room string, w *Watch) (*Watch, error) {
	tell := w.tell
	err := g.in(ctx, room, func(s *state) {
		w.Room, w.room = s.info(), s.room
		if s.watches == nil {
			s.watches = make(map[*Watch]struct{})
		}
		s.watches[w] = struct{}{}
		s.taps += w.recording
		s.countsChanged()
		for _, p := range s.inOrder {
			if !p.joined {
				continue
			}
			tell(Change{What: ParticipantHere, Participant: p.info()})
			for _, t := range p.tracks {
				tell(Change{What: TrackPublished, Participant: p.info(), Track: t.info})
			}
		}
	})
	if err != nil {
		if r := g.lookup(room); r != nil { // its turn may have been, or is yet to come
			r.post(func(s *state) { s.unwatch(w) })
		}
		return nil, err
	}
	return w, nil
}

// Close ends it. What is on its way may still be told. It may be called twice, and
// after RoomOver.
func (w *Watch) Close() { w.room.post(func(s *state) { s.unwatch(w) }) }

func (s *state) unwatch(w *Watch) {
	if _, ok := s.watches[w]; ok {
		delete(s.watches, w)
		s.taps -= w.recording
		s.countsChanged()
	}
}

func (s *state) watched(c Change) {
	for w := range s.watches {
		w.tell(c)
	}
}

// watchedTrack tells of a change of a track.
func (s *state) watchedTrack(what ChangeKind, t *track) {
	if len(s.watches) > 0 {
		s.watched(Change{What: what, Participant: t.owner.info(), Track: t.info})
	}
}

// watchedParticipant tells of somebody who came, or left.
func (s *state) watchedParticipant(what ChangeKind, p *participant) {
	if len(s.watches) > 0 {
		s.watched(Change{What: what, Participant: p.info(), Left: p.reason})
	}
}
