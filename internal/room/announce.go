package room

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
)

const (
	// In a room with more participants than this, who comes and goes without a
	// track is told with others of the moment: to tell each of n participants of
	// each of the others is n² messages.
	crowded = 50
	// crowdDelay is how long that waits, for each participant in the room, so that
	// a room causes no more than two hundred such messages a second. With more than
	// two hundred participants, where maxCrowdDelay ends that, each is told once a
	// second: as many messages as there are participants.
	crowdDelay    = 5 * time.Millisecond
	maxCrowdDelay = time.Second
)

// announcements are arrivals and departures that the others are not told of yet.
type announcements struct {
	infos []*livekit.ParticipantInfo // in order
	total int                        // how many there have been, with these
	due   time.Time                  // zero: none are there
}

// announce tells the others that p came or went, without delay where that is
// cheap. p publishes nothing.
func (s *state) announce(p *participant) {
	if len(s.participants) <= crowded {
		s.broadcastInfo(p, p.info())
		return
	}
	a := &s.crowd
	a.infos = append(a.infos, p.info())
	a.total++
	if a.due.IsZero() {
		a.due = s.now.Add(min(time.Duration(len(s.participants))*crowdDelay, maxCrowdDelay))
		s.wakeAt(a.due)
	}
}

// informed says that p, which has just been told of everybody, need not hear of
// what waits.
func (s *state) informed(p *participant) { p.informed = s.crowd.total }

// superseded says that everybody is about to hear of p's present state. What
// waits about an earlier session of the same identity goes first.
func (s *state) superseded(p *participant) {
	a := &s.crowd
	for i, info := range a.infos {
		switch {
		case info == nil || info.Identity != p.identity:
		case info.Sid == p.sid:
			a.infos[i] = nil // the others keep their numbers
		default:
			s.tellAnnouncements()
			return
		}
	}
}

// introduce makes sure that the others know p before they hear from it.
func (s *state) introduce(p *participant) {
	if slices.ContainsFunc(s.crowd.infos, func(i *livekit.ParticipantInfo) bool { return i != nil && i.Sid == p.sid }) {
		s.tellAnnouncements()
	}
}

// tickAnnouncements tells what is due.
func (s *state) tickAnnouncements() {
	if due := s.crowd.due; !due.IsZero() && !s.now.Before(due) {
		s.tellAnnouncements()
	}
	s.wakeAt(s.crowd.due)
}

func (s *state) tellAnnouncements() {
	a := &s.crowd
	infos, from := a.infos, a.total-len(a.infos)
	a.infos, a.due = nil, time.Time{}
	messages := make(map[int]*Message) // by how many of them are known already
	for _, p := range s.participants {
		known := max(p.informed-from, 0)
		m, made := messages[known]
		if !made {
			if fresh := latest(infos[known:]); len(fresh) > 0 {
				m = updateMessage(fresh...)
			}
			messages[known] = m
		}
		if m != nil {
			p.send(m)
		}
	}
}

// latest leaves out what a later state of the same session makes old, and who
// came and went unseen.
func latest(infos []*livekit.ParticipantInfo) []*livekit.ParticipantInfo {
	var out []*livekit.ParticipantInfo
	for i, info := range infos {
		if info == nil || slices.ContainsFunc(infos[i+1:], func(later *livekit.ParticipantInfo) bool {
			return later != nil && later.Sid == info.Sid
		}) {
			continue
		}
		out = append(out, info)
	}
	return out
}
