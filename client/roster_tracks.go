package client

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// unmatchedFor is how long media waits for the server to say whose it is.
const unmatchedFor = 5 * time.Second

// unmatched is media of a track that the server has not described yet.
type unmatched struct {
	sid      string
	link     *link
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	timer    *time.Timer
}

// updateTracks takes over what somebody publishes now.
func (r *Room) updateTracks(p *RemoteParticipant, infos []*livekit.TrackInfo, tell bool) {
	for _, pub := range p.pubs {
		if !slices.ContainsFunc(infos, func(t *livekit.TrackInfo) bool { return t.GetSid() == pub.sid }) {
			r.removeTrack(pub)
		}
	}
	for _, info := range infos {
		if info.GetSid() == "" {
			continue
		}
		pub := p.find(info.GetSid())
		if pub == nil {
			pub = &RemotePublication{
				publication: publication{room: r, info: info}, sid: info.GetSid(), participant: p, wanted: !r.opts.ManualSubscribe,
			}
			p.pubs = append(slices.Clip(p.pubs), pub)
			if tell {
				r.emit(TrackPublished{Publication: pub, Participant: p})
			}
			continue
		}
		muted := pub.info.GetMuted()
		pub.info = info
		if muted != info.GetMuted() {
			r.tellMuted(pub, p, info.GetMuted())
		}
	}
}

func (r *Room) tellMuted(pub Publication, p Participant, muted bool) {
	if muted {
		r.emit(TrackMuted{Publication: pub, Participant: p})
	} else {
		r.emit(TrackUnmuted{Publication: pub, Participant: p})
	}
}

// removeTrack takes a track out: first the subscription, then the publication.
func (r *Room) removeTrack(pub *RemotePublication) {
	r.unsubscribed(pub)
	pub.gone = true
	p := pub.participant
	p.pubs = slices.DeleteFunc(slices.Clone(p.pubs), func(q *RemotePublication) bool { return q == pub })
	r.emit(TrackUnpublished{Publication: pub, Participant: p})
	// Not every server says that who unpublishes while speaking speaks no more.
	if !slices.ContainsFunc(p.pubs, func(q *RemotePublication) bool { return q.info.GetType() == livekit.TrackType_AUDIO }) {
		r.silence(p)
	}
}

// unsubscribed says that a track is received no more, if it was.
func (r *Room) unsubscribed(pub *RemotePublication) {
	t := pub.track
	if t == nil {
		return
	}
	pub.track = nil
	pub.stream = livekit.StreamState_ACTIVE
	if r.session != nil && !r.session.ended {
		r.session.running.Go(t.stop)
	} else {
		r.running.Go(t.stop)
	}
	r.emit(TrackUnsubscribed{Track: t, Publication: pub, Participant: pub.participant})
}

// unsubscribeAll says of every track that it is received no more.
func (r *Room) unsubscribeAll() {
	for _, p := range r.remotes {
		for _, pub := range p.pubs {
			r.unsubscribed(pub)
		}
	}
}

// keepOnly unsubscribes what the server does not send any more.
func (r *Room) keepOnly(active map[string]bool) {
	for _, p := range r.remotes {
		for _, pub := range p.pubs {
			if !active[pub.sid] {
				r.unsubscribed(pub)
			}
		}
	}
}

// publicationBySID returns somebody's track; nil if there is none.
func (r *Room) publicationBySID(sid string) *RemotePublication {
	for _, p := range r.remotes {
		if pub := p.find(sid); pub != nil {
			return pub
		}
	}
	return nil
}

// incoming takes media that begins to come.
func (s *session) incoming(l *link, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	mid := ""
	for _, t := range l.pc.GetTransceivers() {
		if t.Receiver() == receiver {
			mid = t.Mid()
		}
	}
	sid := s.trackSID(track.StreamID(), track.ID(), mid)
	if !s.active[sid] {
		s.room.log.Debug("media of a track that is not sent any more", "track", sid)
		return
	}
	u := unmatched{sid: sid, link: l, track: track, receiver: receiver}
	if s.match(u) {
		return
	}
	u.timer = time.AfterFunc(unmatchedFor, func() { s.post(func() { s.neverMatched(track) }) })
	s.unmatched = append(s.unmatched, u)
}

// match gives media to the publication that it belongs to.
func (s *session) match(u unmatched) bool {
	r := s.room
	pub := r.publicationBySID(u.sid)
	if pub == nil {
		return false
	}
	r.change(func() {
		r.unsubscribed(pub) // what came before, if the server has bound it anew
		pub.track = newRemoteTrack(pub, u.track, u.receiver, u.link.pc, &s.running)
		r.emit(TrackSubscribed{Track: pub.track, Publication: pub, Participant: pub.participant})
	})
	if pub.settings != nil {
		s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_TrackSetting{TrackSetting: pub.settings}})
	}
	return true
}

// matchTracks looks again for whom media that came early belongs to.
func (s *session) matchTracks() {
	waiting := s.unmatched
	s.unmatched = nil
	for _, u := range waiting {
		if s.match(u) {
			u.timer.Stop()
		} else {
			s.unmatched = append(s.unmatched, u)
		}
	}
}

func (s *session) neverMatched(track *webrtc.TrackRemote) {
	for i, u := range s.unmatched {
		if u.track == track {
			s.unmatched = slices.Delete(s.unmatched, i, i+1)
			s.room.emit(TrackSubscriptionFailed{TrackSID: u.sid, Reason: livekit.SubscriptionError_SE_TRACK_NOTFOUND})
			return
		}
	}
}

// handleStreamStates takes over which tracks are paused.
func (r *Room) handleStreamStates(states []*livekit.StreamStateInfo) {
	for _, st := range states {
		pub := r.publicationBySID(st.GetTrackSid())
		if pub == nil || pub.stream == st.GetState() {
			continue
		}
		pub.stream = st.GetState()
		r.emit(TrackStreamStateChanged{State: st.GetState(), Publication: pub, Participant: pub.participant})
	}
}

// handleSubscriptionPermission takes over whether a track may be received.
func (r *Room) handleSubscriptionPermission(m *livekit.SubscriptionPermissionUpdate) {
	pub := r.publicationBySID(m.GetTrackSid())
	if pub == nil || pub.forbidden == !m.GetAllowed() {
		return
	}
	pub.forbidden = !m.GetAllowed()
	r.emit(TrackSubscriptionPermissionChanged{Allowed: m.GetAllowed(), Publication: pub, Participant: pub.participant})
}

func (r *Room) handleSubscriptionFailed(m *livekit.SubscriptionResponse) {
	e := TrackSubscriptionFailed{TrackSID: m.GetTrackSid(), Reason: m.GetErr()}
	if pub := r.publicationBySID(m.GetTrackSid()); pub != nil {
		e.Participant = pub.participant
	}
	r.emit(e)
}
