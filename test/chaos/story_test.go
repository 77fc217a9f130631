package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/rollcall-rtc/rollcall/event"
)

// story checks the log, record by record: the order of everything's life, that
// nothing lives twice, and that the counts are exact.
type story struct {
	last     uint64
	sessions map[string]*session // by room sid
	live     map[string]string   // room name -> sid of the session that is open
}

// session is one life of a room.
type session struct {
	seq      uint64
	finished bool
	people   map[string]*person // by participant sid
}

// person is one participant's session: it connects, joins and leaves, or
// connects and is aborted.
type person struct {
	joined, gone bool
	tracks       map[string]bool // by track sid; true while published
}

func newStory() *story {
	return &story{sessions: map[string]*session{}, live: map[string]string{}}
}

// add takes the next record and says what is wrong with it.
func (s *story) add(r *record) error {
	if r.Seq != s.last+1 {
		return fmt.Errorf("%v follows %d", r, s.last)
	}
	s.last = r.Seq
	room := s.sessions[r.RoomSID]
	if event.Name(r.Name) == event.RoomStarted {
		if room != nil {
			return fmt.Errorf("%v: the session has started before", r)
		}
		if open := s.live[r.Room]; open != "" {
			return fmt.Errorf("%v: session %s of the room is still open", r, open)
		}
		room = &session{people: map[string]*person{}}
		s.sessions[r.RoomSID], s.live[r.Room] = room, r.RoomSID
	}
	switch {
	case room == nil:
		return fmt.Errorf("%v: the session never started", r)
	case room.finished:
		return fmt.Errorf("%v: the session is over", r)
	case r.RoomSeq != room.seq+1:
		return fmt.Errorf("%v follows %d in its session", r, room.seq)
	}
	room.seq = r.RoomSeq
	if err := room.add(r); err != nil {
		return fmt.Errorf("%v: %w", r, err)
	}
	if room.finished {
		delete(s.live, r.Room)
	}
	return room.checkCounts(r)
}

func (room *session) add(r *record) error {
	p := room.people[r.ParticipantSID]
	switch name := event.Name(r.Name); name {
	case event.RoomStarted:
	case event.RoomFinished:
		for sid, p := range room.people {
			if !p.gone {
				return fmt.Errorf("%s is still there", sid)
			}
		}
		room.finished = true
	case event.ParticipantConnecting:
		if p != nil {
			return fmt.Errorf("seen before: %+v", *p)
		}
		room.people[r.ParticipantSID] = &person{tracks: map[string]bool{}}
	case event.ParticipantJoined, event.ParticipantConnectionAborted:
		if p == nil || p.joined || p.gone {
			return fmt.Errorf("is not connecting")
		}
		p.joined, p.gone = name == event.ParticipantJoined, name == event.ParticipantConnectionAborted
	case event.ParticipantLeft:
		if p == nil || !p.joined || p.gone {
			return fmt.Errorf("is not there to leave")
		}
		if n := p.publishing(); n > 0 {
			return fmt.Errorf("leaves %d tracks behind", n)
		}
		p.gone = true
	case event.ParticipantSummary:
		if p == nil || !p.gone {
			return fmt.Errorf("is not gone")
		}
	case event.TrackPublished:
		if p == nil || !p.joined || p.gone {
			return fmt.Errorf("its publisher is not there")
		}
		// A client that changes its codec publishes under the sid that it knows.
		if p.tracks[r.TrackSID] {
			return fmt.Errorf("is published already")
		}
		p.tracks[r.TrackSID] = true
	case event.TrackUnpublished:
		if p == nil || p.gone || !p.tracks[r.TrackSID] {
			return fmt.Errorf("is not published")
		}
		p.tracks[r.TrackSID] = false
	default:
		if _, known := event.Lookup(name); !known {
			return fmt.Errorf("is not in the catalogue")
		}
		if r.ParticipantSID != "" && (p == nil || p.gone) {
			return fmt.Errorf("its participant is not there")
		}
	}
	return nil
}

func (p *person) publishing() (n int) {
	for _, published := range p.tracks {
		if published {
			n++
		}
	}
	return n
}

// checkCounts compares the counts in the record's body with what the story
// says; the events of tracks and recordings carry none.
func (room *session) checkCounts(r *record) error {
	if d, _ := event.Lookup(event.Name(r.Name)); r.TrackSID != "" || d.Scope == event.ScopeEgress {
		return nil
	}
	var body struct {
		ID   string `json:"id"`
		Room struct {
			NumParticipants int `json:"numParticipants"`
			NumPublishers   int `json:"numPublishers"`
		} `json:"room"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return fmt.Errorf("%v: %w", r, err)
	}
	participants, publishers := 0, 0
	for _, p := range room.people {
		if p.joined && !p.gone {
			participants++
			if p.publishing() > 0 {
				publishers++
			}
		}
	}
	if got := body.Room; got.NumParticipants != participants || got.NumPublishers != publishers {
		return fmt.Errorf("%v: says %d participants and %d publishers, there are %d and %d",
			r, got.NumParticipants, got.NumPublishers, participants, publishers)
	}
	if body.ID != r.ID {
		return fmt.Errorf("%v: the body's id is %s, the record's %s", r, body.ID, r.ID)
	}
	return nil
}

// open lists the sessions of rooms that have not ended.
func (s *story) open() (sids []string) {
	for _, sid := range s.live {
		sids = append(sids, sid)
	}
	return sids
}

// present lists the participants that have begun and not ended.
func (s *story) present() (sids []string) {
	for _, room := range s.live {
		for sid, p := range s.sessions[room].people {
			if !p.gone {
				sids = append(sids, sid)
			}
		}
	}
	return sids
}

// same says whether two readings of one place in the log agree.
func same(a, b *record) bool {
	return a.String() == b.String() && a.ID == b.ID && bytes.Equal(a.Body, b.Body)
}
