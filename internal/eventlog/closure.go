package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// crashed is the Reason of synthesized events. LiveKit's enums have no word for
// it; the server went down, so there it is SERVER_SHUTDOWN.
const crashed = "server_crash"

// CloseOpen ends, on behalf of a server that died, what the log holds open:
// for each room session track_unpublished and participant_left (or, who was
// still connecting, participant_connection_aborted) for each participant, in the order in which they joined, then room_finished; all
// happening now, and synthesized. It returns how many events that took, once
// they are durable. Nothing may be appended meanwhile: it is the first thing
// that a server does with its log.
//
// A crash on the way is no harm: each event closes its entry in the index in
// the same commit, so that the next CloseOpen goes on with what is left.
func (l *Log) CloseOpen(ctx context.Context, now time.Time) (int, error) {
	n, _, err := l.closeOpen(ctx, now, false)
	return n, err
}

// ClosePeople is CloseOpen for participants and their tracks only. It returns
// the room sessions that are left open, as they were last and with nobody in
// them, for the server to go on with.
func (l *Log) ClosePeople(ctx context.Context, now time.Time) (n int, rooms []*livekit.Room, err error) {
	return l.closeOpen(ctx, now, true)
}

func (l *Log) closeOpen(ctx context.Context, now time.Time, keepRooms bool) (n int, rooms []*livekit.Room, err error) {
	// The index is as of the last commit.
	if err := l.Sync(ctx, l.lastAppended()); err != nil {
		return 0, nil, fmt.Errorf("close what is open: %w", err)
	}
	open, err := l.openThings()
	if err != nil {
		return 0, nil, fmt.Errorf("close what is open: %w", err)
	}
	last := l.lastAppended()
	for _, session := range bySession(open) {
		if err := ctx.Err(); err != nil {
			return n, nil, err
		}
		events, err := l.closeSession(session, now)
		if err != nil {
			return n, nil, fmt.Errorf("close room session %s: %w", session[0].RoomSID, err)
		}
		if end := len(events) - 1; keepRooms && end >= 0 && events[end].Name == event.RoomFinished {
			rooms = append(rooms, events[end].Room)
			events = events[:end]
		}
		if len(events) == 0 {
			continue
		}
		last = l.Append(events...)
		n += len(events)
	}
	if err := l.Sync(ctx, last); err != nil {
		return n, nil, fmt.Errorf("close what is open: %w", err)
	}
	return n, rooms, nil
}

func (l *Log) lastAppended() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

func (l *Log) openThings() ([]Entry, error) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return nil, err
	}
	return l.store.Open("")
}

// bySession sorts the entries by their age and groups them by room session.
func bySession(open []Entry) [][]Entry {
	slices.SortFunc(open, func(a, b Entry) int { return cmp.Compare(a.Opened, b.Opened) })
	var sessions [][]Entry
	at := make(map[string]int)
	for _, o := range open {
		i, ok := at[o.RoomSID]
		if !ok {
			i = len(sessions)
			at[o.RoomSID] = i
			sessions = append(sessions, nil)
		}
		sessions[i] = append(sessions[i], o)
	}
	return sessions
}

// leaving is a participant that the closure ends.
type leaving struct {
	info   *livekit.ParticipantInfo
	open   bool // or only a track of it is
	joined bool // or it was still connecting
	tracks []*livekit.TrackInfo
}

// closeSession returns the events that close one session, whose entries are given in
// their order.
func (l *Log) closeSession(open []Entry, now time.Time) ([]event.Event, error) {
	room := &livekit.Room{Sid: open[0].RoomSID, Name: open[0].Room}
	var roomOpen bool
	var participants []*leaving
	bySID := make(map[string]*leaving)
	of := func(sid string) *leaving {
		p := bySID[sid]
		if p == nil {
			p = &leaving{info: &livekit.ParticipantInfo{Sid: sid}}
			bySID[sid] = p
			participants = append(participants, p)
		}
		return p
	}
	for _, o := range open {
		w, err := l.describe(o)
		if err != nil {
			return nil, err
		}
		switch {
		case o.TrackSID != "":
			p := of(o.ParticipantSID)
			if w.Participant != nil && !p.open {
				p.info = w.Participant
			}
			track := w.Track
			if track == nil {
				track = &livekit.TrackInfo{Sid: o.TrackSID}
			}
			p.tracks = append(p.tracks, track)
		case o.ParticipantSID != "":
			p := of(o.ParticipantSID)
			p.open = true
			if w.Participant != nil {
				p.info = w.Participant
			}
			p.joined = p.info.State == livekit.ParticipantInfo_ACTIVE
		default:
			roomOpen = true
			if w.Room != nil {
				room = w.Room
			}
		}
	}

	var events []event.Event
	room.ActiveRecording = false
	for i, p := range participants {
		gone := count(room, participants[i+1:])
		before := count(room, participants[i:])
		for _, t := range p.tracks {
			events = append(events, event.Event{
				Name: event.TrackUnpublished, Time: now, Synthesized: true, Actor: event.ActorCrash, Reason: crashed,
				Room: before, Participant: p.info, Track: t,
			})
		}
		if !p.open {
			continue
		}
		name := event.ParticipantLeft
		if !p.joined {
			name = event.ParticipantConnectionAborted
		}
		p.info.State = livekit.ParticipantInfo_DISCONNECTED
		p.info.DisconnectReason = livekit.DisconnectReason_SERVER_SHUTDOWN
		p.info.Tracks = nil
		p.info.IsPublisher = false
		events = append(events, event.Event{
			Name: name, Time: now, Synthesized: true, Actor: event.ActorCrash, Reason: crashed,
			Room: gone, Participant: p.info,
		})
	}
	if roomOpen {
		events = append(events, event.Event{
			Name: event.RoomFinished, Time: now, Synthesized: true, Actor: event.ActorCrash, Reason: crashed,
			Room: count(room, nil), RoomEndReason: livekit.RoomEndReason_ROOM_END_SERVER_SHUTDOWN,
		})
	}
	return events, nil
}

// count returns room with the participants that are still in it counted.
func count(room *livekit.Room, present []*leaving) *livekit.Room {
	room = proto.CloneOf(room)
	room.NumParticipants, room.NumPublishers = 0, 0
	for _, p := range present {
		if !p.joined || dependent(p.info) {
			continue
		}
		room.NumParticipants++
		if len(p.tracks) > 0 {
			room.NumPublishers++
		}
	}
	return room
}

// dependent says whether the participant serves the others, as agents and
// recorders do, and is by LiveKit's rule not counted among them.
func dependent(p *livekit.ParticipantInfo) bool {
	switch p.Kind {
	case livekit.ParticipantInfo_AGENT, livekit.ParticipantInfo_EGRESS:
		return true
	default:
		// Tokens older than the kinds say it with their permissions.
		return p.Permission.GetAgent() || p.Permission.GetRecorder() //nolint:staticcheck // as said
	}
}

// describe returns the body of the record behind an index entry. A damaged
// record leaves the sids of the entry, and the thing is closed all the same.
func (l *Log) describe(o Entry) (*livekit.WebhookEvent, error) {
	l.reading.RLock()
	defer l.reading.RUnlock()
	if err := l.Err(); err != nil {
		return nil, err
	}
	records, err := l.store.Read("", o.Seq-1, 1)
	if err == nil && (len(records) == 0 || records[0].Seq != o.Seq) {
		err = &CorruptError{Seq: o.Seq, Reason: "missing"}
	}
	if err == nil {
		var w *livekit.WebhookEvent
		if w, err = records[0].Webhook(); err == nil {
			return w, nil
		}
	}
	l.logger.Error("closing an open session without its description", "seq", o.Seq, "room_sid", o.RoomSID,
		"participant_sid", o.ParticipantSID, "track_sid", o.TrackSID, "error", err)
	return new(livekit.WebhookEvent), nil
}
