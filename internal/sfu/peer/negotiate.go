package peer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// A Subscriber's negotiation is in one of these states:
//
//	quiet        nothing to offer, or Negotiate was not called yet
//	gathering    a track came or went; its offer waits for others
//	outstanding  an offer waits for its answer; changes wait for that too
//	unbegun      the first answer is here, and no path yet; changes wait, for a moment

// change asks for an offer soon.
func (s *Subscriber) change() {
	s.wanted = true
	if !s.begun || s.outstanding || s.gathering != nil {
		return
	}
	s.gathering = time.AfterFunc(gatherChanges, func() { _ = s.queue.post(s.offer) })
}

// offer sends an offer unless one is outstanding.
func (s *Subscriber) offer() {
	if s.gathering != nil {
		s.gathering.Stop()
		s.gathering = nil
	}
	if !s.begun || !s.wanted || s.outstanding || s.unbegun != nil && !s.restart || s.conn.state == Closed {
		return
	}
	if s.pc == nil && s.draftOffer() {
		s.sendOffer()
		return
	}
	if err := s.makeOffer(); err != nil {
		s.fail("make offer", err)
		return
	}
	s.sendOffer()
}

// draftOffer makes the offer of a connection that has no track yet, without pion if that
// is not needed for it.
func (s *Subscriber) draftOffer() bool {
	lite := 0
	if s.factory.opts.ICELite && !s.fullICE {
		lite = 1
	}
	d := s.factory.drafts[lite]
	if d == nil || s.tcpOnly {
		return false
	}
	text, own := d.offer(time.Now())
	release, err := s.packets.link.Reserve(own.ufrag)
	if err != nil {
		return false
	}
	own.release, s.ahead = release, own
	s.offered(text)
	return true
}

// offered notes the offer that was made.
func (s *Subscriber) offered(text string) {
	s.wanted, s.restart = false, false
	s.made++
	for _, sl := range s.slots {
		if sl.empty++; sl.sender != nil {
			sl.empty = 0
		}
	}
	s.offerText, s.offerLines = text, strings.Count(text, "\nm=")
}

// catchUp has pion make the offer that the client has been told already.
func (s *Subscriber) catchUp() error {
	offer, err := s.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	forgetCredentials(s.api)
	return s.pc.SetLocalDescription(offer)
}

func (s *Subscriber) makeOffer() error {
	if s.pc == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	if s.restart {
		s.claimed() // of candidates that are not those of the restart
	}
	s.placeAll()
	offer, err := s.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: s.restart})
	if errors.Is(err, webrtc.ErrSenderWithNoCodecs) {
		// The client decodes nothing of a kind, so its tracks cannot be offered.
		s.dropUndecodable()
		offer, err = s.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: s.restart})
	}
	if err != nil {
		return err
	}
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	text, err := s.extensions.keep(offer.SDP, s.decoding)
	if err != nil {
		return err
	}
	if s.ahead != nil {
		text = s.ahead.resume(text)
	}
	if s.restart {
		s.vigil.restart(time.Now())
		s.updateState()
	}
	s.offered(text)
	return nil
}

func (s *Subscriber) dropUndecodable() {
	for _, sl := range s.slots {
		sender := sl.sender
		if sender == nil || len(sender.pion.GetParameters().Codecs) > 0 {
			continue
		}
		s.senderFailed(sender, ErrCodecRejected)
		s.removeTrack(sender)
	}
}

// sendOffer sends the description made last, under a new id.
func (s *Subscriber) sendOffer() {
	s.expectAnswer()
	id, text, mids := s.lastID, s.offerText, s.midToTrackID()
	s.call(func() { s.handler.SubscriberOffer(text, id, mids) })
}

// expectAnswer begins to wait for the answer to the description made last.
func (s *Subscriber) expectAnswer() {
	s.lastID++
	id := s.lastID
	s.outstanding = true
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.timeout = time.AfterFunc(s.factory.opts.AnswerTimeout, func() {
		_ = s.queue.post(func() {
			if s.outstanding && s.lastID == id {
				s.fail("wait for answer", ErrAnswerTimeout)
			}
		})
	})
}

// restartICE also serves a client that has lost our last offer, as happens
// when its signalling breaks.
func (s *Subscriber) restartICE() {
	if s.outstanding {
		var applied *webrtc.SessionDescription
		if s.pc != nil {
			applied = s.pc.CurrentRemoteDescription()
		}
		if applied == nil {
			// No ICE to restart yet: the same offer once more.
			s.sendOffer()
			return
		}
		// pion cannot roll back. The client's last answer fits all sections it
		// knows of and puts the connection back to where an offer can begin.
		if err := s.pc.SetRemoteDescription(*applied); err != nil {
			s.fail("restart ICE", err)
			return
		}
		s.outstanding = false
	}
	if s.pc != nil && s.pc.CurrentRemoteDescription() != nil {
		s.restart = true
	}
	s.offer()
}

func (s *Subscriber) handleAnswer(text string, id uint32) error {
	if !s.outstanding || (id != 0 && id != s.lastID) {
		return nil // too late: a newer offer is on its way
	}
	answer, err := parseLines(text)
	if err != nil {
		return err
	}
	if len(answer) != s.offerLines {
		if id == 0 && len(answer) < s.offerLines {
			return nil // without an id an old answer shows by its length
		}
		return fmt.Errorf("%w: %d sections answer %d", ErrDescription, len(answer), s.offerLines)
	}
	if s.pc == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	first := s.pc.CurrentRemoteDescription() == nil
	s.seek(answer)
	err = s.guarded(func() error {
		return s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text})
	})
	if err != nil {
		return err
	}
	s.outstanding = false
	s.timeout.Stop()
	s.described(answer)
	s.answered(answer)
	if first {
		s.begin()
	}
	if s.wanted {
		s.offer()
	}
	return nil
}

// answered starts what the client takes.
func (s *Subscriber) answered(answer []line) {
	byMid := make(map[string]line, len(answer))
	for _, l := range answer {
		byMid[l.mid] = l
	}
	for _, sl := range s.slots {
		l, ok := byMid[sl.transceiver.Mid()]
		if !ok || sl.transceiver.Mid() == "" {
			continue // added after the offer
		}
		if l.rejected {
			sl.refused = true
		}
		sender := sl.sender
		if sender == nil {
			sl.idle = !sl.refused && !l.receives
			continue
		}
		if sender.bound || sender.refused || sender.since > s.made {
			// Of one added after the offer the answer says nothing, even if the
			// section was there: pion may have given it one just set free.
			continue
		}
		if err := sender.bind(l, l.receives, s.factory.extensionsOf(sender.up), &s.budget); err != nil {
			s.senderFailed(sender, err)
			continue
		}
		s.bound(sender)
	}
}

// beginPatience is how long a client is given to look for a path before it gets a second
// offer; by then it has begun, if it ever does.
const beginPatience = time.Second

// begin gives the client time to begin with what it was offered first, until there is a
// path. Clients of pion's take an offer that meets an agent which has not begun for a
// restart of ICE, and never connect. Media waits for the path anyway.
func (s *Subscriber) begin() {
	if !settled(s.pc.ICEConnectionState()) {
		s.unbegun = time.AfterFunc(beginPatience, func() { _ = s.queue.post(s.hasBegun) })
	}
}

// hasBegun offers what has waited for the client, in its own turn: that there is a path
// may be seen while another offer is made, or an answer is taken.
func (s *Subscriber) hasBegun() {
	if s.unbegun == nil {
		return
	}
	s.unbegun.Stop()
	s.unbegun = nil
	_ = s.queue.post(s.offer)
}
