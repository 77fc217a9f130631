package room

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// Data takes a packet from one of the client's data channels. It runs on the
// connection's goroutine; what cannot be parsed is dropped.
func (c *connection) Data(kind peer.DataKind, label string, payload []byte) {
	packet := new(livekit.DataPacket)
	switch label {
	case "_reliable", "_lossy":
		if proto.Unmarshal(payload, packet) != nil {
			return
		}
	case "_data_track":
		frame := slices.Clone(payload)
		c.post(func(s *state, p *participant) { p.forwardDataTrack(frame) })
		return
	default:
		// A channel of the application's own: its bytes are the message.
		packet.Value = &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: slices.Clone(payload)}}
	}
	c.post(func(s *state, p *participant) { s.forwardData(p, kind, packet) })
}

// forwardData sends a client's packet on to those it is for, in the sender's
// true name whatever it claims.
func (s *state) forwardData(p *participant, kind peer.DataKind, packet *livekit.DataPacket) {
	if !p.joined {
		p.keepEarly(kind, packet)
		return
	}
	if kind == peer.Reliable && !p.reliable.accept(packet.Sequence) {
		return
	}
	if s.takeRPC(p, packet) {
		return
	}
	if !p.permission.CanPublishData {
		return
	}
	to := packet.DestinationIdentities
	switch packet.Value.(type) {
	case *livekit.DataPacket_Speaker:
		return // only the server says who speaks
	case *livekit.DataPacket_Transcription:
		if !p.agent() {
			return // only agents say what was spoken
		}
	case *livekit.DataPacket_Metrics:
		if to = s.metricsReaders(p); len(to) == 0 {
			return
		}
	}
	s.introduce(p)
	packet.Kind = dataKind(kind) //nolint:staticcheck // older clients read it
	packet.ParticipantSid, packet.ParticipantIdentity = p.sid, p.speaksFor(packet)
	if p.permission.Hidden {
		packet.ParticipantSid = ""
	}
	var sids []string
	if user := packet.GetUser(); user != nil {
		//nolint:staticcheck // the deprecated fields are what older clients read and write
		{
			user.ParticipantSid, user.ParticipantIdentity = packet.ParticipantSid, packet.ParticipantIdentity
			if len(to) == 0 {
				to = user.DestinationIdentities
			}
			sids = user.DestinationSids
			packet.DestinationIdentities, user.DestinationIdentities = to, to
		}
	}
	s.sendData(kind, packet, p, to, sids)
	p.carry(kind, packet, to, sids)
}

// maxEarly is how much a client may have sent before it is in the room, in bytes;
// each message counts for earlyCost more.
const (
	maxEarly  = 1 << 20
	earlyCost = 1 << 10
)

// keepEarly keeps what a client sends that sees itself connected before the server
// does, until it is in the room.
func (p *participant) keepEarly(kind peer.DataKind, packet *livekit.DataPacket) {
	if kind != peer.Reliable {
		return
	}
	// Once it was too much nothing more is kept: what follows a gap is not in order.
	if p.earlyBytes += proto.Size(packet) + earlyCost; p.earlyBytes <= maxEarly {
		p.early = append(p.early, packet)
	}
}

// forwardEarly sends on what was kept, now that p is in the room.
func (s *state) forwardEarly(p *participant) {
	early := p.early
	p.early, p.earlyBytes = nil, 0
	for _, packet := range early {
		s.forwardData(p, peer.Reliable, packet)
	}
}

// speaksFor is in whose name p sends: its own, or nobody's if it is hidden. An agent
// may send text for somebody else, such as what that has said, which is marked then: by
// the header of a stream. What follows it is in the agent's name, and SDKs go by the
// stream's id.
func (p *participant) speaksFor(packet *livekit.DataPacket) string {
	if other := packet.ParticipantIdentity; p.agent() && other != "" && other != p.identity {
		if message := packet.GetChatMessage(); message != nil {
			message.Generated = true
			return other
		}
		if text := packet.GetStreamHeader().GetTextHeader(); text != nil {
			text.Generated = true
			return other
		}
	}
	if p.permission.Hidden {
		return ""
	}
	return p.identity
}

// metricsReaders are the identities, but p's, that may read metrics.
func (s *state) metricsReaders(p *participant) (identities []string) {
	for identity, other := range s.participants {
		if other != p && other.permission.CanSubscribeMetrics {
			identities = append(identities, identity)
		}
	}
	return identities
}

// maxPacket is the longest packet that clients are sent, in bytes: what older clients
// of pion read into holds no more.
const maxPacket = peer.MaxMessageSize - 1

// tooLarge notes that a packet is not sent, as it is too long with the name of who
// sends it.
func (s *state) tooLarge(sender *participant, size int) {
	log, level := s.log, slog.LevelDebug
	if sender != nil {
		log = sender.log
		if !sender.oversized {
			sender.oversized, level = true, slog.LevelWarn
		}
	}
	log.Log(context.Background(), level, "data message is too large and dropped", "bytes", size, "limit", maxPacket)
}

// sendData gives packet to the named participants, or to everybody but its
// sender when none is named. Names of nobody are ignored.
func (s *state) sendData(kind peer.DataKind, packet *livekit.DataPacket, sender *participant, identities, sids []string) {
	payload, err := proto.Marshal(packet)
	if err != nil {
		s.log.Debug("data packet dropped", "error", err)
		return
	}
	if len(payload) > maxPacket {
		s.tooLarge(sender, len(payload))
		return
	}
	kept := sentData{at: s.now, seq: packet.Sequence, payload: payload}
	defer func() {
		if kind == peer.Reliable && sender != nil && kept.seq > 0 {
			kept.sender = sender.sid
			s.recent.add(kept)
			s.wakeAt(s.now.Add(recentKept))
		}
	}()
	batch, send := peer.Together()
	defer send()
	if len(identities) == 0 && len(sids) == 0 {
		for _, p := range s.participants {
			if p != sender {
				p.sendData(kind, payload, batch)
			}
		}
		return
	}
	kept.to = []string{}
	sent := make(map[*participant]bool, len(identities)+len(sids))
	give := func(p *participant) {
		if p != nil && p != sender && !sent[p] {
			sent[p] = true
			kept.to = append(kept.to, p.sid)
			p.sendData(kind, payload, batch)
		}
	}
	for _, identity := range identities {
		give(s.participants[identity])
	}
	for _, sid := range sids {
		give(s.bySID[sid])
	}
}

// sendData gives payload to p's client, with the batch if there is one. A client that does not take reliable
// messages is sent into a reconnect, because it would miss one, unless it leaves.
//
// A client may see itself connected before the server does, and expects what is
// sent from then on: reliable data waits in the connection until that is up. If that
// is too much, it reconnects when it is in.
func (p *participant) sendData(kind peer.DataKind, payload []byte, batch uptrack.Batch) {
	if !p.joined && kind != peer.Reliable {
		return
	}
	var err error
	switch {
	case p.req.SubscriberPrimary() && p.subscriber != nil:
		err = p.subscriber.SendData(kind, payload, batch)
	case p.publisher != nil:
		err = p.publisher.SendData(kind, payload, batch)
	}
	if err == nil || kind != peer.Reliable {
		return
	}
	switch {
	case errors.Is(err, peer.ErrDataTooLarge):
		p.log.Warn("data message not sent", "bytes", len(payload), "error", err)
	case errors.Is(err, peer.ErrNoData):
		// An encoder, which has nothing to take it with.
	case errors.Is(err, peer.ErrClosed):
		// The client is on its way out, and its state and its goodbye say so.
	case !p.overflowed && p.leaving == 0:
		p.log.Warn("client does not take its reliable data", "error", err)
		p.overflowed = true
		switch {
		case !p.joined:
		case errors.Is(err, peer.ErrDataOverflow):
			p.setDeadline(0)
		default:
			p.setDeadline(goodbyeGrace) // whose client has ended it may be leaving
		}
	}
}

func dataKind(kind peer.DataKind) livekit.DataPacket_Kind {
	if kind == peer.Lossy {
		return livekit.DataPacket_LOSSY
	}
	return livekit.DataPacket_RELIABLE
}
