package room

import (
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// welcome is the answer to p's join. Each of the others is encoded once for all who
// come while it stays as it is: in a crowd they are nearly all of the answer.
func (s *state) welcome(p *participant) *Message {
	answer := func(others []*livekit.ParticipantInfo) *livekit.JoinResponse {
		return &livekit.JoinResponse{
			Room:                 s.info(),
			Participant:          p.info(),
			OtherParticipants:    others,
			ServerVersion:        s.opts.ServerInfo.Version,
			ServerInfo:           s.opts.ServerInfo,
			ServerRegion:         s.opts.ServerInfo.Region,
			IceServers:           p.iceServers(),
			ClientConfiguration:  p.clientConfiguration(),
			SubscriberPrimary:    p.req.SubscriberPrimary(),
			PingInterval:         pingInterval,
			PingTimeout:          pingTimeout,
			EnabledPublishCodecs: s.settings.EnabledCodecs,
			FastPublish:          p.req.fastPublish(),
		}
	}
	others := s.others(p)
	m := NewMessage(&livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: answer(others)}})
	encoded := make([][]byte, len(others))
	for i, other := range others {
		var err error
		if encoded[i], err = s.bySID[other.Sid].encoded(); err != nil {
			return m // it is encoded as a whole, and fails as that
		}
	}
	m.parts = &welcomeParts{answer(nil), encoded}
	return m
}

// others are the participants that p is told of, in the order they joined.
func (s *state) others(p *participant) []*livekit.ParticipantInfo {
	var infos []*livekit.ParticipantInfo
	for _, other := range s.inOrder {
		if other != p && other.visible() {
			infos = append(infos, other.info())
		}
	}
	return infos
}

// welcomeParts are a join's answer with the others apart.
type welcomeParts struct {
	head   *livekit.JoinResponse // immutable
	others [][]byte              // immutable
}

// Numbers of fields of the protocol.
const (
	fieldJoin   protowire.Number = 1 // of SignalResponse
	fieldOthers protowire.Number = 3 // other_participants of JoinResponse
)

// binary returns the protobuf encoding of the SignalResponse. Fields of a message may
// come in any order.
func (w *welcomeParts) binary() ([]byte, error) {
	head, err := proto.Marshal(w.head)
	if err != nil {
		return nil, err
	}
	size := len(head) + w.othersSize()
	b := make([]byte, 0, protowire.SizeTag(fieldJoin)+protowire.SizeBytes(size))
	b = protowire.AppendTag(b, fieldJoin, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = append(b, head...)
	for _, other := range w.others {
		b = protowire.AppendTag(b, fieldOthers, protowire.BytesType)
		b = protowire.AppendBytes(b, other)
	}
	return b, nil
}

// size is how long binary is, but for a few bytes.
func (w *welcomeParts) size() int { return proto.Size(w.head) + w.othersSize() }

func (w *welcomeParts) othersSize() (n int) {
	for _, other := range w.others {
		n += protowire.SizeTag(fieldOthers) + protowire.SizeBytes(len(other))
	}
	return n
}

// encoded is p.info in protobuf.
func (p *participant) encoded() ([]byte, error) {
	if p.wire == nil {
		var err error
		if p.wire, err = proto.Marshal(p.info()); err != nil {
			return nil, err
		}
	}
	return p.wire, nil
}
