package room

import (
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"

	"github.com/rollcall-rtc/rollcall/event"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// connection brings what happens on p's peer connections into the room's loop.
// Its methods run on the connections' goroutines; only the closures that they
// post touch p. It serves both connections: the names say which.
type connection struct{ *berth }

func description(typ, sdp string, id uint32, mids map[string]string) *livekit.SessionDescription {
	return &livekit.SessionDescription{Type: typ, Sdp: sdp, Id: id, MidToTrackId: mids}
}

// PublisherAnswer sends the answer to the client's offer.
func (c *connection) PublisherAnswer(sdp string, id uint32, mids map[string]string) {
	c.post(func(_ *state, p *participant) {
		p.negotiate(&livekit.SignalResponse{Message: &livekit.SignalResponse_Answer{Answer: description("answer", sdp, id, mids)}})
		p.answered()
	})
}

// SectionsRequired asks the client for an offer, when it can take that, with more
// sections to receive in or none.
func (c *connection) SectionsRequired(audio, video int) {
	c.post(func(_ *state, p *participant) {
		p.prompt(func(p *participant) { p.askForOffer(audio, video) })
	})
}

// OfferOverdue asks the client at once for an offer that others wait for, unless one
// has come that is about to be answered (see turns).
func (c *connection) OfferOverdue() {
	c.post(func(_ *state, p *participant) {
		if !p.turns.offering {
			p.askForOffer(0, 0)
		}
	})
}

// askForOffer has the client offer, with more sections of each kind.
func (p *participant) askForOffer(audio, video int) {
	p.negotiate(&livekit.SignalResponse{Message: &livekit.SignalResponse_MediaSectionsRequirement{
		MediaSectionsRequirement: &livekit.MediaSectionsRequirement{NumAudios: uint32(audio), NumVideos: uint32(video)},
	}})
}

// PublisherState follows the client-to-server transport.
func (c *connection) PublisherState(st peer.State) {
	c.post(func(s *state, p *participant) {
		p.pubState = st
		s.transportChanged(p, st, !p.req.SubscriberPrimary())
	})
}

// PublisherTrack takes in media that can flow.
func (c *connection) PublisherTrack(r *peer.Receiver) {
	c.post(func(_ *state, p *participant) { p.receiverReady(r) })
}

// PublisherTrackEnded ends the track of that media.
func (c *connection) PublisherTrackEnded(r *peer.Receiver) {
	c.post(func(_ *state, p *participant) { p.receiverEnded(r) })
}

// SubscriberOffer sends the server's offer.
func (c *connection) SubscriberOffer(sdp string, id uint32, mids map[string]string) {
	c.post(func(_ *state, p *participant) {
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_Offer{Offer: description("offer", sdp, id, mids)}})
	})
}

// SubscriberState follows the server-to-client transport.
func (c *connection) SubscriberState(st peer.State) {
	c.post(func(s *state, p *participant) {
		p.subState = st
		s.transportChanged(p, st, p.req.SubscriberPrimary())
	})
}

// SenderFailed tells the client that it cannot have a track, unless there is
// another codec of it.
func (c *connection) SenderFailed(sender *peer.Sender, err error) { c.senderFailed(sender, err) }

func (c *connection) senderFailed(sender Sender, err error) {
	c.post(func(s *state, p *participant) {
		sub := p.subscriptions[sender.TrackID()]
		if sub != nil && sub.sender == sender && errors.Is(err, peer.ErrCodecRejected) && p.undecodable(sub) {
			return
		}
		p.log.Warn("subscription failed", "track", sender.TrackID(), "error", err)
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_SubscriptionResponse{
			SubscriptionResponse: &livekit.SubscriptionResponse{
				TrackSid: sender.TrackID(), Err: livekit.SubscriptionError_SE_CODEC_UNSUPPORTED,
			},
		}})
		if t := s.tracks[sender.TrackID()]; t != nil {
			s.emit(event.Event{Name: event.SubscriptionFailed, Participant: p.info(), Track: t.info, Actor: event.ActorClient,
				Detail: &event.Failure{Error: err.Error(), Publisher: t.owner.identity}})
		}
	})
}

// StreamState tells the client that a track is paused because its connection
// does not carry it, or flows.
func (c *connection) StreamState(sender *peer.Sender, paused bool) { c.streamState(sender, paused) }

func (c *connection) streamState(sender Sender, paused bool) {
	c.post(func(s *state, p *participant) {
		sub := p.subscriptions[sender.TrackID()]
		if sub == nil || sub.sender != sender {
			return
		}
		sub.told, sub.stream = true, livekit.StreamState_ACTIVE
		if paused {
			sub.stream = livekit.StreamState_PAUSED
		}
		p.tellStreams(sub)
	})
}

// tellStreams tells the client which of these tracks are paused and which flow.
func (p *participant) tellStreams(subs ...*subscription) {
	var states []*livekit.StreamStateInfo
	for _, sub := range subs {
		if sub.told {
			states = append(states, &livekit.StreamStateInfo{
				ParticipantSid: sub.track.owner.sid, TrackSid: sub.track.info.Sid, State: sub.stream,
			})
		}
	}
	if len(states) > 0 {
		p.reply(&livekit.SignalResponse{Message: &livekit.SignalResponse_StreamStateUpdate{
			StreamStateUpdate: &livekit.StreamStateUpdate{StreamStates: states},
		}})
	}
}

// NegotiationFailed sends the client into a full reconnect, or away if it does
// what no client does. What a client does not say because its signal connection
// is down is no failure: it negotiates anew when it resumes.
func (c *connection) NegotiationFailed(err error) {
	c.post(func(s *state, p *participant) {
		if p.sink == nil && p.joined && errors.Is(err, peer.ErrAnswerTimeout) {
			return
		}
		action := livekit.LeaveRequest_RECONNECT
		if errors.Is(err, peer.ErrGarbage) || errors.Is(err, peer.ErrFlood) {
			action = livekit.LeaveRequest_DISCONNECT
		}
		p.log.Warn("negotiation failed", "error", err)
		p.sendLeave(livekit.DisconnectReason_STATE_MISMATCH, action)
		s.remove(p, livekit.DisconnectReason_STATE_MISMATCH)
	})
}

// transportChanged reacts to a connection's state; primary is the connection
// that decides whether p is connected.
func (s *state) transportChanged(p *participant, st peer.State, primary bool) {
	if primary && st == peer.Reachable {
		p.stages().Reachable()
	}
	s.mirror(p)
	switch st {
	case peer.Reachable:
		if primary && p.leaving != 0 {
			s.activate(p)
		}
	case peer.Connected:
		if primary {
			s.activate(p)
			p.back()
		}
		if p.joined && p.sink != nil && p.leaving == 0 && !p.overflowed && !p.transportFailed() {
			p.deadline = time.Time{}
		}
	case peer.Disconnected:
		if primary && p.leaving == 0 {
			p.lose("transport")
		}
	case peer.Failed, peer.Closed:
		switch {
		case !primary && st == peer.Closed:
		case !p.joined && p.leaving != 0:
			s.remove(p, p.leaving)
		case !p.joined && p.sink == nil:
			s.remove(p, livekit.DisconnectReason_SIGNAL_CLOSE)
		case p.joined && p.leaving == 0 && st == peer.Closed && p.sink != nil:
			// The client has closed it: its goodbye is on its way, on a connection
			// that may be slower.
			p.hangUp = s.now.Add(goodbyeGrace)
			s.wakeAt(p.hangUp)
			if p.overflowed { // because of this
				p.overflowed, p.deadline = false, time.Time{}
			}
		case p.joined && p.leaving == 0:
			if p.sink != nil && s.now.Sub(p.resumedAt) < resumePatience {
				// The client has noticed before us, and is at it: what failed is
				// from before. Cutting its signal connection would undo that.
				p.lose("transport")
				p.setDeadline(resumePatience)
				return
			}
			p.askToResume()
		}
	}
}

// resumePatience is how long a client that has resumed may take to bring its
// transport back. SDKs give up, and start over, after 15 s.
const resumePatience = 20 * time.Second

// askToResume ends the signal connection of a client whose transport is down: it
// may resume, and may not know yet.
func (p *participant) askToResume() {
	p.hangUp = time.Time{}
	p.lose("transport")
	p.sendLeave(livekit.DisconnectReason_CONNECTION_TIMEOUT, livekit.LeaveRequest_RESUME)
	p.dropSignal()
	p.setDeadline(p.state.opts.ResumeTimeout)
}

// transportFailed says that the connection which decides about p is down for good.
func (p *participant) transportFailed() bool {
	st := p.primary()
	return st == peer.Failed || st == peer.Closed
}
