package peer

import (
	"strings"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// sending is the half of a connection that carries media to the client:
// a Subscriber's and a Duplex'. How a track gets its section is theirs, because
// one offers and the other answers.
type sending struct {
	via     *conn            // immutable
	handler sendingHandler   // immutable
	delay   [2]time.Duration // immutable; of playout, zeros: each track's
	// neverAsks is that of downtrack.Options; immutable.
	neverAsks bool

	// tasks only
	slots   []*slot
	flowing bool // the connection was up once

	reports reports
	budget  budget
}

// sendingHandler is what both handlers hear of tracks that are sent.
type sendingHandler interface {
	// SenderFailed says that a track cannot be sent, with ErrCodecRejected if
	// the client does not decode it. It stays until RemoveTrack.
	SenderFailed(*Sender, error)
	// StreamState says that a video track flows, or is paused because the
	// connection does not carry it. The first time it flows is told too.
	StreamState(s *Sender, paused bool)
}

func (s *sending) prepare(c *conn, h sendingHandler, mayPause bool, delay [2]time.Duration) {
	s.via, s.handler, s.delay = c, h, delay
	c.packets.budget = &s.budget
	s.reports.senders = map[*Sender]struct{}{}
	s.reports.tick = s.budget.poll
	s.reports.now = func() time.Time { return c.factory.clock.now() }
	s.budget.mayPause = mayPause
	s.budget.pacer.visit = func(p *pacer) { c.factory.paces.add(p) }
	s.budget.starved = func(sender *Sender) { s.streamState(sender, true) }
}

// LimitBandwidth puts a ceiling on the video that is sent, in bits per second; 0
// takes it away.
func (s *sending) LimitBandwidth(bitsPerSecond uint64) { s.budget.limit(bitsPerSecond) }

// newSender returns a Sender that no section is found for yet.
func (s *sending) newSender(streamID, trackID string, up *uptrack.UpTrack) *Sender {
	sender := &Sender{delay: s.delay, streamID: token(streamID), trackID: trackID, up: up, codec: up.Codec()}
	sender.ssrc, sender.rtx = newSSRCs(kindOf(sender.codec))
	if sender.delay == [2]time.Duration{} {
		sender.delay = up.PlayoutDelay()
	}
	o := downtrack.Options{Source: up, Now: s.reports.now, NeverAsks: s.neverAsks}
	if kindOf(sender.codec) == kindVideo {
		o.OnFlow = func() { s.streamState(sender, false) }
	}
	sender.down = downtrack.New(o)
	s.via.tally.sends(sender.down, sender.codec)
	return sender
}

// streamState tells the handler, in turn, if by then it is still so. It may be
// called from anywhere.
func (s *sending) streamState(sender *Sender, paused bool) {
	_ = s.via.queue.post(func() {
		if sender.removed || sender.told && sender.toldPaused == paused || sender.down.Starved() != paused {
			return
		}
		sender.told, sender.toldPaused = true, paused
		s.via.call(func() { s.handler.StreamState(sender, paused) })
	})
}

// occupy gives a section to a sender.
func (s *sending) occupy(sl *slot, sender *Sender) {
	sl.sender, sl.idle, sl.codecs = sender, false, nil
	sender.slot = sl
}

// bound is called for a sender whose section the client has agreed to.
func (s *sending) bound(sender *Sender) {
	s.start(sender)
	s.reports.add(sender, s.via.packets.writeRTCP)
}

// start begins to send a bound track, once the connection was up: what is sent
// before is lost, and with it a key frame that not every client asks for again.
func (s *sending) start(sender *Sender) {
	if s.flowing {
		s.via.packets.feed(sender)
	}
}

// flow starts the tracks that were bound before the connection was up.
func (s *sending) flow() {
	if s.flowing {
		return
	}
	s.flowing = true
	for _, sl := range s.slots {
		if sl.sender != nil && sl.sender.bound {
			s.start(sl.sender)
		}
	}
}

// removeTrack reports whether the client has to hear of it.
func (s *sending) removeTrack(sender *Sender) bool {
	if sender.removed {
		return false
	}
	sender.removed = true
	return s.vacate(sender)
}

// vacate takes a sender out of its section, if it has one.
func (s *sending) vacate(sender *Sender) bool {
	s.reports.remove(sender)
	s.budget.remove(sender)
	s.via.packets.listen(sender.down)
	if sender.slot == nil {
		return false
	}
	sl := sender.slot
	sl.sender, sender.slot = nil, nil
	sl.idle = !sl.offered
	return true
}

func (s *sending) senderFailed(sender *Sender, err error) {
	if sender.refused || sender.removed {
		return
	}
	sender.refused = true
	s.via.call(func() { s.handler.SenderFailed(sender, err) })
}

// token is text as a description can have it within a value: who publishes may choose
// it, and could write lines of other clients' descriptions (RFC 8866 §9, token).
func token(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune("\"(),/:;<=>?@[\\]", r) {
			return '_'
		}
		return r
	}, text)
}

// sent says in a section what we send there.
func (s *section) sent(sender *Sender) {
	s.streamID, s.trackID, s.ssrc, s.rtx = sender.streamID, sender.trackID, sender.ssrc, sender.rtx
}

// midToTrackID names the track in each section that carries one.
func (s *sending) midToTrackID() map[string]string {
	mids := map[string]string{}
	for _, sl := range s.slots {
		if sl.sender != nil {
			mids[sl.mid] = sl.sender.trackID
		}
	}
	return mids
}

func (s *sending) close() {
	s.reports.close()
	s.budget.close()
	for _, sl := range s.slots {
		if sl.sender != nil {
			sl.sender.down.Close()
		}
	}
}
