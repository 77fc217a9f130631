package client

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// link is one peer connection and its side of signalling. Loop only.
type link struct {
	pc     *webrtc.PeerConnection
	ice    *webrtc.ICETransport
	target livekit.SignalTarget
	state  webrtc.PeerConnectionState
	// settled counts the descriptions that both ends agreed on.
	settled int
	early   []webrtc.ICECandidateInit // came before the remote description

	// Of a publisher, which offers:
	offering  bool        // an offer waits for its answer
	offerID   uint32      // of the newest offer
	expecting *time.Timer // our patience with the server; nil before the first offer
	restart   bool        // the next offer restarts ICE
	again     bool        // another offer is needed after this one
	offered   []func()    // called when the offer in flight is answered
	next      []func()    // called when the next offer is answered
}

// newLink wires pc's callbacks to the loop.
func (s *session) newLink(pc *webrtc.PeerConnection, target livekit.SignalTarget) *link {
	l := &link{pc: pc, target: target}
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			return // the server needs no last word
		}
		init := c.ToJSON()
		s.post(func() { s.trickle(l, init) })
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		s.post(func() {
			l.state = state
			s.linkChanged(l)
		})
	})
	l.ice = pc.SCTP().Transport().ICETransport()
	l.ice.OnSelectedCandidatePairChange(func(*webrtc.ICECandidatePair) { s.post(s.maybeConnected) })
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		s.post(func() { s.incoming(l, track, receiver) })
	})
	pc.OnDataChannel(func(dc *webrtc.DataChannel) { s.room.data.receive(s, dc) })
	return l
}

func (s *session) trickle(l *link, c webrtc.ICECandidateInit) {
	encoded, err := json.Marshal(c)
	if err != nil {
		s.room.log.Debug("encode candidate", "error", err)
		return
	}
	s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{
		Trickle: &livekit.TrickleRequest{CandidateInit: string(encoded), Target: l.target},
	}})
}

// candidate takes one of the server's.
func (l *link) candidate(encoded string) error {
	var c webrtc.ICECandidateInit
	if err := json.Unmarshal([]byte(encoded), &c); err != nil {
		return fmt.Errorf("read candidate: %w", err)
	}
	if c.Candidate == "" {
		return nil
	}
	if l.pc.RemoteDescription() == nil {
		l.early = append(l.early, c)
		return nil
	}
	return l.pc.AddICECandidate(c)
}

// described takes the server's description, and the candidates that came before it.
func (l *link) described(kind webrtc.SDPType, sdp string) error {
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}); err != nil {
		return fmt.Errorf("take %s: %w", kind, err)
	}
	early := l.early
	l.early = nil
	for _, c := range early {
		if err := l.pc.AddICECandidate(c); err != nil {
			return fmt.Errorf("add candidate: %w", err)
		}
	}
	return nil
}

// ufrag is the user name fragment in the server's description; empty if there is none.
func (l *link) ufrag() string {
	d := l.pc.RemoteDescription()
	if d == nil {
		return ""
	}
	_, rest, _ := strings.Cut(d.SDP, "a=ice-ufrag:")
	ufrag, _, _ := strings.Cut(rest, "\r\n")
	return ufrag
}

// foundSince says whether ICE has found a path since the server's user name fragment
// was another, which is to say since a restart (RFC 8445 §9).
func (l *link) foundSince(ufrag string) bool {
	if now := l.ufrag(); now == "" || now == ufrag {
		return false
	}
	pair, err := l.ice.GetSelectedCandidatePair()
	return err == nil && pair != nil
}

// answer takes an offer of the server's.
func (s *session) answer(l *link, offer *livekit.SessionDescription) error {
	text, err := l.idling(offer.GetSdp())
	if err != nil {
		return fmt.Errorf("read offer: %w", err)
	}
	if err := l.described(webrtc.SDPTypeOffer, text); err != nil {
		return err
	}
	answer, err := l.pc.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := l.pc.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{
		Answer: &livekit.SessionDescription{Type: "answer", Sdp: answer.SDP, Id: offer.GetId()},
	}})
	l.settled++
	return nil
}

// negotiate offers what has changed; answered, if not nil, is called when the
// server has answered an offer with all of it.
func (s *session) negotiate(l *link, answered func()) error {
	if answered != nil {
		l.next = append(l.next, answered)
	}
	if l.offering {
		l.again = true
		return nil
	}
	l.again, l.offering = false, true
	l.offered, l.next = l.next, nil
	var options *webrtc.OfferOptions
	if l.restart {
		options, l.restart = &webrtc.OfferOptions{ICERestart: true}, false
	}
	offer, err := l.pc.CreateOffer(options)
	if err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	if err := l.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	s.sendOffer(l)
	return nil
}

// sendOffer sends the offer made last, under a new id.
func (s *session) sendOffer(l *link) {
	l.offerID++
	s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: l.pc.PendingLocalDescription().SDP, Id: l.offerID},
	}})
	s.expectAnswer(l, l.offerID)
}

// answered takes the server's answer to our offer.
func (s *session) answered(l *link, answer *livekit.SessionDescription) error {
	if !l.offering || answer.GetId() != 0 && answer.GetId() != l.offerID {
		return nil // to an offer that a reconnect made void
	}
	if err := l.described(webrtc.SDPTypeAnswer, answer.GetSdp()); err != nil {
		return err
	}
	l.offering = false
	stop(l.expecting)
	l.settled++
	done := l.offered
	l.offered = nil
	for _, fn := range done {
		fn()
	}
	if l.again {
		return s.negotiate(l, nil)
	}
	return nil
}
