package webhook

import (
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/fold"
)

// RoomState is a room as its events tell, the newest session of its name. The
// zero value is a room of which nothing was heard. It is not for use by several
// goroutines at once. What its methods return is shared with it: do not change
// it.
type RoomState struct {
	state fold.State
}

// Apply folds an event of the room in. Events have to come in order, as an Inbox
// hands them over; one that is not newer than the last changes nothing.
func (s *RoomState) Apply(ev *Event) error {
	d := &ev.Delivery
	if d.Test || d.Seq > 0 && d.Seq <= s.state.Seq {
		return nil
	}
	err := s.state.Apply(&event.Record{
		Seq: d.Seq, RoomSeq: d.RoomSeq, ID: ev.GetId(), Name: event.Name(ev.GetEvent()),
		Room: ev.GetRoom().GetName(), RoomSID: ev.GetRoom().GetSid(),
		ParticipantSID: ev.GetParticipant().GetSid(), Identity: ev.GetParticipant().GetIdentity(),
		TrackSID: ev.GetTrack().GetSid(), Time: d.OccurredAt, Synthesized: d.Synthesized, Body: ev.Raw,
	})
	if err != nil {
		return fmt.Errorf("apply event %d: %w", d.Seq, err)
	}
	return nil
}

// Seq is the place in the log of the newest event.
func (s *RoomState) Seq() uint64 { return s.state.Seq }

// Room is the session; nil if there was none.
func (s *RoomState) Room() *livekit.Room { return s.state.Room }

// Live says that the session is not over.
func (s *RoomState) Live() bool { return s.state.Live }

// Whole says that the session's events were seen from its first on. Otherwise
// somebody may be missing.
func (s *RoomState) Whole() bool { return s.state.Whole }

// StartedAt and EndedAt are when the session began and ended, as far as seen.
func (s *RoomState) StartedAt() time.Time { return s.state.StartedAt }

// EndedAt is zero while the session is live.
func (s *RoomState) EndedAt() time.Time { return s.state.EndedAt }

// Participants are those who have joined and not left, with their tracks, in the
// order in which they came.
func (s *RoomState) Participants() []*livekit.ParticipantInfo {
	in := make([]*livekit.ParticipantInfo, 0, len(s.state.Participants))
	for _, p := range s.state.Participants {
		if p.Connection != fold.Connecting {
			in = append(in, p.Info)
		}
	}
	return in
}

// Participant returns the participant of that identity, nil if it is not in.
func (s *RoomState) Participant(identity string) *livekit.ParticipantInfo {
	for _, p := range s.Participants() {
		if p.GetIdentity() == identity {
			return p
		}
	}
	return nil
}

// Tracks counts what the participants publish.
func (s *RoomState) Tracks() int {
	n := 0
	for _, p := range s.Participants() {
		n += len(p.GetTracks())
	}
	return n
}
