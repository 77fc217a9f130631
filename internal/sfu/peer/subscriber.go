package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// gatherChanges is how long added and removed tracks wait for others to go
// with them into one offer.
const gatherChanges = 10 * time.Millisecond

// SubscriberHandler hears what happens on a Subscriber. Its methods are called
// one at a time and must not block.
type SubscriberHandler interface {
	sendingHandler
	// SubscriberOffer is an offer to the client. It must answer with Answer
	// and the id.
	SubscriberOffer(sdp string, id uint32, midToTrackID map[string]string)
	// SubscriberState tells each new state of the connection.
	SubscriberState(State)
	// Data is a message of the client. The payload belongs to the handler.
	Data(kind DataKind, label string, payload []byte)
	// NegotiationFailed says that the connection cannot be used any more.
	NegotiationFailed(err error)
}

// SubscriberOptions configure a Subscriber. Handler is required.
type SubscriberOptions struct {
	Handler SubscriberHandler
	// AllowPause lets video that the connection does not carry be paused.
	// Without it, it is sent in its lowest layer.
	AllowPause bool
	// PlayoutDelay is how long the client should wait, at least and at most, before
	// it shows a frame; zeros leave that to each track.
	PlayoutDelay [2]time.Duration
	// FullICE makes connectivity checks even if the factory's connections are
	// ICE-lite, for clients that do not get along with that.
	FullICE bool
	// TCPOnly makes no use of UDP, if the factory listens for TCP.
	TCPOnly bool
	// FreshSections uses no section again that was offered twice without a track. Clients
	// made with pion stop its receiver at the second time, and it receives no more.
	FreshSections bool
	Logger        *slog.Logger
}

// Subscriber carries media and data to a client. We offer; nothing is sent
// before Negotiate or Begin.
type Subscriber struct {
	conn
	handler SubscriberHandler // immutable
	fresh   bool              // immutable; see SubscriberOptions.FreshSections

	// tasks only
	sending
	unplaced    []*Sender // without a section until the next offer
	lastID      uint32
	outstanding bool   // an offer has no answer yet
	offerLines  int    // media sections in it
	made        uint64 // descriptions made
	offerText   string
	begun       bool // Negotiate was called
	wanted      bool // something is to be offered
	restart     bool // with new ICE credentials
	renewed     bool // the offer that is out has them
	gathering   *time.Timer
	timeout     *time.Timer
	unbegun     *time.Timer // the client may not have begun with our first offer; see begin
}

// NewSubscriber returns a Subscriber that waits for tracks and Negotiate.
func (f *Factory) NewSubscriber(opts SubscriberOptions) (*Subscriber, error) {
	s := &Subscriber{handler: opts.Handler, fresh: opts.FreshSections}
	s.sending.prepare(&s.conn, s.handler, opts.AllowPause, opts.PlayoutDelay)
	s.onConnected, s.onClosed, s.onPath = s.flow, s.closeAll, s.hasBegun
	s.fullICE, s.tcpOnly = opts.FullICE, opts.TCPOnly
	if err := s.init(f, opts.Logger, subscriberEvents{s}); err != nil {
		return nil, err
	}
	return s, nil
}

// subscriberEvents names the handler's methods as conn does.
type subscriberEvents struct{ s *Subscriber }

func (e subscriberEvents) state(s State) { e.s.handler.SubscriberState(s) }
func (e subscriberEvents) data(k DataKind, label string, payload []byte) {
	e.s.handler.Data(k, label, payload)
}
func (e subscriberEvents) failed(err error) { e.s.handler.NegotiationFailed(err) }

// AddTrack begins to send a track. Once Negotiate has been called the change
// is offered by itself, with others of the same moment.
func (s *Subscriber) AddTrack(streamID, trackID string, up *uptrack.UpTrack) (*Sender, error) {
	sender := s.newSender(streamID, trackID, up)
	err := s.queue.post(func() {
		if sender.removed {
			return
		}
		s.unplaced = append(s.unplaced, sender)
		s.change()
	})
	if err != nil {
		return nil, fmt.Errorf("add track: %w", err)
	}
	return sender, nil
}

// RemoveTrack stops sending a track and makes its section inactive in the
// next offer.
func (s *Subscriber) RemoveTrack(sender *Sender) {
	sender.down.Close()
	s.tally.sent(sender.down)
	_ = s.queue.post(func() {
		s.unplaced = slices.DeleteFunc(s.unplaced, func(other *Sender) bool { return other == sender })
		if s.removeTrack(sender) {
			s.change()
		}
	})
}

// Negotiate offers what there is, as soon as no offer is on its way. The
// first offer waits for it, so that tracks added before are in that one.
func (s *Subscriber) Negotiate() {
	_ = s.queue.post(func() {
		s.begun, s.wanted = true, true
		s.offer()
	})
}

// Begin is Negotiate for a Subscriber to which nobody has added a track. The handler
// does not hear of its first offer, which Begin returns. ok is false, and nothing has
// happened, if something is under way: call Negotiate.
func (s *Subscriber) Begin() (sdp string, id uint32, ok bool) {
	s.queue.try(func() {
		if s.begun || len(s.unplaced) > 0 || s.conn.state == Closed || s.makeOffer() != nil {
			return
		}
		s.begun = true
		s.expectAnswer()
		sdp, id, ok = s.offerText, s.lastID, true
	})
	return sdp, id, ok
}

// RestartICE offers new ICE credentials. An offer without an answer is taken
// as lost.
func (s *Subscriber) RestartICE() {
	_ = s.queue.post(func() {
		s.begun, s.wanted = true, true
		s.restartICE()
	})
}

// Answer takes the client's answer to the offer with that id; 0 stands for
// the last offer. Others are ignored.
func (s *Subscriber) Answer(sdp string, id uint32) {
	err := s.queue.postRemote(func() {
		if err := s.handleAnswer(sdp, id); err != nil {
			s.fail("take answer", err)
		}
	})
	if errors.Is(err, ErrFlood) {
		_ = s.queue.post(func() { s.fail("take answer", ErrFlood) })
	}
}

// openChannels opens those on which we send data.
func (s *Subscriber) openChannels() {
	lossy := sctp.Reliability{Unordered: true, Limited: true}
	s.packets.data.open(channelRequest{label: labelReliable})
	s.packets.data.open(channelRequest{label: labelLossy, rel: lossy})
	s.packets.data.open(channelRequest{label: labelTrack, rel: lossy})
}

// placeAll finds sections for what was added, for the offer that is about to be made. A
// track that has gone again by then had none: clients of pion's never receive in a section
// that two offers have had before there was a track in it.
func (s *Subscriber) placeAll() {
	for _, sender := range s.unplaced {
		sender.since = s.made + 1
		sl := s.free(kindOf(sender.codec))
		if sl == nil {
			// The first section is that for data.
			sl = &slot{mid: strconv.Itoa(len(s.slots) + 1), kind: kindOf(sender.codec)}
			s.slots = append(s.slots, sl)
		}
		s.occupy(sl, sender)
	}
	s.unplaced = nil
}

// free returns a section of the kind that can be used again, nil if there is none.
func (s *Subscriber) free(kind string) *slot {
	for _, sl := range s.slots {
		if sl.kind == kind && sl.sender == nil && sl.idle && !sl.refused && !(s.fresh && sl.empty > 1) {
			return sl
		}
	}
	return nil
}

// closeAll runs when the connection is closed by anybody.
func (s *Subscriber) closeAll() {
	for _, t := range []*time.Timer{s.gathering, s.timeout} {
		if t != nil {
			t.Stop()
		}
	}
	for _, sender := range s.unplaced {
		sender.down.Close()
	}
	s.sending.close()
}
