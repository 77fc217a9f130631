package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/eventlog"
)

// Room tells the story of one room session as a room's owner would, event by
// event, with exact counts.
type Room struct {
	name, sid string
	present   []*livekit.ParticipantInfo
	tracks    map[string][]*livekit.TrackInfo // by participant sid
	made      int
}

// NewRoom returns a session of that name; sids derive from sid.
func NewRoom(name, sid string) *Room {
	return &Room{name: name, sid: sid, tracks: make(map[string][]*livekit.TrackInfo)}
}

func (r *Room) snapshot() *livekit.Room {
	s := &livekit.Room{Sid: r.sid, Name: r.name, EmptyTimeout: 300, Metadata: "about " + r.name,
		NumParticipants: uint32(len(r.present))}
	for _, p := range r.present {
		if len(r.tracks[p.Sid]) > 0 {
			s.NumPublishers++
		}
	}
	return s
}

func (r *Room) event(name event.Name) event.Event {
	return event.Event{Name: name, Time: time.Unix(1_700_000_000, 123_456_789), Room: r.snapshot()}
}

// Start returns room_started.
func (r *Room) Start() event.Event { return r.event(event.RoomStarted) }

// Join returns participant_joined of somebody new.
func (r *Room) Join() event.Event {
	r.made++
	p := &livekit.ParticipantInfo{
		Sid: fmt.Sprintf("PA_%s_%d", r.sid, r.made), Identity: fmt.Sprintf("identity-%d", r.made), Name: "Somebody",
		State: livekit.ParticipantInfo_ACTIVE, JoinedAt: 1_700_000_000, Metadata: "about me",
	}
	r.present = append(r.present, p)
	e := r.event(event.ParticipantJoined)
	e.Participant = p
	return e
}

// Publish returns track_published of a new track of the participant that is
// i-th in the room.
func (r *Room) Publish(i int) event.Event {
	r.made++
	p := r.present[i]
	track := &livekit.TrackInfo{Sid: fmt.Sprintf("TR_%s_%d", r.sid, r.made), Type: livekit.TrackType_VIDEO, Name: "camera"}
	r.tracks[p.Sid] = append(r.tracks[p.Sid], track)
	e := r.event(event.TrackPublished)
	e.Participant, e.Track = p, track
	return e
}

// Leave returns the events with which the i-th participant leaves.
func (r *Room) Leave(i int) []event.Event {
	p := r.present[i]
	var events []event.Event
	for _, track := range r.tracks[p.Sid] {
		e := r.event(event.TrackUnpublished)
		e.Participant, e.Track = p, track
		events = append(events, e)
	}
	delete(r.tracks, p.Sid)
	r.present = append(r.present[:i:i], r.present[i+1:]...)
	e := r.event(event.ParticipantLeft)
	e.Participant = &livekit.ParticipantInfo{Sid: p.Sid, Identity: p.Identity, State: livekit.ParticipantInfo_DISCONNECTED}
	return append(events, e)
}

// Finish returns the events with which everybody leaves and the room ends.
func (r *Room) Finish() []event.Event {
	var events []event.Event
	for len(r.present) > 0 {
		events = append(events, r.Leave(0)...)
	}
	e := r.event(event.RoomFinished)
	e.RoomEndReason = livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT
	return append(events, e)
}

// Typical returns a participant_joined with a body of about 1 KB, in the room of
// that number.
func Typical(room int) event.Event {
	sid := fmt.Sprintf("RM_%012d", room)
	return event.Event{
		Name: event.ParticipantJoined, Time: time.Unix(1_700_000_000, 0),
		Room: &livekit.Room{
			Sid: sid, Name: fmt.Sprintf("room-%d", room), EmptyTimeout: 300, DepartureTimeout: 20, CreationTime: 1_700_000_000,
			CreationTimeMs: 1_700_000_000_123, NumParticipants: 3, NumPublishers: 2, Metadata: strings.Repeat("m", 100),
			EnabledCodecs: []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}, {Mime: "video/H264"}},
		},
		Participant: &livekit.ParticipantInfo{
			Sid: "PA_" + sid, Identity: "identity", Name: "A Name", State: livekit.ParticipantInfo_ACTIVE,
			JoinedAt: 1_700_000_000, JoinedAtMs: 1_700_000_000_123, Metadata: strings.Repeat("m", 300),
			Permission: &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true},
			Attributes: map[string]string{"plan": "free", "team": "red"}, IsPublisher: true,
		},
	}
}

// Record returns a record of no room whose id was minted at that time.
func Record(seq uint64, at time.Time) event.Record {
	var id uuid.UUID
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8], id[15] = 7<<4, 0x80, byte(seq)
	return event.Record{Seq: seq, ID: id.String(), Name: event.EgressStarted, Time: at.Truncate(time.Microsecond).UTC(), Body: []byte("{}")}
}

// ReadAll returns every committed record.
func ReadAll(t *testing.T, l *eventlog.Log) []event.Record {
	t.Helper()
	var all []event.Record
	for {
		var after uint64
		if n := len(all); n > 0 {
			after = all[n-1].Seq
		}
		records, err := l.Read(context.Background(), after, eventlog.MaxRead)
		if err != nil {
			t.Fatalf("read after %d: %v", after, err)
		}
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
	}
}

// CheckOrder fails the test unless the records are a log from its beginning:
// Seq and each session's RoomSeq without gaps, ids rising.
func CheckOrder(t *testing.T, records []event.Record) {
	t.Helper()
	rooms := make(map[string]uint64)
	var id string
	for i, r := range records {
		if r.Seq != uint64(i)+1 {
			t.Fatalf("record %d has Seq %d", i+1, r.Seq)
		}
		if r.RoomSID != "" {
			rooms[r.RoomSID]++
			if r.RoomSeq != rooms[r.RoomSID] {
				t.Fatalf("event %d (%s) has RoomSeq %d in %s, want %d", r.Seq, r.Name, r.RoomSeq, r.RoomSID, rooms[r.RoomSID])
			}
		}
		if r.ID <= id {
			t.Fatalf("event %d has id %s after %s", r.Seq, r.ID, id)
		}
		id = r.ID
		if u, err := uuid.Parse(id); err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("event %d has id %s, no UUID of version 7: %v", r.Seq, id, err)
		}
	}
}

// CheckClosed fails the test unless each thing that the records open is closed
// by them once, and from the inside out: tracks, participant, room.
func CheckClosed(t *testing.T, records []event.Record) {
	t.Helper()
	open := make(map[eventlog.Thing]bool) // false once closed
	inside := make(map[eventlog.Thing]int)
	for _, r := range records {
		def, ok := event.Lookup(r.Name)
		if !ok {
			t.Fatalf("event %d has the unknown name %q", r.Seq, r.Name)
		}
		room := eventlog.Thing{RoomSID: r.RoomSID}
		participant := eventlog.Thing{RoomSID: r.RoomSID, ParticipantSID: r.ParticipantSID}
		thing, outer := room, eventlog.Thing{}
		switch def.Scope {
		case event.ScopeParticipant:
			thing, outer = participant, room
		case event.ScopeTrack:
			thing, outer = participant, participant
			thing.TrackSID = r.TrackSID
		}
		switch r.Name {
		case event.RoomStarted, event.ParticipantJoined, event.TrackPublished:
			if _, ok := open[thing]; ok {
				t.Fatalf("event %d (%s) opens %v again", r.Seq, r.Name, thing)
			}
			if outer != (eventlog.Thing{}) && !open[outer] {
				t.Fatalf("event %d (%s) in %v, which is not open", r.Seq, r.Name, outer)
			}
			open[thing] = true
			inside[outer]++
		case event.RoomFinished, event.ParticipantLeft, event.TrackUnpublished:
			if !open[thing] {
				t.Fatalf("event %d (%s) closes %v, which is not open", r.Seq, r.Name, thing)
			}
			if inside[thing] > 0 {
				t.Fatalf("event %d (%s) closes %v before what is in it", r.Seq, r.Name, thing)
			}
			open[thing] = false
			inside[outer]--
		}
	}
	for thing, open := range open {
		if open {
			t.Fatalf("%v is not closed", thing)
		}
	}
}
