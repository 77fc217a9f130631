package eventlog

import "github.com/rollcall-rtc/rollcall/event"

// kind is what the index needs to know of an event, from the catalogue.
type kind struct {
	scope  event.Scope
	opens  bool
	closes bool
}

// kinds returns the kinds of the events that open, close or describe a room, a
// participant or a track.
func kinds() map[event.Name]kind {
	m := make(map[event.Name]kind)
	for _, d := range event.Catalogue() {
		switch d.Scope {
		case event.ScopeRoom, event.ScopeParticipant, event.ScopeTrack:
			k := m[d.Name]
			k.scope, k.closes = d.Scope, len(d.Closes) > 0
			m[d.Name] = k
			for _, name := range d.Closes {
				k := m[name]
				k.opens = true
				m[name] = k
			}
		}
	}
	return m
}

// session is one room session as the committer knows it.
type session struct {
	seq  uint64            // RoomSeq of its last event
	tags map[string]string // of the room, as its last event has them
	open map[Thing]uint64  // what of it is in the index, with the Seq of its opening
	past *event.Session    // as the list has it; nil for one that is over
}

// sessions are loaded from the store when their first event comes, and kept
// while they are open, and for the latecomers (the end of an egress) among the
// last maxFinished to finish.
type sessions struct {
	store    Store
	bySID    map[string]*session
	finished []string            // sids, oldest first
	left     map[string]struct{} // sids that an earlier run left open
	history  history
}

const maxFinished = 1024

// newSessions returns the sessions of a store that is being opened.
func newSessions(store Store) (sessions, error) {
	ss := sessions{store: store, bySID: make(map[string]*session), left: make(map[string]struct{})}
	open, err := store.Open("")
	for _, o := range open {
		ss.left[o.RoomSID] = struct{}{}
	}
	return ss, err
}

// of returns the session sid of the room of that name. starts says that it is
// wanted for the event that opens the session: it is a new one then, unless an
// earlier run left it open. A new one must not be looked for among all events
// that the room's name ever had.
func (ss *sessions) of(room, sid string, starts bool) (*session, error) {
	if s := ss.bySID[sid]; s != nil {
		return s, nil
	}
	s := &session{open: make(map[Thing]uint64)}
	if _, left := ss.left[sid]; left || !starts {
		if err := ss.load(s, room, sid); err != nil {
			return nil, err
		}
	}
	ss.bySID[sid] = s
	if len(s.open) == 0 {
		ss.finish(sid) // until an event opens something, see index
	}
	return s, nil
}

// load reads what the store has of a session.
func (ss *sessions) load(s *session, room, sid string) error {
	seq, last, err := ss.store.RoomSeq(room, sid)
	if err != nil || seq == 0 {
		return err
	}
	s.seq = seq
	// A damaged record has no tags, and is its readers' to complain of.
	if records, err := ss.store.Read("", last-1, 1); err == nil && len(records) == 1 && records[0].Seq == last {
		s.tags = records[0].Tags
	}
	open, err := ss.store.Open(sid)
	for _, o := range open {
		s.open[o.Thing] = o.Opened
	}
	if err == nil && len(open) > 0 {
		s.past, err = listed(ss.store, sid)
	}
	return err
}

// finish makes sid a candidate to be forgotten.
func (ss *sessions) finish(sid string) { ss.finished = append(ss.finished, sid) }

// forget drops the sessions that finished long ago. It is called between
// groups, when the store knows all that the sessions know.
func (ss *sessions) forget() {
	drop := max(len(ss.finished)-maxFinished, 0)
	for _, sid := range ss.finished[:drop] {
		if s := ss.bySID[sid]; s != nil && len(s.open) == 0 {
			delete(ss.bySID, sid)
		}
	}
	ss.finished = append(ss.finished[:0], ss.finished[drop:]...)
}

// index appends to changes what the record changes in the index: it opens or
// closes a thing, or describes what is open as it is now.
func (ss *sessions) index(changes []Entry, s *session, r *event.Record, k kind) []Entry {
	room := Thing{RoomSID: r.RoomSID}
	thing := room
	switch k.scope {
	case event.ScopeRoom:
	case event.ScopeParticipant:
		thing.ParticipantSID = r.ParticipantSID
	case event.ScopeTrack:
		thing.ParticipantSID, thing.TrackSID = r.ParticipantSID, r.TrackSID
	default:
		return changes
	}
	describe := func(t Thing) {
		if opened, ok := s.open[t]; ok {
			changes = append(changes, Entry{Thing: t, Room: r.Room, Opened: opened, Seq: r.Seq})
		}
	}
	switch {
	case k.closes && thing == room:
		// Whatever of the session is open ends with it.
		for t := range s.open {
			changes = append(changes, Entry{Thing: t})
		}
		clear(s.open)
		ss.finish(r.RoomSID)
		return changes
	case k.closes:
		if _, ok := s.open[thing]; ok {
			delete(s.open, thing)
			changes = append(changes, Entry{Thing: thing})
		}
	default:
		if k.opens {
			s.open[thing] = r.Seq
		}
		describe(thing)
	}
	if k.scope == event.ScopeParticipant {
		describe(room) // these events carry the whole room
	}
	return changes
}
