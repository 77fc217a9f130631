package room

import (
	"context"
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

// carried is something that a forwarded participant sent, on its way to the other
// room. It is immutable.
type carried struct {
	kind     peer.DataKind
	packet   *livekit.DataPacket // as it was sent in its own room; nil for a frame
	to, sids []string            // whom it is for; both empty: everybody
	frame    []byte              // of a data track
}

// maxCarried is how many bytes may be on their way: as many as may wait for a client
// that does not take them.
const maxCarried = 4 << 20

// forwardable says whether a packet means something in another room. Calls are
// between two participants of one room: who of that name is elsewhere did not
// agree to be called, and its answer would find nobody. Metrics are for those who
// operate the room.
func forwardable(packet *livekit.DataPacket) bool {
	switch v := packet.Value.(type) {
	case *livekit.DataPacket_RpcRequest, *livekit.DataPacket_RpcAck, *livekit.DataPacket_RpcResponse, *livekit.DataPacket_Metrics:
		return false
	case *livekit.DataPacket_StreamHeader:
		// Newer clients put calls into streams. What follows means nothing alone.
		topic := v.StreamHeader.GetTopic()
		return topic != "lk.rpc_request" && topic != "lk.rpc_response"
	}
	return true
}

// carry has p's packet given to those whom it is for in the rooms to which p is
// forwarded. Identities are those of people, who may be there too; sids are of
// sessions and so of one room.
func (p *participant) carry(kind peer.DataKind, packet *livekit.DataPacket, to, sids []string) {
	if len(p.forwards) == 0 || !forwardable(packet) {
		return
	}
	for _, f := range p.forwards {
		f.carry(carried{kind: kind, packet: proto.CloneOf(packet), to: to, sids: sids}, proto.Size(packet))
	}
}

// carryFrame does it for a frame of a data track.
func (p *participant) carryFrame(frame []byte) {
	for _, f := range p.forwards {
		f.carry(carried{kind: peer.DataTrack, frame: slices.Clone(frame)}, len(frame))
	}
}

// carry puts one more on the way. When too much is, because the other room does
// not keep up, what may be lost is; if reliable data would be, that is the end.
func (f *forwarding) carry(c carried, size int) {
	f.tell(func() {
		switch {
		case f.stuck:
		case f.waiting+size <= maxCarried:
			f.data, f.waiting = append(f.data, c), f.waiting+size
		case c.kind == peer.Reliable:
			f.stuck = true
		}
	})
}

// giveData gives the other room what waited for it, and returns when it has it:
// until then nothing more is taken, so that what waits is bounded.
func (f *forwarding) giveData(data []carried) {
	if len(data) == 0 {
		return
	}
	_, _ = f.to.do(context.Background(), func(s *state) {
		for _, c := range data {
			s.takeCarried(f.double, c)
		}
	})
}

// takeCarried sends on what p's original has sent, in p's name.
func (s *state) takeCarried(p *participant, c carried) {
	if p.gone || !p.permission.CanPublishData {
		return
	}
	if c.packet == nil {
		p.forwardDataTrack(c.frame)
		return
	}
	s.introduce(p)
	if !p.permission.Hidden {
		c.packet.ParticipantSid = p.sid
		if user := c.packet.GetUser(); user != nil {
			user.ParticipantSid = p.sid //nolint:staticcheck // older clients read it
		}
	}
	s.sendData(c.kind, c.packet, p, c.to, c.sids)
}

// reshowDataTracks makes the double's data tracks those of its original.
func (s *state) reshowDataTracks(p *participant, now []*livekit.DataTrackInfo) {
	changed := false
	for _, t := range slices.Clone(p.dataTracks) {
		if !slices.ContainsFunc(now, func(info *livekit.DataTrackInfo) bool { return info.Sid == t.original }) {
			p.endDataTrack(t)
			changed = true
		}
	}
	for _, original := range now {
		if slices.ContainsFunc(p.dataTracks, func(t *dataTrack) bool { return t.original == original.Sid }) {
			continue
		}
		info := proto.CloneOf(original)
		info.Sid = newSID(dataTrackPrefix)
		p.addDataTrack(&dataTrack{info: info, original: original.Sid})
		changed = true
	}
	if changed {
		p.touch()
		s.broadcast(p, false)
		p.shareDataTracks()
	}
}
