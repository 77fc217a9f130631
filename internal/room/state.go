package room

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
)

// state is everything about one room session. Only the room's loop touches it.
type state struct {
	room *Room
	opts *Options
	log  *slog.Logger
	now  time.Time // start of this turn

	began time.Time // when the session did, before which now never is

	settings     *livekit.Room           // without counts; replaced, never changed
	tags         map[string]string       // replaced, never changed
	syncStreams  bool                    // what belongs together is played in step
	snapshot     *livekit.Room           // settings with counts; nil when they changed
	participants map[string]*participant // by identity, every accepted one
	inOrder      []*participant          // the same, first come first
	arrivals     uint64                  // how many participants there have been
	bySID        map[string]*participant // the same by sid
	tracks       map[string]*track       // published, by sid
	dataTracks   map[string]*dataTrack   // the same
	departures   departures
	crowd        announcements
	nonces       []string                             // of API data, oldest first
	rpcs         map[string]*rpcCall                  // calls of the API, by id
	ways         map[string]livekit.CandidateProtocol // of the next session, by identity
	playoutDelay [2]time.Duration                     // least and most of video; zeros leave it to clients
	recent       recentData                           // reliable messages, for those who resume
	expected     map[string]bool                      // identities on their way from another room; true: they count
	taps         int                                  // of all tracks, and watches
	watches      map[*Watch]struct{}
	onDeparture  func(sid string, why farewell)
	onFinished   func()

	joinedOnce  bool           // somebody has joined this session
	emptySince  time.Time      // zero while somebody keeps the room open
	countsDue   time.Time      // when clients are told of changed counts; zero: nothing to tell
	qualityDue  time.Time      // when connections are judged; zero: nobody is there
	alarm       time.Time      // the next tick, never later than anything due
	mirrored    []*participant // changed in this turn, and forwarded
	events      []event.Event
	lastSeq     uint64        // of the last event appended
	uncommitted bool          // there were events since the last commit
	patience    time.Duration // how long they may wait for others
	finished    bool
	totals      totals         // for the summary
	closers     sync.WaitGroup // connections being closed
}

const (
	idle        = time.Hour       // the alarm of a room with nothing due
	countsDelay = time.Second     // counts are told at most this often, in a crowd less
	crowdCounts = 5 * time.Second // how often to two hundred or more
	maxKept     = 64              // events of one turn, for which the space is kept
)

func newState(r *Room, opts *Options, settings *livekit.Room, now time.Time) *state {
	s := &state{
		room: r, opts: opts, now: now,
		// Of a restored one only the clock of then is known.
		began:        now.Add(-max(now.Sub(time.UnixMilli(settings.CreationTimeMs)), 0)),
		log:          r.logger(opts.Logger),
		settings:     settings,
		participants: make(map[string]*participant),
		bySID:        make(map[string]*participant),
		tracks:       make(map[string]*track),
		dataTracks:   make(map[string]*dataTrack),
		emptySince:   now,
		alarm:        now.Add(idle),
	}
	s.wakeAt(s.closesAt())
	return s
}

// begin is the first turn of a new session; agents may wait to be told of it.
func (s *state) begin(awaited bool) {
	s.emit(event.Event{Name: event.RoomStarted})
	s.endTurn()
	if awaited {
		s.patience = 0
	}
	s.log.Info("room started")
}

// emit reports an event of this turn.
func (s *state) emit(e event.Event) {
	e.Time = s.now
	e.Room = s.info()
	e.Tags = s.tags
	s.events = append(s.events, e)
}

// endTurn appends the turn's events, in order, before anybody who waits for the
// turn goes on.
func (s *state) endTurn() {
	if len(s.events) > 0 {
		s.lastSeq = s.opts.Publish(s.events...)
		if !s.uncommitted {
			s.uncommitted, s.patience = true, maxPatience
		}
		for i := range s.events {
			s.patience = min(s.patience, patience(&s.events[i]))
		}
		clear(s.events) // the payloads are the log's now
		if s.events = s.events[:0]; cap(s.events) > maxKept {
			s.events = nil // of a turn in which everybody left
		}
	}
	s.tellForwards() // other rooms have their events after ours
	if s.finished {
		s.watched(Change{What: RoomOver})
		s.watches = nil
		s.onFinished()
	}
}

// maxPatience is the longest that an event may wait for others to be written with.
const maxPatience = 100 * time.Millisecond

// patience is how long an event may wait for others to be written with. Who connects
// will be there, or not, in a moment, and then that is written at once; who only was
// about to be there is missed by nobody. A room that somebody has made by coming is known
// a little sooner. Who has made it by the API waits for that to be written, see
// Options.Sync.
func patience(e *event.Event) time.Duration {
	switch e.Name {
	case event.ParticipantConnecting, event.ParticipantConnectionAborted:
		return maxPatience
	case event.RoomStarted:
		return maxPatience / 5
	case event.ParticipantLeft, event.TrackUnpublished, event.RoomFinished, event.ParticipantSummary, event.RoomSummary,
		event.ParticipantSpoke, event.ConnectionQualityChanged:
		return maxPatience / 2
	}
	return 0
}

// commit has the events of the turns until now written.
func (s *state) commit() {
	switch {
	case !s.uncommitted:
	case s.patience > 0 && s.opts.CommitWithin != nil:
		s.opts.CommitWithin(s.patience)
	case s.opts.Commit != nil:
		s.opts.Commit()
	}
	s.uncommitted = false
}

// wakeAt makes sure that a tick runs at t or before.
func (s *state) wakeAt(t time.Time) {
	if !t.IsZero() && t.Before(s.alarm) {
		s.alarm = t
	}
}

// tick does whatever is due and finds out what is next.
func (s *state) tick() {
	s.alarm = s.now.Add(idle)
	for _, p := range s.participants {
		p.tick()
	}
	if !s.countsDue.IsZero() && !s.now.Before(s.countsDue) {
		s.countsDue = time.Time{}
		s.broadcastRoom()
	}
	s.wakeAt(s.countsDue)
	s.tickAnnouncements()
	s.wakeAt(s.recent.trim(s.now))
	s.tickSpeakers()
	s.tickQuality()
	s.tickDemand()
	if at := s.closesAt(); !at.IsZero() && !s.now.Before(at) {
		s.close(livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT, livekit.DisconnectReason_ROOM_CLOSED, livekit.LeaveRequest_DISCONNECT)
		return
	} else {
		s.wakeAt(at)
	}
}

// closesAt is when an empty room closes; zero while somebody keeps it open.
func (s *state) closesAt() time.Time {
	switch {
	case s.emptySince.IsZero():
		return time.Time{}
	case s.joinedOnce:
		return s.emptySince.Add(time.Duration(s.settings.DepartureTimeout) * time.Second)
	default:
		return s.emptySince.Add(time.Duration(s.settings.EmptyTimeout) * time.Second)
	}
}

// occupancyChanged starts or stops the clock of an empty room. Agents, egress
// and recorders do not keep a room open.
func (s *state) occupancyChanged() {
	for _, p := range s.participants {
		if !p.dependent {
			s.emptySince = time.Time{}
			return
		}
	}
	if len(s.expected) > 0 {
		s.emptySince = time.Time{}
		return
	}
	if s.emptySince.IsZero() {
		s.emptySince = s.now
	}
	s.wakeAt(s.closesAt())
}

// info returns the room as events, joins and the API show it: exact at this
// moment, and immutable.
func (s *state) info() *livekit.Room {
	if s.snapshot != nil {
		return s.snapshot
	}
	room := proto.CloneOf(s.settings)
	room.ActiveRecording = s.taps > 0
	for _, p := range s.participants {
		switch {
		case !p.joined:
		case p.dependent:
			room.ActiveRecording = room.ActiveRecording || p.recorder()
		default:
			room.NumParticipants++
			if len(p.tracks) > 0 {
				room.NumPublishers++
			}
		}
	}
	s.snapshot = room
	return room
}

// countsChanged forgets the snapshot and has clients told soon.
func (s *state) countsChanged() {
	s.snapshot = nil
	if s.countsDue.IsZero() {
		delay := time.Duration(len(s.participants)) * crowdCounts / 200
		s.countsDue = s.now.Add(min(max(delay, countsDelay), crowdCounts))
		s.wakeAt(s.countsDue)
	}
}

// broadcastRoom tells every client of the room's present state.
func (s *state) broadcastRoom() {
	m := NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_RoomUpdate{
		RoomUpdate: &livekit.RoomUpdate{Room: s.info()},
	}})
	for _, p := range s.participants {
		p.send(m)
	}
}

// broadcast tells the others of p's present state, and p itself if self is set.
// Until p has joined nobody else knows of it, and nobody ever does of a hidden
// participant.
func (s *state) broadcast(p *participant, self bool) {
	if p.visible() {
		s.superseded(p)
	}
	m := updateMessage(p.info())
	for _, other := range s.participants {
		if other == p && self || other != p && p.visible() {
			other.send(m)
		}
	}
}

func updateMessage(infos ...*livekit.ParticipantInfo) *Message {
	return NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_Update{
		Update: &livekit.ParticipantUpdate{Participants: infos},
	}})
}

// setMetadata replaces the room's metadata and tells everybody at once.
func (s *state) setMetadata(metadata string) {
	changed := proto.CloneOf(s.settings)
	changed.Metadata = metadata
	s.configure(changed)
}

// configure replaces the room's settings on behalf of the API.
func (s *state) configure(settings *livekit.Room) {
	if proto.Equal(settings, s.settings) {
		return
	}
	told := settings.Metadata != s.settings.Metadata
	s.settings, s.snapshot = settings, nil
	s.wakeAt(s.closesAt())
	if told {
		s.broadcastRoom()
		s.emit(event.Event{Name: event.RoomMetadataChanged, Actor: event.ActorAPI, Detail: &event.Changed{By: event.ActorAPI}})
	}
}

// suspend sends everybody away because the server stops, and leaves the session
// open in the log: the next run restores it, and who comes back finds it. What
// clients are told is to resume: the next run does not know them and sends them
// into a full reconnect. Told to reconnect at once, the Go SDK (2.16.7) would
// come back without its tracks.
func (s *state) suspend() {
	if s.finished {
		return
	}
	s.removeAll(livekit.DisconnectReason_SERVER_SHUTDOWN, livekit.LeaveRequest_RESUME)
	s.finished = true
	s.log.Info("room suspended")
}

func (s *state) removeAll(reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) {
	for _, p := range slices.Clone(s.inOrder) {
		p.sendLeave(reason, action)
		s.remove(p, reason)
	}
}

// close ends the session: every participant leaves, then the room finishes.
func (s *state) close(end livekit.RoomEndReason, reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) {
	if s.finished {
		return
	}
	s.removeAll(reason, action)
	by, why := s.endOf(end)
	s.emit(event.Event{Name: event.RoomSummary, Actor: by, Reason: why, Detail: s.totals.summary(s, by, why)})
	s.emit(event.Event{Name: event.RoomFinished, RoomEndReason: end, Actor: by, Reason: why})
	s.finished = true
	s.log.Info("room finished", "reason", end.String())
}
