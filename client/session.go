package client

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// session is one stay in the room: from a join until leaving, or until a full
// reconnect begins another. A resume keeps it, with another signal connection.
type session struct {
	room *Room // immutable

	// loop only
	signal     *signalConn // nil while there is none
	join       *livekit.JoinResponse
	single     bool  // one connection for both directions
	pub        *link // nil before it is needed
	sub        *link // nil with a single connection
	iceServers []*livekit.ICEServer
	relayOnly  bool
	mids       map[string]string // mid -> sid of a track; with a single connection
	active     map[string]bool   // sids of tracks that the server sends
	unmatched  []unmatched
	reliable   *webrtc.DataChannel // nil before there is something to send with
	ended      bool

	drainedc chan struct{} // closed once the server has what was sent, or will not get it

	ctx     context.Context // ends when the session does
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newSession(r *Room, join *livekit.JoinResponse) *session {
	s := &session{
		room: r, join: join, drainedc: make(chan struct{}), active: map[string]bool{},
		iceServers: join.GetIceServers(), relayOnly: join.GetClientConfiguration().GetForceRelay() == livekit.ClientConfigSetting_ENABLED,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// open begins a session with what the server answered to a join.
func (r *Room) open(signal *signalConn, join *livekit.JoinResponse, single bool) {
	s := newSession(r, join)
	s.signal, s.single = signal, single
	r.session = s
	r.data.begin(s)
	if err := s.openLinks(); err != nil {
		r.failed(fmt.Errorf("open connections: %w", err))
		return
	}
	r.joined(join)
	s.listen()
}

func (s *session) openLinks() error {
	if !s.single {
		pc, err := s.room.connector.connect(receives, s.iceServers, s.relayOnly)
		if err != nil {
			return err
		}
		s.sub = s.newLink(pc, livekit.SignalTarget_SUBSCRIBER)
	}
	if s.single || !s.join.GetSubscriberPrimary() {
		return s.openPublisher()
	}
	return nil
}

// openPublisher makes the connection to send with, unless it is there.
func (s *session) openPublisher() error {
	if s.pub != nil {
		return nil
	}
	ways := sends
	if s.single {
		ways |= receives
	}
	pc, err := s.room.connector.connect(ways, s.iceServers, s.relayOnly)
	if err != nil {
		return err
	}
	s.pub = s.newLink(pc, livekit.SignalTarget_PUBLISHER)
	if s.single {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
			if err := s.addReceivers(kind, 1); err != nil {
				return err
			}
		}
	}
	if err := s.room.data.open(s, pc); err != nil {
		return err
	}
	return s.negotiate(s.pub, nil)
}

// addReceivers makes room for n more tracks to receive.
func (s *session) addReceivers(kind webrtc.RTPCodecType, n int) error {
	for range n {
		_, err := s.pub.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		if err != nil {
			return err
		}
	}
	return nil
}

// links are the connections that there are.
func (s *session) links() (all []*link) {
	for _, l := range []*link{s.pub, s.sub} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// primary is the link that counts for being connected.
func (s *session) primary() *link {
	if s.sub != nil && s.join.GetSubscriberPrimary() {
		return s.sub
	}
	return s.pub
}

// post runs fn on the loop, if the session still lives then.
func (s *session) post(fn func()) {
	s.room.loop.send(func() {
		if !s.ended {
			fn()
		}
	})
}

func (s *session) send(m *livekit.SignalRequest) {
	if s.signal != nil {
		s.signal.send(m)
	}
}

// listen handles what comes over the signal connection.
func (s *session) listen() {
	c := s.signal
	interval, timeout := pingTimes(s.join)
	c.start(interval, timeout,
		func(m *livekit.SignalResponse) {
			s.post(func() {
				if s.signal == c {
					s.handle(m)
				}
			})
		},
		func(err error) {
			s.post(func() {
				if s.signal == c {
					s.room.log.Debug("signal connection lost", "error", err)
					s.signal = nil
					s.room.restore(false, livekit.ReconnectReason_RR_SIGNAL_DISCONNECTED)
				}
			})
		})
	s.running.Go(c.wait)
}

func pingTimes(join *livekit.JoinResponse) (interval, timeout time.Duration) {
	interval, timeout = 5*time.Second, 15*time.Second
	if n := join.GetPingInterval(); n > 0 && n < 3600 {
		interval = time.Duration(n) * time.Second
	}
	if n := join.GetPingTimeout(); n > 0 && n < 3600 {
		timeout = time.Duration(n) * time.Second
	}
	return interval, max(timeout, interval+time.Second)
}

// expectAnswer gives the session up if an offer stays without an answer.
func (s *session) expectAnswer(l *link, id uint32) {
	stop(l.expecting)
	l.expecting = time.AfterFunc(joinTimeout, func() {
		s.post(func() {
			if l.offering && l.offerID == id && s.room.restoring == nil {
				s.room.log.Debug("no answer to an offer")
				s.room.restore(true, livekit.ReconnectReason_RR_UNKNOWN)
			}
		})
	})
}

// linkChanged follows a connection's state.
func (s *session) linkChanged(l *link) {
	s.room.log.Debug("connection", "target", l.target, "state", l.state)
	switch l.state {
	case webrtc.PeerConnectionStateConnected:
		s.maybeConnected()
	case webrtc.PeerConnectionStateFailed:
		reason := livekit.ReconnectReason_RR_SUBSCRIBER_FAILED
		if l == s.pub {
			reason = livekit.ReconnectReason_RR_PUBLISHER_FAILED
		}
		s.room.restore(false, reason)
	case webrtc.PeerConnectionStateClosed: // not by us: what encrypts is at its end
		s.ifItGoesOn(func() { s.room.restore(true, livekit.ReconnectReason_RR_UNKNOWN) })
	}
}

// ifItGoesOn calls fn, on the loop, if the session still lives in a while: a server
// that ends it closes connections, too, and may do so before it says why.
func (s *session) ifItGoesOn(fn func()) {
	time.AfterFunc(settleTime, func() { s.post(fn) })
}

// maybeConnected says so once it is.
func (s *session) maybeConnected() {
	if p := s.primary(); p == nil || p.state != webrtc.PeerConnectionStateConnected {
		return
	}
	switch {
	case s.room.restoring != nil:
		s.room.maybeRestored(s)
	case s.room.connection == StateConnecting:
		s.room.connected()
	}
}

// sending finds out which tracks the server sends, from its description of a link.
// A track that it does not send any more is unsubscribed.
func (s *session) sending(description string) {
	var parsed sdp.SessionDescription
	if parsed.UnmarshalString(description) != nil {
		return // pion has taken it, so that this is a matter of its leniency
	}
	s.active = map[string]bool{}
	for _, m := range parsed.MediaDescriptions {
		_, sendrecv := m.Attribute(sdp.AttrKeySendRecv)
		_, sendonly := m.Attribute(sdp.AttrKeySendOnly)
		if !sendrecv && !sendonly || m.MediaName.Port.Value == 0 {
			continue
		}
		mid, _ := m.Attribute(sdp.AttrKeyMID)
		msid, _ := m.Attribute(sdp.AttrKeyMsid)
		stream, track, _ := strings.Cut(msid, " ")
		if sid := s.trackSID(stream, track, mid); sid != "" {
			s.active[sid] = true
		}
	}
	s.room.change(func() { s.room.keepOnly(s.active) })
}

// trackSID says which track it is that the server calls so.
func (s *session) trackSID(stream, track, mid string) string {
	if sid := s.mids[mid]; s.single && sid != "" {
		return sid
	}
	if _, sid, _ := strings.Cut(stream, "|"); strings.HasPrefix(sid, "TR_") {
		return sid
	}
	return track
}

// close ends the session; wait returns when that is done.
func (s *session) close(reason livekit.DisconnectReason) {
	if s.ended {
		return
	}
	s.ended = true
	s.cancel()
	for _, u := range s.unmatched {
		stop(u.timer)
	}
	s.unmatched = nil
	for _, l := range s.links() {
		stop(l.expecting)
	}
	c := s.signal
	limit := reconnectDrain
	if s.room.connection == StateDisconnected && s.pub != nil && s.pub.state == webrtc.PeerConnectionStateConnected {
		limit = drainTimeout
	}
	s.running.Go(func() {
		if reason == livekit.DisconnectReason_CLIENT_INITIATED {
			s.room.data.drain(s, limit)
		}
		close(s.drainedc)
		if c != nil {
			c.leave(reason)
			gone := time.AfterFunc(goodbyeTimeout, c.abandon)
			c.wait()
			gone.Stop()
		}
		for _, l := range s.links() {
			_ = l.pc.Close()
		}
	})
}

func (s *session) wait() { s.running.Wait() }
