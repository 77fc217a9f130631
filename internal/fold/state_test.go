package fold

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
)

// story makes records, one for each line: name [participant [track]].
type story struct {
	t   testing.TB
	seq uint64
	sid string
	rs  uint64
	st  State
}

func (s *story) tell(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		words := strings.Fields(line)
		name := event.Name(words[0])
		s.seq++
		s.rs++
		if name == event.RoomStarted {
			s.sid, s.rs = fmt.Sprint("RM_", s.seq), 1
		}
		e := event.Event{Name: name, Time: time.Unix(int64(s.seq), 0), Room: &livekit.Room{Sid: s.sid, Name: "den", Metadata: fmt.Sprint("m", s.seq)}}
		r := event.Record{Seq: s.seq, RoomSeq: s.rs, Name: name, Room: "den", RoomSID: s.sid, Time: e.Time}
		if len(words) > 1 {
			e.Participant = &livekit.ParticipantInfo{Sid: "PA_" + words[1], Identity: words[1]}
			if i := s.st.find("PA_" + words[1]); i >= 0 {
				e.Participant.Tracks = s.st.Participants[i].Info.Tracks
			}
			r.ParticipantSID = "PA_" + words[1]
		}
		if len(words) > 2 {
			e.Track = &livekit.TrackInfo{Sid: words[2], Muted: name == event.TrackMuted}
			r.TrackSID = words[2]
		}
		body, err := e.Body("id")
		if err != nil {
			s.t.Fatal(err)
		}
		r.Body = body
		if err := s.st.Apply(&r); err != nil {
			s.t.Fatal(err)
		}
		if s.st.Seq != s.seq {
			s.t.Errorf("after %s: Seq %d, want %d", line, s.st.Seq, s.seq)
		}
	}
}

// want compares the state with a short text: who is there, how, with what.
func (s *story) want(text string) {
	s.t.Helper()
	var parts []string
	for _, p := range s.st.Participants {
		part := p.Info.Identity + ":" + string(p.Connection)
		for _, t := range p.Info.Tracks {
			part += " " + t.Sid
			if t.Muted {
				part += "(muted)"
			}
		}
		parts = append(parts, part)
	}
	if got := strings.Join(parts, ", "); got != text {
		s.t.Errorf("after event %d: %q, want %q", s.seq, got, text)
	}
}

func TestStateIsWhatTheEventsTell(t *testing.T) {
	s := &story{t: t}
	s.want("")
	if s.st.Live || s.st.Room != nil {
		t.Errorf("a room is there before its first event: %+v", s.st)
	}
	s.tell("room_started")
	if !s.st.Live || !s.st.Whole || s.st.Room.GetSid() != "RM_1" || s.st.StartedAt != time.Unix(1, 0) {
		t.Errorf("after its start: %+v", s.st)
	}
	s.tell("participant_connecting ana")
	s.want("ana:connecting")
	s.tell("participant_joined ana", "participant_joined ben", "track_published ben TR_1", "track_published ben TR_2", "track_muted ben TR_1")
	s.want("ana:connected, ben:connected TR_1(muted) TR_2")
	s.tell("subscription_failed ana TR_2")
	s.want("ana:connected, ben:connected TR_1(muted) TR_2")
	s.tell("participant_connection_lost ben", "track_unmuted ben TR_1")
	s.want("ana:connected, ben:lost TR_1 TR_2")
	s.tell("participant_reconnecting ben")
	s.want("ana:connected, ben:reconnecting TR_1 TR_2")
	s.tell("participant_resumed ben", "participant_metadata_changed ana", "track_unpublished ben TR_1")
	s.want("ana:connected, ben:connected TR_2")
	s.tell("participant_left ana", "participant_summary ana", "participant_connecting eve", "participant_connection_aborted eve")
	s.want("ben:connected TR_2")
	late := event.Record{Seq: 18, RoomSeq: 18, Name: event.ParticipantSpoke, Room: "den", RoomSID: "RM_1", ParticipantSID: "PA_ana", Body: []byte(`{"room":{"metadata":"m18"}}`)}
	if err := s.st.Apply(&late); err != nil {
		t.Fatal(err)
	}
	s.want("ben:connected TR_2") // what comes late brings nobody back
	if got := s.st.Room.GetMetadata(); got != "m18" {
		t.Errorf("room metadata %q, want that of the last event", got)
	}
	s.tell("track_unpublished ben TR_2", "participant_left ben", "room_finished")
	s.want("")
	if s.st.Live || s.st.EndedAt != time.Unix(21, 0) || s.st.RoomSeq != 21 {
		t.Errorf("after its end: %+v", s.st)
	}
}

func TestNextSessionOfANameBeginsEmpty(t *testing.T) {
	s := &story{t: t}
	s.tell("room_started", "participant_joined ana", "room_started")
	s.want("")
	if s.st.Room.GetSid() != "RM_3" || s.st.RoomSeq != 1 {
		t.Errorf("%+v", s.st)
	}
	// Echoes of the old session change nothing.
	s.sid = "RM_1"
	s.tell("participant_left ana", "room_finished")
	s.want("")
	if s.st.Room.GetSid() != "RM_3" || !s.st.Live {
		t.Errorf("after the end of the old session: %+v", s.st)
	}
}

func TestStateWithoutTheBeginningIsNotWhole(t *testing.T) {
	s := &story{t: t, seq: 70, sid: "RM_70"}
	s.tell("participant_joined ana", "track_published ana TR_1")
	s.want("ana:connected TR_1")
	if !s.st.Live || s.st.Whole || s.st.Room.GetSid() != "RM_70" {
		t.Errorf("%+v", s.st)
	}
	s.tell("track_muted ghost TR_2") // its participant is not known
	s.want("ana:connected TR_1")
}

func TestBodyThatIsNoneIsAnError(t *testing.T) {
	var s State
	err := s.Apply(&event.Record{Seq: 1, Name: event.RoomStarted, Body: []byte("[")})
	if err == nil || s.Seq != 0 {
		t.Errorf("Apply = %v, %+v", err, s)
	}
}
