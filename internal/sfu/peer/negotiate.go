package peer

import (
	"fmt"
	"slices"
	"time"
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
	if err := s.makeOffer(); err != nil {
		s.fail("make offer", err)
		return
	}
	s.sendOffer()
}

// makeOffer makes an offer of what there is.
func (s *Subscriber) makeOffer() error {
	if !s.conn.begun() {
		if err := s.listen(true); err != nil {
			return err
		}
	}
	if s.restart {
		if err := s.renew(); err != nil {
			return err
		}
		s.renewed = true
		s.vigil.restart(time.Now())
		s.updateState()
	}
	s.placeAll()
	s.wanted, s.restart = false, false
	s.made++
	d := s.describe("actpass", s.sections())
	d.mixed = true
	s.offerText, s.offerLines = d.String(), len(d.sections)
	return nil
}

// sections are what is offered: data, and media that we send.
func (s *Subscriber) sections() []section {
	sections := make([]section, 0, 1+len(s.slots))
	sections = append(sections, section{mid: "0", kind: kindData, protocol: protocolData})
	media := s.factory.subscriberMedia
	for _, sl := range s.slots {
		codecs := sl.codecs
		if codecs == nil {
			codecs = media.offered(sl.kind)
		}
		d := section{mid: sl.mid, kind: sl.kind, protocol: protocolMedia, direction: "inactive", codecs: codecs, exts: media.extmaps(sl.kind)}
		sl.offered = true
		sl.empty++
		if sl.refused {
			d.rejected = true
		} else if sender := sl.sender; sender != nil {
			sl.empty = 0
			d.direction = "sendonly"
			d.sent(sender)
			if sender.stereo() {
				d.codecs = slices.Clone(codecs)
				tellOpus(d.codecs, "sprop-stereo=1")
			}
		}
		sections = append(sections, d)
	}
	return sections
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
		if !s.conn.known {
			// No ICE to restart yet: the same offer once more.
			s.sendOffer()
			return
		}
		s.outstanding = false // it was never made
	}
	if s.conn.known {
		s.restart = true
	}
	s.offer()
}

func (s *Subscriber) handleAnswer(text string, id uint32) error {
	if !s.outstanding || (id != 0 && id != s.lastID) {
		return nil // too late: a newer offer is on its way
	}
	var answer remote
	err := s.guarded(func() (err error) {
		answer, err = parseRemote(text)
		return err
	})
	if err != nil {
		return err
	}
	if n := len(answer.lines); n != s.offerLines {
		if id == 0 && n < s.offerLines {
			return nil // without an id an old answer shows by its length
		}
		return fmt.Errorf("%w: %d sections answer %d", ErrDescription, n, s.offerLines)
	}
	if err := answer.complete(); err != nil {
		return err
	}
	if id == 0 && s.renewed && answer.own == s.finder.agent.Remote() {
		return nil // to what was offered before the restart: it would have other credentials (RFC 8839 §4.4.3)
	}
	s.renewed = false
	first := !s.conn.known
	if first {
		s.openChannels()
	}
	s.outstanding = false
	s.timeout.Stop()
	s.described(&answer)
	s.answered(answer.lines)
	if first {
		s.begin()
	}
	if s.wanted {
		s.offer()
	}
	return nil
}

// take notes which codecs the client takes in a section: what it has not taken need not be
// offered there again, as long as the track is the same.
func (s *Subscriber) take(sl *slot, l line) {
	if sl.codecs != nil || l.rejected || sl.sender == nil || sl.sender.since > s.made {
		return
	}
	sl.codecs = slices.DeleteFunc(s.factory.subscriberMedia.offered(l.kind), func(c lineCodec) bool {
		return !slices.ContainsFunc(l.codecs, func(o lineCodec) bool { return o.pt == c.pt })
	})
	if len(sl.codecs) == 0 {
		sl.codecs = nil // by other numbers than ours
	}
}

// answered starts what the client takes.
func (s *Subscriber) answered(answer []line) {
	byMid := make(map[string]line, len(answer))
	for _, l := range answer {
		byMid[l.mid] = l
	}
	for _, sl := range s.slots {
		l, ok := byMid[sl.mid]
		if !ok {
			continue // added after the offer
		}
		if l.rejected {
			sl.refused = true
		}
		s.take(sl, l)
		sender := sl.sender
		if sender == nil {
			sl.idle = !sl.refused && !l.receives
			continue
		}
		if sender.bound || sender.refused || sender.since > s.made {
			// Of one added after the offer the answer says nothing, even if the
			// section was there.
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
	if !s.settled() {
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
