package room

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// Join is a verified request to enter a room. It is not changed after it was
// handed over.
type Join struct {
	Room        string
	Identity    string
	Name        string
	Metadata    string
	Attributes  map[string]string
	Kind        livekit.ParticipantInfo_Kind
	KindDetails []livekit.ParticipantInfo_KindDetail
	Permission  *livekit.ParticipantPermission
	// Client is what the SDK says of itself; Client.Protocol gates features.
	Client        *livekit.ClientInfo
	AutoSubscribe bool
	// AutoSubscribeData is AutoSubscribe for data tracks.
	AutoSubscribeData bool
	// AllowPause says whether video that the connection does not carry may be
	// paused; nil: as the server is configured.
	AllowPause *bool
	// FullICE says that the client wants no ICE-lite.
	FullICE bool
	// SinglePC says that the client has one peer connection for both ways, on
	// which it offers and the server answers.
	SinglePC bool
	// Offer is the client's first offer, AddTracks announce the tracks in it;
	// both only with SinglePC, and both may be missing.
	Offer     *livekit.SessionDescription
	AddTracks []*livekit.AddTrackRequest
	// SyncState is what a resuming client believes; nil: it will say so later.
	SyncState *livekit.SyncState
	// TokenFrom is when the token was made, zero if it does not say; TokenUntil is when
	// it ends.
	TokenFrom, TokenUntil time.Time
	// At is when the token was found valid, see participant.clock; zero: when the room
	// takes the request.
	At time.Time
	// BeyondToken says that the client described itself in words that are not its token's.
	BeyondToken bool
	// MayCreate allows the join to make the room when auto-create is off.
	MayCreate bool
	// RoomConfig applies if this join makes the room, and over RoomPreset, which
	// names one of the server's; both may be missing.
	RoomConfig *livekit.RoomConfiguration
	RoomPreset string
	// Stages hears how far the join has come; nil: nobody does.
	Stages Stages
	// RefreshToken mints a token for a room that carries the participant's present
	// state, valid from then on; nil: tokens are not refreshed.
	RefreshToken func(at time.Time, room string, p *livekit.ParticipantInfo) (string, error)

	clientless bool // it is injected, and never connects
}

// SubscriberPrimary says that the subscriber connection decides whether the
// client is connected; it is the server's to offer, at once.
func (j *Join) SubscriberPrimary() bool {
	return !j.SinglePC && j.Permission.CanSubscribe && j.Client.GetProtocol() > 2
}

// fullICE says that the client cannot be answered with ICE-lite: it said so, is
// older than that, or is Firefox, which then waits for checks that do not come.
func (j *Join) fullICE() bool {
	return j.FullICE || j.Client.GetProtocol() <= 5 || strings.EqualFold(j.Client.GetBrowser(), "firefox")
}

// freshSections says that the client is made with pion, see peer.SubscriberOptions.
func (j *Join) freshSections() bool { return j.Client.GetSdk() == livekit.ClientInfo_GO }

// neverAsks says that the client cannot ask for key frames: Go's SDK looks for a
// connection to do so on that it does not have with one for both ways.
func (j *Join) neverAsks() bool { return j.SinglePC && j.Client.GetSdk() == livekit.ClientInfo_GO }

// dependent says that the participant alone does not make a room a meeting.
func (j *Join) dependent() bool {
	switch j.Kind {
	case livekit.ParticipantInfo_AGENT, livekit.ParticipantInfo_EGRESS:
		return true
	}
	return j.Permission.Agent || j.Permission.Recorder //nolint:staticcheck // still what tokens carry
}

// kept is what of the join matters while the participant is there.
func (j *Join) kept(now time.Time) *Join {
	k := *j
	k.Offer, k.AddTracks, k.SyncState, k.RoomConfig = nil, nil, nil, nil
	if k.At.IsZero() {
		k.At = now
	}
	return &k
}

const (
	pingInterval = 5  // seconds
	pingTimeout  = 15 // seconds
)

// join accepts a participant: it replaces an earlier session of the identity,
// answers, and starts the transport. Others hear of it when that is up.
func (s *state) join(req *Join, sink Sink) (*participant, error) {
	old := s.participants[req.Identity]
	p := &participant{
		state: s, req: req.kept(s.now), sink: sink,
		sid:           newSID(participantPrefix),
		identity:      req.Identity,
		joinedAt:      s.now,
		name:          req.Name,
		metadata:      req.Metadata,
		attributes:    req.Attributes,
		permission:    req.Permission,
		subscriptions: make(map[string]*subscription),
		wanted:        make(map[string]bool),
	}
	p.log = s.log.With("participant", p.identity, "participant_sid", p.sid)
	p.berth = newBerth(s.room, p)
	if err := s.refuses(req); err != nil {
		return nil, err
	}
	switch {
	case old == nil:
	case old.leaving != 0:
		s.remove(old, old.leaving) // it has said goodbye
	default:
		old.sendLeave(livekit.DisconnectReason_DUPLICATE_IDENTITY, livekit.LeaveRequest_DISCONNECT)
		s.remove(old, livekit.DisconnectReason_DUPLICATE_IDENTITY)
	}
	p.way = p.takeWay()
	p.negotiation.unset = req.offersUnset()
	if err := p.openFirst(); err != nil {
		s.closeMedia(p)
		return nil, err
	}
	s.add(p)
	s.opts.census.accepted.Add(1)
	p.stages().Accepted(s.room.sid, p.sid)
	p.setDeadline(s.opts.JoinTimeout)
	p.log.Info("participant accepted", "sdk", spelled(livekit.ClientInfo_SDK_name, req.Client.GetSdk()), "version", req.Client.GetVersion(), "protocol", req.Client.GetProtocol())

	s.emit(event.Event{Name: event.ParticipantConnecting, Participant: p.info()})
	p.send(s.welcome(p))
	s.informed(p)
	p.firstToken()
	// The first description of ours goes out with the tracks that are there, or
	// with none: the client waits for this connection.
	p.reconcileSubscriptions()
	if p.subscriber != nil {
		p.beginSubscriber()
	}
	for _, add := range req.AddTracks {
		p.addTrack(add)
	}
	if req.Offer != nil {
		p.offer(req.Offer)
	}
	return p, nil
}

// openFirst makes the connection that the client waits for, and with it the place
// where reliable data waits for the client.
func (p *participant) openFirst() error {
	if p.req.SinglePC {
		return p.openDuplex()
	}
	if p.req.Permission.CanSubscribe {
		if err := p.openSubscriber(); err != nil {
			return err
		}
	}
	if !p.req.SubscriberPrimary() && !p.req.clientless && !p.openPublisher() {
		return &Error{Internal, "cannot open a peer connection"}
	}
	return nil
}

// refuses returns why the room does not let this participant in, or nil.
func (s *state) refuses(req *Join) error {
	if s.full(req) {
		return ErrRoomFull
	}
	// One whose connection is down is coming back, or has gone without a word.
	if p := s.participants[req.Identity]; s.opts.Defaults.RejectDuplicates && p != nil && p.sink != nil && !p.lost && p.leaving == 0 {
		return ErrDuplicateIdentity
	}
	return nil
}

// full says whether the room's limit keeps this participant out. It does not
// count agents, egress and recorders, nor a session that would be replaced.
func (s *state) full(req *Join) bool {
	limit := int(s.settings.MaxParticipants)
	return limit > 0 && s.participants[req.Identity] == nil && !s.expected[req.Identity] && !req.dependent() && s.accepted() >= limit
}

// accepted counts the participants that the room's limit is about.
func (s *state) accepted() int {
	n := 0
	for _, p := range s.participants {
		if !p.dependent {
			n++
		}
	}
	for identity, counts := range s.expected {
		if counts && s.participants[identity] == nil {
			n++
		}
	}
	return n
}

// add makes p one of the room's, the last that came.
func (s *state) add(p *participant) {
	s.arrivals++
	p.arrival = s.arrivals
	p.dependent = p.req.dependent()
	s.participants[p.identity] = p
	s.inOrder = append(s.inOrder, p)
	s.bySID[p.sid] = p
	if !p.dependent {
		s.joinedOnce = true
	}
	s.occupancyChanged()
}

func byArrival(p *participant, arrival uint64) int { return cmp.Compare(p.arrival, arrival) }

// activate says that p's transport is up: from now on it is in the room, for
// everybody at once.
func (s *state) activate(p *participant) {
	if p.joined || p.gone {
		return
	}
	p.joined = true
	if p.leaving == 0 {
		p.deadline = time.Time{}
		if p.overflowed {
			p.setDeadline(0)
		}
	}
	p.touch()
	s.countsChanged()
	p.log.Info("participant joined", "after", s.now.Sub(p.joinedAt))
	p.session.joinedAt = s.now
	s.opts.census.participants.Add(1)
	p.stages().Joined()
	if len(p.formerly) == 0 && p.forwarding == nil {
		s.opts.census.joined.Add(1)
		s.opts.census.joinTime.Observe(s.now.Sub(p.joinedAt))
	}
	p.judgeTime()
	s.totals.joined(s, p)
	s.emit(event.Event{Name: event.ParticipantJoined, Participant: p.info()})
	s.watchedParticipant(ParticipantHere, p)
	if len(p.subscriptions) > 0 {
		p.mediaFlows()
	}
	if p.visible() {
		s.announce(p)
	}
	p.matchReceivers()
	p.shareDataTracks()
	s.forwardEarly(p)
	if s.qualityDue.IsZero() {
		s.qualityDue = s.now.Add(qualityInterval)
		s.wakeAt(s.qualityDue)
	}
	if p.leaving != 0 {
		s.remove(p, p.leaving)
	}
}

// leave is the client's own goodbye. A client may say it the moment it sees
// itself connected, before the server does: then it did join, so a transport
// that is coming up gets a moment to say so.
func (s *state) leave(p *participant, reason livekit.DisconnectReason) {
	if p.gone || p.leaving != 0 {
		return
	}
	if !p.mayLeaveFor(reason) {
		reason = livekit.DisconnectReason_CLIENT_INITIATED
	}
	// The client may know that data of its arrived which is still on its way to here.
	if p.joined && p.publisher != nil && p.publisher.AfterData(func() {
		(&connection{p.berth}).post(func(s *state, p *participant) { s.remove(p, p.leaving) })
	}) {
		p.leaving = reason
		p.hangUp = time.Time{}
		p.setDeadline(leaveGrace)
		return
	}
	s.farewell(p, reason, peer.New)
}

// farewell removes p, whose client is gone. If that saw itself connected, it did
// join: the Go SDK does so once the peer is reachable, the others once it is
// connected. A transport that got as far as from has a moment to come up, if the client
// has described its end of it.
func (s *state) farewell(p *participant, reason livekit.DisconnectReason, from peer.State) {
	switch st := p.primary(); {
	case p.joined:
		s.remove(p, reason)
	case st == peer.Reachable:
		p.leaving = reason
		s.activate(p)
	case p.described && st >= from && st <= peer.Connecting:
		p.leaving = reason
		p.setDeadline(leaveGrace)
		p.look()
	default:
		s.remove(p, reason)
	}
}

// remove ends p's session: its tracks, then itself, then its connections. The
// caller has told the client why, if it needs to know.
func (s *state) remove(p *participant, reason livekit.DisconnectReason) {
	if p.gone {
		return
	}
	s.withdraw(p, reason, actorOf(reason), wordOf(reason))
	s.hangUp(p)
	s.onDeparture(p.sid, farewell{reason: reason, from: p.place(), came: p.req.At})
	if s.opts.Relay != nil {
		for _, sid := range append(p.formerly, p.sid) {
			s.opts.Relay.Revoke(sid)
		}
	}
	if p.sink != nil {
		p.sink.Close()
		p.sink = nil
	}
	s.closeMedia(p)
	s.occupancyChanged()
}

// withdraw takes p out of the room for everybody else; what connects its client
// stays.
func (s *state) withdraw(p *participant, reason livekit.DisconnectReason, by event.Actor, why string) {
	published := len(p.tracks) > 0
	for len(p.tracks) > 0 {
		s.unpublish(p.tracks[len(p.tracks)-1], by, why)
	}
	p.dropSubscriptions()
	p.endDataTracks()
	p.dropDataTracks()
	delete(s.participants, p.identity)
	if i, found := slices.BinarySearchFunc(s.inOrder, p.arrival, byArrival); found {
		s.inOrder = slices.Delete(s.inOrder, i, i+1)
	}
	delete(s.bySID, p.sid)
	wasJoined, wasVisible := p.joined, p.visible()
	p.endSpeech()
	p.judgeTime()
	p.gone, p.joined, p.reason, p.deadline = true, false, reason, time.Time{}
	p.pending, p.unmatched = nil, nil
	s.opts.census.gone(wasJoined, reason)
	p.stages().Gone(wasJoined, nameOf(reason))
	p.touch()
	name := event.ParticipantConnectionAborted
	if wasJoined {
		name = event.ParticipantLeft
		s.countsChanged()
	}
	s.emit(event.Event{Name: name, Participant: p.info(), Actor: by, Reason: why})
	if wasJoined {
		s.watchedParticipant(ParticipantGone, p)
	}
	s.summarize(p, wasJoined, by, why)
	p.log.Info("participant gone", "event", string(name), "reason", nameOf(reason))
	if wasVisible {
		if published {
			s.broadcastInfo(p, p.info())
		} else {
			s.announce(p)
		}
		s.departures.add(p.info(), p.heardLast(), s.now)
	}
	if f := p.forwarding; f != nil {
		f.tell(func() { f.over = true })
	}
}

// broadcastInfo tells everybody but p the given state of p.
func (s *state) broadcastInfo(p *participant, info *livekit.ParticipantInfo) {
	s.superseded(p)
	m := updateMessage(info)
	for _, other := range s.participants {
		if other != p {
			other.send(m)
		}
	}
}

// closeMedia closes p's connections, and has a goroutine wait for those that do not end at
// once.
func (s *state) closeMedia(p *participant) {
	pub, sub := p.publisher, p.subscriber
	p.publisher, p.subscriber, p.duplex = nil, nil, nil
	subEnded := sub == nil || sub.Stop()
	pubEnded := pub == nil || pub.Stop()
	if subEnded && pubEnded {
		return
	}
	s.closers.Go(func() {
		if !subEnded {
			sub.Close()
		}
		if !pubEnded {
			pub.Close()
		}
	})
}

// roomSettings makes the settings of a new session from the server's defaults
// and what the request brings.
func roomSettings(sid string, req *livekit.CreateRoomRequest, o *Options, nowMs int64) *livekit.Room {
	room := &livekit.Room{
		Sid:              sid,
		Name:             req.Name,
		EmptyTimeout:     uint32(o.Defaults.EmptyTimeout.Seconds()),
		DepartureTimeout: uint32(o.Defaults.DepartureTimeout.Seconds()),
		MaxParticipants:  o.Defaults.MaxParticipants,
		CreationTime:     nowMs / 1000,
		CreationTimeMs:   nowMs,
	}
	for _, mime := range o.Defaults.Codecs {
		room.EnabledCodecs = append(room.EnabledCodecs, &livekit.Codec{Mime: mime})
	}
	return override(room, req)
}

// override returns room with the request's non-zero fields.
func override(room *livekit.Room, req *livekit.CreateRoomRequest) *livekit.Room {
	room = proto.CloneOf(room)
	if req.EmptyTimeout != 0 {
		room.EmptyTimeout = req.EmptyTimeout
	}
	if req.DepartureTimeout != 0 {
		room.DepartureTimeout = req.DepartureTimeout
	}
	if req.MaxParticipants != 0 {
		room.MaxParticipants = req.MaxParticipants
	}
	if req.Metadata != "" {
		room.Metadata = req.Metadata
	}
	return room
}
