package room

import (
	"errors"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// Participant is the handle that a signal connection holds.
type Participant struct{ berth *berth }

// SID returns the session's id, which changes when the participant is moved.
func (h *Participant) SID() string {
	_, p := h.berth.where()
	return p.sid
}

// Handle brings one request of the client into the room. It waits while the
// room's mailbox is full, and drops the request once the session is over.
// Requests of a kind that the server does not know are ignored.
func (h *Participant) Handle(req *livekit.SignalRequest) {
	h.berth.post(func(s *state, p *participant) { s.handle(p, req) })
}

// Evict ends the session because of what its client does, and tells it so. It
// waits for the end.
func (h *Participant) Evict(reason string) {
	h.berth.do(func(s *state, p *participant) {
		p.log.Warn("participant evicted", "reason", reason)
		p.sendLeave(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_DISCONNECT)
		s.remove(p, livekit.DisconnectReason_STATE_MISMATCH)
	})
}

// SignalLost says that the connection behind sink is down without a goodbye.
func (h *Participant) SignalLost(sink Sink) {
	h.berth.post(func(s *state, p *participant) { s.signalLost(p, sink) })
}

// handle does what the client asks for.
func (s *state) handle(p *participant, req *livekit.SignalRequest) {
	switch m := req.Message.(type) {
	case *livekit.SignalRequest_Offer:
		p.offerSet()
		p.offer(m.Offer)
	case *livekit.SignalRequest_Answer:
		p.described = true
		if p.subscriber != nil {
			p.subscriber.Answer(m.Answer.GetSdp(), m.Answer.GetId())
		}
	case *livekit.SignalRequest_Trickle:
		p.offerSet()
		p.trickle(m.Trickle)
	case *livekit.SignalRequest_AddTrack:
		p.addTrack(m.AddTrack)
	case *livekit.SignalRequest_Mute:
		p.mute(m.Mute)
	case *livekit.SignalRequest_Subscription:
		p.choose(m.Subscription.GetTrackSids(), m.Subscription.GetParticipantTracks(), m.Subscription.GetSubscribe())
	case *livekit.SignalRequest_TrackSetting:
		p.trackSettings(m.TrackSetting)
	case *livekit.SignalRequest_SubscriptionPermission:
		p.setTrackPermissions(m.SubscriptionPermission)
	case *livekit.SignalRequest_Leave:
		s.leave(p, m.Leave.GetReason())
	case *livekit.SignalRequest_UpdateMetadata:
		p.updateOwn(m.UpdateMetadata)
	case *livekit.SignalRequest_UpdateAudioTrack:
		t := p.ownTrack(m.UpdateAudioTrack.GetTrackSid())
		if t == nil {
			p.refuse(livekit.RequestResponse_NOT_FOUND, ErrTrackNotFound.Msg, &livekit.RequestResponse{
				Request: &livekit.RequestResponse_UpdateAudioTrack{UpdateAudioTrack: m.UpdateAudioTrack}})
			return
		}
		if n := len(m.UpdateAudioTrack.GetFeatures()); n > maxAudioFeatures {
			p.refuse(livekit.RequestResponse_LIMIT_EXCEEDED, fmt.Sprintf("%d features, the limit is %d", n, maxAudioFeatures),
				&livekit.RequestResponse{Request: &livekit.RequestResponse_UpdateAudioTrack{
					UpdateAudioTrack: &livekit.UpdateLocalAudioTrack{TrackSid: m.UpdateAudioTrack.GetTrackSid()}}})
			return
		}
		s.changeTrack(t, func(info *livekit.TrackInfo) { info.AudioFeatures = m.UpdateAudioTrack.GetFeatures() })
	case *livekit.SignalRequest_UpdateVideoTrack:
		t := p.ownTrack(m.UpdateVideoTrack.GetTrackSid())
		if t == nil {
			p.refuse(livekit.RequestResponse_NOT_FOUND, ErrTrackNotFound.Msg, &livekit.RequestResponse{
				Request: &livekit.RequestResponse_UpdateVideoTrack{UpdateVideoTrack: m.UpdateVideoTrack}})
			return
		}
		s.changeTrack(t, func(info *livekit.TrackInfo) {
			info.Width, info.Height = m.UpdateVideoTrack.GetWidth(), m.UpdateVideoTrack.GetHeight()
		})
	case *livekit.SignalRequest_SyncState:
		p.syncState(m.SyncState)
	case *livekit.SignalRequest_PublishDataTrackRequest:
		p.publishDataTrack(m.PublishDataTrackRequest)
	case *livekit.SignalRequest_UnpublishDataTrackRequest:
		p.unpublishDataTrack(m.UnpublishDataTrackRequest)
	case *livekit.SignalRequest_UpdateDataSubscription:
		p.subscribeData(m.UpdateDataSubscription)
	case *livekit.SignalRequest_StoreDataBlobRequest:
		p.keepsNoBlobs(m.StoreDataBlobRequest.GetRequestId())
	case *livekit.SignalRequest_GetDataBlobRequest:
		p.keepsNoBlobs(m.GetDataBlobRequest.GetRequestId())
	case *livekit.SignalRequest_Simulate:
		p.simulate(m.Simulate)
	}
	if changes(req) && !p.gone {
		p.changed()
	}
}

// offer brings up the client's sending connection, or renegotiates it.
func (p *participant) offer(d *livekit.SessionDescription) {
	if p.publisher == nil && !p.openPublisher() {
		return
	}
	p.described = true
	p.offering()
	p.offered(d.GetSdp())
	p.publisher.Offer(d.GetSdp(), d.GetId())
}

func (p *participant) openPublisher() bool {
	pub, err := p.state.opts.Media.NewPublisher(peer.PublisherOptions{
		Handler: &connection{p.berth},
		Codecs:  p.state.enabledCodecs(),
		FullICE: p.req.fullICE(),
		TCPOnly: p.way == livekit.CandidateProtocol_TCP,
		Logger:  p.log,
	})
	if err != nil {
		p.log.Error("open publisher connection", "error", err)
		return false
	}
	p.publisher = pub
	return true
}

// enabledCodecs are the MIME types that clients may publish.
func (s *state) enabledCodecs() []string {
	var codecs []string
	for _, c := range s.settings.EnabledCodecs {
		codecs = append(codecs, c.Mime)
	}
	return codecs
}

// trickle adds a client candidate; one that comes before the offer opens the
// connection that will need it.
func (p *participant) trickle(m *livekit.TrickleRequest) {
	var err error
	switch {
	case m.GetTarget() == livekit.SignalTarget_SUBSCRIBER:
		if p.subscriber != nil {
			err = p.subscriber.AddCandidate(m.GetCandidateInit())
		}
	case p.publisher != nil || p.openPublisher():
		err = p.publisher.AddCandidate(m.GetCandidateInit())
	}
	if errors.Is(err, peer.ErrCandidate) {
		p.refuse(livekit.RequestResponse_INVALID_REQUEST, err.Error(), &livekit.RequestResponse{
			Request: &livekit.RequestResponse_Trickle{Trickle: &livekit.TrickleRequest{Target: m.GetTarget()}}})
	} else if err != nil {
		p.log.Debug("candidate ignored", "error", err)
	}
}

// refuse tells the client that a request of it is not granted, and why; response
// names the request.
func (p *participant) refuse(reason livekit.RequestResponse_Reason, msg string, response *livekit.RequestResponse) {
	response.Reason, response.Message = reason, msg
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{RequestResponse: response}})
}

// keepsNoBlobs answers who wants a blob kept, or to have one, as schemas of data tracks are:
// else its SDK would wait.
func (p *participant) keepsNoBlobs(request uint32) {
	p.refuse(livekit.RequestResponse_NOT_ALLOWED, "this server keeps no data blobs", &livekit.RequestResponse{RequestId: request})
}

// mute applies the client's own mute.
func (p *participant) mute(m *livekit.MuteTrackRequest) {
	t := p.ownTrack(m.GetSid())
	if t == nil {
		p.refuse(livekit.RequestResponse_NOT_FOUND, ErrTrackNotFound.Msg, &livekit.RequestResponse{
			Request: &livekit.RequestResponse_Mute{Mute: m}})
		return
	}
	t.asked = time.Time{}
	p.state.setMuted(t, m.GetMuted(), event.ActorClient)
}

// askToMute has p's client mute or unmute a track.
func (p *participant) askToMute(t *track, muted bool) {
	p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_Mute{
		Mute: &livekit.MuteTrackRequest{Sid: t.info.Sid, Muted: muted},
	}})
}

// updateOwn changes the participant's own name, metadata and attributes. The
// answer comes both ways that SDKs wait for: as an update of itself and as a
// response.
func (p *participant) updateOwn(m *livekit.UpdateParticipantMetadata) {
	echo := m
	answer := func(reason livekit.RequestResponse_Reason, msg string) {
		if reason == livekit.RequestResponse_OK && p.req.Client.GetProtocol() <= 14 {
			return
		}
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_RequestResponse{RequestResponse: &livekit.RequestResponse{
			RequestId: m.GetRequestId(), Reason: reason, Message: msg,
			Request: &livekit.RequestResponse_UpdateMetadata{UpdateMetadata: echo},
		}}})
	}
	if !p.permission.CanUpdateMetadata {
		// What is refused may be long, and is not sent back.
		echo = &livekit.UpdateParticipantMetadata{RequestId: m.GetRequestId()}
		answer(livekit.RequestResponse_NOT_ALLOWED, "the token does not allow updating one's own metadata")
		return
	}
	if err := p.state.opts.Limits.check(m.GetName(), m.GetMetadata(), mergeAttributes(p.attributes, m.GetAttributes())); err != nil {
		echo = &livekit.UpdateParticipantMetadata{RequestId: m.GetRequestId()}
		answer(livekit.RequestResponse_LIMIT_EXCEEDED, err.Error())
		return
	}
	p.update(m.GetName(), m.GetMetadata(), m.GetAttributes(), event.ActorClient)
	answer(livekit.RequestResponse_OK, "")
}
