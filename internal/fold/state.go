package fold

import (
	"fmt"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// Connection is how a participant is connected, as its events tell.
type Connection string

// The connections.
const (
	Connecting   Connection = "connecting" // accepted, its transport comes up
	Connected    Connection = "connected"
	Lost         Connection = "lost" // nothing is heard of it
	Reconnecting Connection = "reconnecting"
)

// Participant is somebody in the room.
type Participant struct {
	Info       *livekit.ParticipantInfo
	Connection Connection
}

// State is a room as the events up to Seq tell of it.
type State struct {
	// Seq and RoomSeq are of the last event that was folded in; 0 if none was.
	Seq, RoomSeq uint64
	// Room is the newest session, nil if there was none yet.
	Room *livekit.Room
	// Live says that the session is not over.
	Live bool
	// Whole says that the events of the session were seen from its first on. In
	// a state that is not whole somebody may be missing.
	Whole bool
	// StartedAt is when the session began, if that was seen, EndedAt when it
	// ended.
	StartedAt, EndedAt time.Time
	// Participants are in the order in which they came.
	Participants []*Participant

	sid string // of the session
}

// Apply folds the next event of the room in. Events have to come in their
// order; those of a session that is over already, as the end of a recording,
// change nothing but Seq.
func (s *State) Apply(r *event.Record) error {
	d, known := event.Lookup(r.Name)
	if !known || d.Scope != event.ScopeRoom && d.Scope != event.ScopeParticipant && d.Scope != event.ScopeTrack {
		s.Seq = r.Seq
		return nil
	}
	w, err := r.Webhook()
	if err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	switch {
	case r.Name == event.RoomStarted:
		*s = State{sid: r.RoomSID, Live: true, Whole: true, StartedAt: r.Time}
	case s.sid != r.RoomSID && (s.Live || r.Name == event.RoomFinished || r.Name == event.RoomSummary) && s.sid != "":
		s.Seq = r.Seq // an echo of an older session
		return nil
	case s.sid != r.RoomSID:
		// The beginning of the session has left the log.
		*s = State{sid: r.RoomSID, Live: true}
	}
	s.Seq, s.RoomSeq = r.Seq, r.RoomSeq
	switch d.Scope {
	case event.ScopeRoom:
		s.Room = w.GetRoom()
		if r.Name == event.RoomFinished {
			s.Live, s.EndedAt, s.Participants = false, r.Time, nil
		}
	case event.ScopeParticipant:
		s.Room = w.GetRoom()
		s.participant(r, w.GetParticipant())
	case event.ScopeTrack:
		if s.Room == nil {
			s.Room = w.GetRoom() // its name and sid, at least
		}
		s.track(r, w.GetTrack())
	}
	return nil
}

func (s *State) find(sid string) int {
	return slices.IndexFunc(s.Participants, func(p *Participant) bool { return p.Info.GetSid() == sid })
}

func (s *State) participant(r *event.Record, info *livekit.ParticipantInfo) {
	i := s.find(r.ParticipantSID)
	switch r.Name {
	case event.ParticipantLeft, event.ParticipantConnectionAborted:
		if i >= 0 {
			s.Participants = slices.Delete(s.Participants, i, i+1)
		}
		return
	case event.ParticipantSummary:
		return // follows participant_left
	}
	if i < 0 {
		opens := r.Name == event.ParticipantConnecting || r.Name == event.ParticipantJoined
		if s.Whole && !opens {
			return // it has left
		}
		i = len(s.Participants)
		s.Participants = append(s.Participants, &Participant{Connection: Connected})
	}
	p := s.Participants[i]
	p.Info = info
	switch r.Name {
	case event.ParticipantConnecting:
		p.Connection = Connecting
	case event.ParticipantConnectionLost:
		p.Connection = Lost
	case event.ParticipantReconnecting:
		p.Connection = Reconnecting
	case event.ParticipantJoined, event.ParticipantResumed:
		p.Connection = Connected
	}
}

func (s *State) track(r *event.Record, track *livekit.TrackInfo) {
	i := s.find(r.ParticipantSID)
	if i < 0 || r.Name == event.SubscriptionFailed { // whose participant is not the publisher
		return
	}
	info := s.Participants[i].Info
	at := slices.IndexFunc(info.Tracks, func(t *livekit.TrackInfo) bool { return t.GetSid() == track.GetSid() })
	switch {
	case r.Name == event.TrackUnpublished && at >= 0:
		info.Tracks = slices.Delete(info.Tracks, at, at+1)
	case r.Name == event.TrackUnpublished:
	case at >= 0:
		info.Tracks[at] = track
	default:
		info.Tracks = append(info.Tracks, track)
	}
}
