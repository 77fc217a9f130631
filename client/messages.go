package client

import (
	"fmt"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// handle acts on a message of the server's. What cannot be acted upon is no
// reason to end anything, unless the connections cannot go on without it.
func (s *session) handle(m *livekit.SignalResponse) {
	if err := s.handleConnection(m); err != nil {
		s.room.log.Warn("message of the server", "error", err)
		s.room.restore(true, livekit.ReconnectReason_RR_UNKNOWN)
		return
	}
	r := s.room
	switch m := m.GetMessage().(type) {
	case *livekit.SignalResponse_Update:
		r.handleParticipants(s, m.Update.GetParticipants())
	case *livekit.SignalResponse_TrackPublished:
		r.handleTrackPublished(s, m.TrackPublished)
	case *livekit.SignalResponse_TrackUnpublished:
		r.handleTrackUnpublished(m.TrackUnpublished.GetTrackSid())
	case *livekit.SignalResponse_TrackSubscribed:
		r.handleTrackSubscribed(m.TrackSubscribed.GetTrackSid())
	case *livekit.SignalResponse_Mute:
		r.handleMute(m.Mute)
	case *livekit.SignalResponse_SpeakersChanged:
		r.change(func() { r.handleSpeakers(m.SpeakersChanged.GetSpeakers()) })
	case *livekit.SignalResponse_ConnectionQuality:
		r.change(func() { r.handleQuality(m.ConnectionQuality.GetUpdates()) })
	case *livekit.SignalResponse_RoomUpdate:
		r.change(func() { r.handleRoom(m.RoomUpdate.GetRoom()) })
	case *livekit.SignalResponse_StreamStateUpdate:
		r.change(func() { r.handleStreamStates(m.StreamStateUpdate.GetStreamStates()) })
	case *livekit.SignalResponse_SubscriptionPermissionUpdate:
		r.change(func() { r.handleSubscriptionPermission(m.SubscriptionPermissionUpdate) })
	case *livekit.SignalResponse_SubscriptionResponse:
		r.handleSubscriptionFailed(m.SubscriptionResponse)
	case *livekit.SignalResponse_SubscribedQualityUpdate:
		r.handleWantedLayers(m.SubscribedQualityUpdate)
	case *livekit.SignalResponse_RequestResponse:
		r.handleRequestResponse(s, m.RequestResponse)
	case *livekit.SignalResponse_RefreshToken:
		if m.RefreshToken != "" {
			r.token = m.RefreshToken
		}
	case *livekit.SignalResponse_RoomMoved:
		r.handleMoved(s, m.RoomMoved)
	case *livekit.SignalResponse_Leave:
		r.handleLeave(m.Leave)
	}
}

// handleConnection acts on what is about the peer connections.
func (s *session) handleConnection(m *livekit.SignalResponse) error {
	switch m := m.GetMessage().(type) {
	case *livekit.SignalResponse_Offer:
		if s.sub == nil {
			return nil // with a single connection, only we offer
		}
		if err := s.answer(s.sub, m.Offer); err != nil {
			return err
		}
		s.sending(m.Offer.GetSdp())
		s.maybeConnected()
	case *livekit.SignalResponse_Answer:
		if s.pub == nil {
			return nil
		}
		if s.single && m.Answer.GetMidToTrackId() != nil {
			s.mids = m.Answer.GetMidToTrackId()
		}
		if err := s.answered(s.pub, m.Answer); err != nil {
			return err
		}
		if s.single {
			s.sending(m.Answer.GetSdp())
		}
		s.maybeConnected()
	case *livekit.SignalResponse_Trickle:
		l := s.sub
		if m.Trickle.GetTarget() == livekit.SignalTarget_PUBLISHER {
			l = s.pub
		}
		if l == nil {
			return nil
		}
		if err := l.candidate(m.Trickle.GetCandidateInit()); err != nil {
			s.room.log.Debug("candidate of the server", "error", err) // others may do
		}
	case *livekit.SignalResponse_MediaSectionsRequirement:
		return s.require(m.MediaSectionsRequirement)
	}
	return nil
}

// maxSections is more tracks than a client can make use of at once.
const maxSections = 1000

// require makes room for more tracks on a single connection, and offers it.
func (s *session) require(m *livekit.MediaSectionsRequirement) error {
	if !s.single || s.pub == nil {
		return nil
	}
	if m.GetNumAudios() > maxSections || m.GetNumVideos() > maxSections {
		return fmt.Errorf("%w: %d and %d media sections", errProtocol, m.GetNumAudios(), m.GetNumVideos())
	}
	if err := s.addReceivers(webrtc.RTPCodecTypeAudio, int(m.GetNumAudios())); err != nil {
		return err
	}
	if err := s.addReceivers(webrtc.RTPCodecTypeVideo, int(m.GetNumVideos())); err != nil {
		return err
	}
	return s.negotiate(s.pub, nil)
}

// handleLeave acts on the server's wish that the client leave, or come again.
func (r *Room) handleLeave(m *livekit.LeaveRequest) {
	switch {
	case m.GetAction() == livekit.LeaveRequest_RESUME:
		r.restore(false, livekit.ReconnectReason_RR_SIGNAL_DISCONNECTED)
	case m.GetAction() == livekit.LeaveRequest_RECONNECT || m.GetCanReconnect():
		r.restore(true, livekit.ReconnectReason_RR_UNKNOWN)
	default:
		r.leave(m.GetReason(), nil)
	}
}

// handleMoved follows the server into another room.
func (r *Room) handleMoved(s *session, m *livekit.RoomMovedResponse) {
	if m.GetToken() != "" {
		r.token = m.GetToken()
	}
	r.change(func() {
		if r.known(m.GetParticipant()) {
			r.updateLocal(m.GetParticipant()) // under another sid
		}
		for len(r.remotes) > 0 {
			r.removeParticipant(r.remotes[0], livekit.DisconnectReason_MIGRATION)
		}
		if m.GetRoom() != nil {
			r.handleRoom(m.GetRoom())
		}
	})
	r.handleParticipants(s, m.GetOtherParticipants())
}
