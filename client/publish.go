package client

import (
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

func codecName(c webrtc.RTPCodecCapability) string {
	_, name, _ := strings.Cut(strings.ToLower(c.MimeType), "/")
	return name
}

// publish asks the server to take a track. The track counts as published once
// the server has taken it and both ends agree on how it is sent.
func (r *Room) publish(pub *LocalPublication) error {
	for _, other := range r.local.pubs {
		if other.layers[0].id == pub.layers[0].id {
			return errPublishedAlready
		}
	}
	r.change(func() { r.local.pubs = append(slices.Clip(r.local.pubs), pub) })
	for _, l := range pub.layers {
		l.muted.Store(pub.muted)
	}
	r.request(addTrack(pub)) // after a reconnect, if there is one now
	pub.late = time.AfterFunc(requestTimeout, func() {
		r.loop.send(func() {
			if r.restoring == nil {
				pub.finish(ErrTimeout)
			}
		})
	})
	return nil
}

func addTrack(pub *LocalPublication) *livekit.SignalRequest {
	return &livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: pub.addRequest()}}
}

// finish tells Publish how it ended.
func (p *LocalPublication) finish(err error) {
	if p.done != nil {
		stop(p.late)
		p.done(err)
		p.done = nil
	}
}

// handleTrackPublished begins to send what the server has taken.
func (r *Room) handleTrackPublished(s *session, m *livekit.TrackPublishedResponse) {
	pub := r.localByCID(m.GetCid())
	if pub == nil || m.GetTrack().GetSid() == "" || pub.transceiver != nil {
		return
	}
	pub.asked = false // it was another sid
	r.change(func() {
		pub.info = m.GetTrack()
		r.updateLocalTrack(pub.info)
	})
	if err := s.startSending(pub); err != nil {
		r.log.Warn("publish", "track", pub.info.GetSid(), "error", err)
		pub.finish(err)
	}
}

func (r *Room) localByCID(cid string) *LocalPublication {
	for _, pub := range r.local.pubs {
		if pub.layers[0].id == cid {
			return pub
		}
	}
	return nil
}

func (r *Room) localBySID(sid string) *LocalPublication {
	for _, pub := range r.local.pubs {
		if sid != "" && pub.info.GetSid() == sid {
			return pub
		}
	}
	return nil
}

// startSending adds the track to the connection, and agrees with the server on it.
func (s *session) startSending(pub *LocalPublication) error {
	if err := s.openPublisher(); err != nil {
		return err
	}
	t, err := s.addTransceiver(pub)
	if err != nil {
		return err
	}
	pub.transceiver = t
	return s.negotiate(s.pub, func() {
		r := s.room
		if pub.gone {
			return
		}
		for _, l := range pub.layers {
			l.setMid(t.Mid())
			l.setPaused(false)
		}
		if !pub.announced {
			pub.announced = true
			r.emit(LocalTrackPublished{Publication: pub, Participant: r.local})
		}
		pub.finish(nil)
	})
}

func (s *session) addTransceiver(pub *LocalPublication) (*webrtc.RTPTransceiver, error) {
	first := outgoing{pub.layers[0], pub.redundant()}
	t, err := s.pub.pc.AddTransceiverFromTrack(first, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	sender := t.Sender()
	for _, l := range pub.layers[1:] {
		if err := sender.AddEncoding(outgoing{l, false}); err != nil {
			return nil, err
		}
	}
	codecs := only(first.codec, sender.GetParameters().Codecs)
	if red, _, found := redOf(sender.GetParameters().Codecs); found && first.red {
		codecs = slices.Insert(codecs, 0, red)
	}
	if len(codecs) > 0 {
		if err := t.SetCodecPreferences(codecs); err != nil {
			return nil, err
		}
	}
	for _, l := range pub.layers {
		s.running.Go(func() { readFeedback(sender, l) })
	}
	return t, nil
}

// readFeedback tells a track what its receivers ask for, until it is not sent
// any more.
func readFeedback(sender *webrtc.RTPSender, l *LocalTrack) {
	read := func() ([]rtcp.Packet, error) {
		packets, _, err := sender.ReadRTCP()
		return packets, err
	}
	if l.rid != "" {
		read = func() ([]rtcp.Packet, error) {
			packets, _, err := sender.ReadSimulcastRTCP(l.rid)
			return packets, err
		}
	}
	for {
		packets, err := read()
		if err != nil {
			return
		}
		l.onRTCP(packets)
	}
}

// unpublish takes a track out of the room, if it is in.
func (r *Room) unpublish(pub *LocalPublication) {
	if pub.gone {
		return
	}
	r.change(func() {
		pub.gone = true
		r.local.pubs = slices.DeleteFunc(slices.Clone(r.local.pubs), func(p *LocalPublication) bool { return p == pub })
	})
	if s := r.session; s != nil && pub.transceiver != nil {
		if err := s.stopSending(pub); err != nil {
			r.log.Debug("unpublish", "error", err)
		}
	}
	pub.finish(ErrNotPublished)
	if pub.announced {
		r.emit(LocalTrackUnpublished{Publication: pub, Participant: r.local})
	}
}

func (s *session) stopSending(pub *LocalPublication) error {
	t := pub.transceiver
	pub.transceiver = nil
	if err := s.pub.pc.RemoveTrack(t.Sender()); err != nil {
		return err
	}
	return s.negotiate(s.pub, nil)
}

// handleTrackUnpublished takes a track out that the server does not want any more.
func (r *Room) handleTrackUnpublished(sid string) {
	if pub := r.localBySID(sid); pub != nil {
		r.unpublish(pub)
	}
}

// handleTrackSubscribed notes that somebody receives a track.
func (r *Room) handleTrackSubscribed(sid string) {
	if pub := r.localBySID(sid); pub != nil {
		r.change(func() { pub.subscribed = true })
	}
}

// setMuted mutes or unmutes a local track and reports whether that is a change.
func (r *Room) setMuted(pub *LocalPublication, muted bool) bool {
	if pub.muted == muted && pub.info.GetMuted() == muted {
		return false
	}
	for _, l := range pub.layers {
		l.muted.Store(muted)
		if !muted {
			l.wantKeyFrame()
		}
	}
	r.change(func() {
		pub.muted = muted
		info := proto.CloneOf(pub.info)
		info.Muted = muted
		pub.info = info
		if pub.announced {
			r.tellMuted(pub, r.local, muted)
		}
	})
	return true
}

// handleMute does what the server asks.
func (r *Room) handleMute(m *livekit.MuteTrackRequest) {
	if pub := r.localBySID(m.GetSid()); pub != nil {
		pub.asked = false
		r.setMuted(pub, m.GetMuted())
	}
}

// tellServerMuted tells the server whether a local track is muted.
func (r *Room) tellServerMuted(pub *LocalPublication) {
	pub.asked = true
	r.request(&livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{
		Mute: &livekit.MuteTrackRequest{Sid: pub.info.GetSid(), Muted: pub.muted},
	}})
}

// updateLocalTrack takes over what the server says of a local track. Whether it
// is muted is for the application to say, so the server is told again, unless it
// was and may not know yet: a moderator may have muted the track after that, which
// to repeat an older wish would undo.
func (r *Room) updateLocalTrack(info *livekit.TrackInfo) {
	pub := r.localBySID(info.GetSid())
	if pub == nil {
		return
	}
	if info.GetMuted() == pub.muted {
		pub.asked = false
	} else {
		if !pub.asked {
			r.tellServerMuted(pub)
		}
		info = proto.CloneOf(info)
		info.Muted = pub.muted
	}
	pub.info = info
}

// handleWantedLayers pauses the layers of a local track that nobody needs.
func (r *Room) handleWantedLayers(m *livekit.SubscribedQualityUpdate) {
	pub := r.localBySID(m.GetTrackSid())
	if pub == nil {
		return
	}
	wanted := m.GetSubscribedQualities()
	for _, c := range m.GetSubscribedCodecs() {
		if c.GetCodec() == "" || strings.EqualFold(c.GetCodec(), codecName(pub.layers[0].codec)) {
			wanted = c.GetQualities()
		}
	}
	for _, q := range wanted {
		switch i := int(q.GetQuality()); {
		case len(pub.layers) == 1:
			// One layer serves every quality.
			if q.GetEnabled() {
				pub.layers[0].setPaused(false)
				return
			}
		case i >= 0 && i < len(pub.layers):
			pub.layers[i].setPaused(!q.GetEnabled())
		}
	}
}

// sendPermission tells the server who may subscribe.
func (r *Room) sendPermission() {
	if r.local.permission != nil {
		r.request(&livekit.SignalRequest{Message: &livekit.SignalRequest_SubscriptionPermission{SubscriptionPermission: r.local.permission}})
	}
}
