package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pion/webrtc/v4"

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
	// SubscriberCandidate is an RTCIceCandidateInit of ours in JSON.
	SubscriberCandidate(init string, final bool)
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
	Logger  *slog.Logger
}

// Subscriber carries media and data to a client. We offer; nothing is sent
// before Negotiate or Begin.
type Subscriber struct {
	conn
	handler SubscriberHandler // immutable

	// tasks only
	sending
	lastID      uint32
	outstanding bool   // an offer has no answer yet
	offerLines  int    // media sections in it
	made        uint64 // descriptions made
	offerText   string
	extensions  extensions
	begun       bool // Negotiate was called
	wanted      bool // something is to be offered
	restart     bool // with new ICE credentials
	gathering   *time.Timer
	timeout     *time.Timer
	unbegun     *time.Timer // the client may not have begun with our first offer; see begin
}

// NewSubscriber returns a Subscriber that waits for tracks and Negotiate.
func (f *Factory) NewSubscriber(opts SubscriberOptions) (*Subscriber, error) {
	s := &Subscriber{handler: opts.Handler, extensions: make(extensions)}
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

func (e subscriberEvents) candidate(init string, final bool) {
	e.s.handler.SubscriberCandidate(init, final)
}
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
		if err := s.addTrack(sender); err != nil {
			s.senderFailed(sender, err)
			return
		}
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
// happened, if pion has to be asked for it: call Negotiate.
func (s *Subscriber) Begin() (sdp string, id uint32, ok bool) {
	s.queue.try(func() {
		if s.pc != nil || s.begun || s.conn.state == Closed || !s.draftOffer() {
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

func (s *Subscriber) connect() error {
	if err := s.open(s.factory.subscriberMedia); err != nil {
		return err
	}
	lossy := sctp.Reliability{Unordered: true, Limited: true}
	s.packets.data.open(channelRequest{label: labelReliable})
	s.packets.data.open(channelRequest{label: labelLossy, rel: lossy})
	s.packets.data.open(channelRequest{label: labelTrack, rel: lossy})
	if s.ahead != nil {
		return s.catchUp()
	}
	return nil
}

func (s *Subscriber) addTrack(sender *Sender) error {
	if s.pc == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	sender.since = s.made + 1
	track := localTrack{sender}
	if s.hasFreeSlot(track.Kind()) {
		// pion chooses among the free transceivers of the kind.
		pion, err := s.pc.AddTrack(track)
		if err != nil {
			return err
		}
		for _, sl := range s.slots {
			if sl.transceiver.Sender() == pion {
				s.occupy(sl, sender, pion)
				return nil
			}
		}
		return errors.New("pion made a transceiver of its own")
	}
	transceiver, err := s.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionSendonly,
	})
	if err != nil {
		return err
	}
	sl := &slot{transceiver: transceiver, kind: track.Kind()}
	s.slots = append(s.slots, sl)
	s.occupy(sl, sender, transceiver.Sender())
	return nil
}

// hasFreeSlot reports whether a section of the kind can be used again. pion
// would choose a refused one too, so where there is one none is.
func (s *Subscriber) hasFreeSlot(kind webrtc.RTPCodecType) bool {
	free := false
	for _, sl := range s.slots {
		if sl.kind != kind {
			continue
		}
		if sl.refused {
			return false
		}
		free = free || sl.sender == nil && sl.idle
	}
	return free
}

// closeAll runs when the connection is closed by anybody.
func (s *Subscriber) closeAll() {
	for _, t := range []*time.Timer{s.gathering, s.timeout} {
		if t != nil {
			t.Stop()
		}
	}
	s.sending.close()
}
