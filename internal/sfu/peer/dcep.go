package peer

import (
	"encoding/binary"
	"errors"

	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
)

// What the messages of a data channel are, RFC 8831 §8.
const (
	ppidControl     = 50
	ppidText        = 51
	ppidBinary      = 53
	ppidTextEmpty   = 56
	ppidBinaryEmpty = 57
)

// Messages of the establishment protocol, RFC 8832 §8.2.1.
const (
	dcepAck  = 2
	dcepOpen = 3
)

// Channel types, RFC 8832 §5.1.
const (
	channelRexmit    = 1
	channelTimed     = 2
	channelUnordered = 0x80
)

const (
	openFixed  = 12
	maxLabel   = 256 // bytes
	maxControl = openFixed + 2*maxLabel
)

var errControl = errors.New("not a request for a channel")

// channelRequest is DATA_CHANNEL_OPEN, RFC 8832 §5.1.
type channelRequest struct {
	label string
	rel   sctp.Reliability
}

func (r channelRequest) append(b []byte) []byte {
	kind := byte(0)
	if r.rel.Limited {
		kind = channelRexmit
	}
	if r.rel.Unordered {
		kind |= channelUnordered
	}
	b = append(b, dcepOpen, kind, 1, 0) // priority: normal, RFC 8831 §6.4
	b = binary.BigEndian.AppendUint32(b, uint32(r.rel.Retransmissions))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.label)))
	b = append(b, 0, 0) // no protocol
	return append(b, r.label...)
}

// parseRequest reads a DATA_CHANNEL_OPEN. A channel whose messages live for a
// time only gets messages that are sent once.
func parseRequest(b []byte) (r channelRequest, err error) {
	if len(b) < openFixed || len(b) > maxControl || b[0] != dcepOpen {
		return r, errControl
	}
	label := int(binary.BigEndian.Uint16(b[8:]))
	protocol := int(binary.BigEndian.Uint16(b[10:]))
	if label > maxLabel || openFixed+label+protocol > len(b) {
		return r, errControl
	}
	r.label = string(b[openFixed : openFixed+label])
	r.rel.Unordered = b[1]&channelUnordered != 0
	switch b[1] &^ channelUnordered {
	case 0:
	case channelRexmit:
		r.rel.Limited = true
		r.rel.Retransmissions = uint16(min(binary.BigEndian.Uint32(b[4:]), 1<<16-1))
	case channelTimed:
		r.rel.Limited = true
	default:
		return r, errControl
	}
	return r, nil
}

// kind tells how a channel of ours or of a client carries data.
func (r channelRequest) kind() DataKind {
	switch {
	case r.label == labelReliable:
		return Reliable
	case r.label == labelLossy:
		return Lossy
	case r.label == labelTrack:
		return DataTrack
	case r.rel.Limited:
		return Lossy
	}
	return Reliable
}
