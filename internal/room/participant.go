package room

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// participant is one session of one identity. Its life:
//
//	accepted   join answered, transport coming up       state JOINED
//	joined     transport up, others know of it          state ACTIVE, participant_joined
//	leaving    said goodbye while its transport came up; a moment's grace
//	gone       removed                                  participant_left or _connection_aborted
//
// A participant whose signal connection dropped stays as it is until it resumes
// or its transport fails.
type participant struct {
	state *state // whose loop owns all of this
	log   *slog.Logger
	berth *berth // immutable; where its connections find it

	sid      string
	identity string
	req      *Join // how it came; the fields of it that change are copied below
	joinedAt time.Time
	arrival  uint64 // its place among all who came into the room: two may come at one time

	name       string
	metadata   string
	attributes map[string]string // replaced, never changed
	permission *livekit.ParticipantPermission
	version    uint32
	cached     *livekit.ParticipantInfo // nil when something changed
	wire       []byte                   // cached in protobuf; nil when something changed
	reason     livekit.DisconnectReason // once gone
	forwards   []*forwarding            // to other rooms
	forwarding *forwarding              // by which it is here; nil for who has a client
	formerly   []string                 // its sids in rooms that it was moved from

	sink         Sink // nil while the signal connection is down
	signalLostAt time.Time
	publisher    Publisher  // nil until the first offer; with a single connection that
	subscriber   Subscriber // nil while it may not subscribe, and with a single connection
	duplex       Duplex     // the single connection, else nil
	pubState     peer.State
	subState     peer.State
	described    bool // its client has sent an offer or an answer
	joined       bool
	dependent    bool                  // as of the join: a change of permission does not turn a person into a recorder
	informed     int                   // announcements that its client need not hear
	early        []*livekit.DataPacket // sent before it was in the room
	earlyBytes   int
	gone         bool
	leaving      livekit.DisconnectReason // set while a goodbye waits for the transport
	resumedAt    time.Time                // the last time; zero: never
	missing      time.Time                // since when it may have missed what it was told, as of then
	deadline     time.Time                // join timeout, grace or resume timeout; zero: none
	hangUp       time.Time                // when a goodbye is not waited for any more; zero: none is due
	tokenDue     time.Time                // when the token is refreshed

	tracks        []*track          // published, in order
	pending       []*track          // announced with add_track, no media yet
	ended         []endedTrack      // media ended a moment ago
	unmatched     []waitingReceiver // media without an announcement, or before joining
	subscriptions map[string]*subscription
	wanted        map[string]bool                         // explicit choices by track sid, of data too; absent: auto-subscribe
	denied        map[string]denial                       // tracks that their publisher does not let it have, or lets it have again
	settings      map[string]*livekit.UpdateTrackSettings // what it wants to see of tracks, by sid; immutable
	permissions   *trackPermissions                       // who may subscribe to its tracks; nil: everybody
	reliable      sequenceWindow                          // reliable data received from it
	overflowed    bool                                    // it does not read its reliable data; removed in the next tick once it is in
	oversized     bool                                    // it sent a message that is too large to be sent on
	simulation    simulation
	negotiation   negotiation
	pace          pace
	turns         turns
	dataTracks    []*dataTrack          // published
	dataHandles   map[uint16]*dataTrack // of others, by the handles that its client knows
	lastHandle    uint16
	way           livekit.CandidateProtocol // what its media has to travel over; UDP: anything
	speaking      speakerState
	voiceAt       time.Time // when speaking changed last
	speech        speech    // the segment that is going on
	session       session
	lost          bool // told as lost and not yet back
	quality       connectionQuality
	wasJudged     bool                                 // quality is known
	toldQuality   map[string]livekit.ConnectionQuality // what the client knows, by sid
	seen          map[string]counts                    // of its tracks, when last judged
}

const (
	// leaveGrace is how long a goodbye waits for a transport that is coming up:
	// the client may have seen it connected before the server did.
	leaveGrace = 2 * time.Second
	// goodbyeGrace is how long a transport that the client has closed waits for the
	// goodbye that explains it.
	goodbyeGrace = time.Second
	tokenRefresh = 5 * time.Minute
	// actionProtocol is the first protocol whose clients read what to do next.
	actionProtocol = 13
)

func (p *participant) recorder() bool {
	return p.req.Kind == livekit.ParticipantInfo_EGRESS || p.permission.Recorder //nolint:staticcheck // as above
}

// agent says that the participant may speak of, and for, others: by its kind, or by
// its grant as older tokens have it.
func (p *participant) agent() bool {
	return p.req.Kind == livekit.ParticipantInfo_AGENT || p.permission.Agent //nolint:staticcheck // as above
}

// visible says whether others know of the participant.
func (p *participant) visible() bool { return p.joined && !p.permission.Hidden }

// primary is the state of the connection that decides whether p is connected.
func (p *participant) primary() peer.State {
	if p.req.SubscriberPrimary() {
		return p.subState
	}
	return p.pubState
}

// look has the primary connection find out what the client can have seen of it.
func (p *participant) look() {
	switch {
	case p.req.SubscriberPrimary() && p.subscriber != nil:
		p.subscriber.Look()
	case p.publisher != nil:
		p.publisher.Look()
	}
}

// touch says that the participant's info changed.
func (p *participant) touch() {
	p.version++
	p.cached, p.wire = nil, nil
	p.state.mirror(p)
}

// info returns the participant as others see it, immutable, with a version that
// rises with every change.
func (p *participant) info() *livekit.ParticipantInfo {
	if p.cached != nil {
		return p.cached
	}
	info := &livekit.ParticipantInfo{
		Sid:              p.sid,
		Identity:         p.identity,
		Name:             p.name,
		Metadata:         p.metadata,
		Attributes:       p.attributes,
		State:            livekit.ParticipantInfo_JOINED,
		JoinedAt:         p.joinedAt.Unix(),
		JoinedAtMs:       p.joinedAt.UnixMilli(),
		Version:          p.version,
		Permission:       p.permission,
		IsPublisher:      len(p.tracks) > 0,
		Kind:             p.req.Kind,
		KindDetails:      p.req.KindDetails,
		DisconnectReason: p.reason,
		ClientProtocol:   p.req.Client.GetClientProtocol(),
		Capabilities:     p.req.Client.GetCapabilities(),
	}
	switch {
	case p.gone:
		info.State = livekit.ParticipantInfo_DISCONNECTED
	case p.joined:
		info.State = livekit.ParticipantInfo_ACTIVE
	}
	for _, t := range p.tracks {
		info.Tracks = append(info.Tracks, t.info)
	}
	for _, t := range p.dataTracks {
		info.DataTracks = append(info.DataTracks, t.info)
	}
	p.cached = info
	return info
}

// send gives m to the client, if its signal connection is up.
func (p *participant) send(m *Message) {
	if p.sink != nil {
		p.sink.Send(m)
	}
}

func (p *participant) reply(r *livekit.SignalResponse) { p.send(NewMessage(r)) }

// sendLeave tells the client that its session is over and what to do next.
func (p *participant) sendLeave(reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) {
	if action == livekit.LeaveRequest_RESUME && p.req.Client.GetProtocol() < actionProtocol {
		return // it would take this for its end; it resumes when its connection closes
	}
	p.send(leaveMessage(reason, action))
}

// LeaveMessage tells a client that it is not let in, or not any more.
func LeaveMessage(reason livekit.DisconnectReason) *Message {
	return leaveMessage(reason, livekit.LeaveRequest_DISCONNECT)
}

func leaveMessage(reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) *Message {
	return NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{Leave: &livekit.LeaveRequest{
		Reason: reason,
		Action: action,
		// Clients before protocol 13 read only this.
		CanReconnect: action != livekit.LeaveRequest_DISCONNECT,
	}}})
}

// firstToken gives a client that joins a token for its next reconnect, unless its own
// will do until that is refreshed.
func (p *participant) firstToken() {
	if until := p.req.TokenUntil; p.req.BeyondToken || until.Sub(p.clock()) < 3*tokenRefresh {
		p.refreshToken()
		return
	}
	p.tokenDue = p.state.now.Add(tokenRefresh)
	p.state.wakeAt(p.tokenDue)
}

// refreshToken gives the client a token for its next reconnect.
func (p *participant) refreshToken() {
	p.tokenDue = p.state.now.Add(tokenRefresh)
	p.state.wakeAt(p.tokenDue)
	if token := p.mintToken(); token != "" {
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_RefreshToken{RefreshToken: token}})
	}
}

// mintToken returns a token for the client's next reconnect; none if tokens are
// not refreshed.
func (p *participant) mintToken() string {
	if p.req.RefreshToken == nil {
		return ""
	}
	token, err := p.req.RefreshToken(p.clock(), p.req.Room, p.info())
	if err != nil {
		p.log.Warn("refresh token", "error", err)
	}
	return token
}

// tick does what is due for p.
func (p *participant) tick() {
	now := p.state.now
	if !p.deadline.IsZero() && !now.Before(p.deadline) {
		p.deadline = time.Time{}
		p.expire()
		if p.gone {
			return
		}
	}
	if !p.hangUp.IsZero() && !now.Before(p.hangUp) {
		p.askToResume()
	}
	if !p.tokenDue.IsZero() && !now.Before(p.tokenDue) {
		p.refreshToken()
	}
	p.tickNegotiation()
	p.tickTurns()
	p.tickEnded()
	p.matchReceivers()
	for _, w := range p.unmatched {
		if due := w.since.Add(matchPatience); due.After(now) {
			p.state.wakeAt(due)
		}
	}
	p.tickReminders()
	p.state.wakeAt(p.deadline)
	p.state.wakeAt(p.hangUp)
	p.state.wakeAt(p.tokenDue)
}

// setDeadline makes expire run after d, in place of any earlier deadline.
func (p *participant) setDeadline(d time.Duration) {
	p.deadline = p.state.now.Add(d)
	p.state.wakeAt(p.deadline)
}

// expire ends what did not come in time.
func (p *participant) expire() {
	switch {
	case p.leaving != 0:
		p.state.remove(p, p.leaving)
	case p.overflowed && p.joined:
		p.sendLeave(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
		p.state.remove(p, livekit.DisconnectReason_STATE_MISMATCH)
	case !p.joined:
		p.sendLeave(livekit.DisconnectReason_JOIN_FAILURE, livekit.LeaveRequest_DISCONNECT)
		p.state.remove(p, livekit.DisconnectReason_JOIN_FAILURE)
	default:
		p.state.remove(p, livekit.DisconnectReason_CONNECTION_TIMEOUT)
	}
}

// update applies new values, which were checked before, and tells everybody. An
// empty name or metadata means unchanged, an empty attribute value deletes.
func (p *participant) update(name, metadata string, attributes map[string]string, by event.Actor) {
	var changed []event.Name
	detail := &event.Changed{By: by}
	if name != "" && name != p.name {
		p.name, changed = name, append(changed, event.ParticipantNameChanged)
	}
	if metadata != "" && metadata != p.metadata {
		p.metadata, changed = metadata, append(changed, event.ParticipantMetadataChanged)
	}
	if merged := mergeAttributes(p.attributes, attributes); !maps.Equal(merged, p.attributes) {
		for key := range attributes {
			if merged[key] != p.attributes[key] {
				detail.Keys = append(detail.Keys, key)
			}
		}
		slices.Sort(detail.Keys)
		p.attributes, changed = merged, append(changed, event.ParticipantAttributesChanged)
	}
	if len(changed) == 0 {
		return
	}
	p.touch()
	p.state.broadcast(p, true)
	p.refreshToken()
	for _, what := range changed {
		e := event.Event{Name: what, Participant: p.info(), Actor: by, Detail: &event.Changed{By: by}}
		if what == event.ParticipantAttributesChanged {
			e.Detail = detail
		}
		p.state.emit(e)
	}
}

// mergeAttributes returns a new map; an empty value deletes its key.
func mergeAttributes(old, changes map[string]string) map[string]string {
	merged := maps.Clone(old)
	if merged == nil {
		merged = make(map[string]string, len(changes))
	}
	for k, v := range changes {
		if v == "" {
			delete(merged, k)
		} else {
			merged[k] = v
		}
	}
	return merged
}

// setPermission replaces the participant's permission and drops what it no
// longer allows.
func (p *participant) setPermission(permission *livekit.ParticipantPermission) {
	if proto.Equal(permission, p.permission) {
		return
	}
	s := p.state
	wasVisible := p.visible()
	p.permission = proto.CloneOf(permission)
	p.touch()
	s.snapshot = nil
	for _, t := range slices.Clone(p.tracks) {
		if !p.mayPublish(t.info.Type, t.info.Source) {
			p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_TrackUnpublished{
				TrackUnpublished: &livekit.TrackUnpublishedResponse{TrackSid: t.info.Sid},
			}})
			s.unpublish(t, event.ActorAPI, permissionRevoked)
		}
	}
	if !permission.CanSubscribe {
		p.dropSubscriptions()
		p.dropDataTracks()
	}
	if !permission.CanPublishData {
		p.endDataTracks()
	}
	if wasVisible && !p.visible() {
		p.reconcileSubscribers() // voices end first: SDKs take no word of who is not there
		hidden := proto.CloneOf(p.info())
		hidden.State = livekit.ParticipantInfo_DISCONNECTED
		s.broadcastInfo(p, hidden)
		s.departures.add(hidden, p.heardLast(), s.now)
		p.hideDataTracks()
	}
	s.broadcast(p, true)
	if permission.CanSubscribe {
		p.reconcileSubscriptions()
	}
	if !wasVisible && p.visible() {
		p.reconcileSubscribers()
	}
	p.shareDataTracks()
	s.countsChanged()
	s.occupancyChanged()
	p.refreshToken()
	s.emit(event.Event{Name: event.ParticipantPermissionsChanged, Participant: p.info(), Actor: event.ActorAPI, Detail: &event.Changed{By: event.ActorAPI}})
}

// mayPublish says whether p's permission allows a track of this kind and source. Where
// sources are restricted a track is what its source says: there are no pictures of a
// microphone.
func (p *participant) mayPublish(kind livekit.TrackType, source livekit.TrackSource) bool {
	sources := p.permission.CanPublishSources
	switch {
	case !p.permission.CanPublish:
		return false
	case len(sources) == 0:
		return true
	}
	switch source {
	case livekit.TrackSource_MICROPHONE, livekit.TrackSource_SCREEN_SHARE_AUDIO:
		return kind == livekit.TrackType_AUDIO && slices.Contains(sources, source)
	case livekit.TrackSource_CAMERA, livekit.TrackSource_SCREEN_SHARE:
		return kind == livekit.TrackType_VIDEO && slices.Contains(sources, source)
	}
	return slices.Contains(sources, source)
}
