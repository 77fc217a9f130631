package bwe

import (
	"encoding/binary"
	"time"
)

// Arrival is what a feedback message says of one packet.
type Arrival struct {
	Seq      uint16
	Received bool
	At       time.Duration // on the receiver's clock, whose zero is anywhere
}

// maxStatuses is how many packets one message may be about. Receivers report
// many times a second.
const maxStatuses = 4096

const (
	feedbackHeader = 20
	referenceUnit  = 64 * time.Millisecond
	deltaUnit      = 250 * time.Microsecond
)

// IsFeedback reports whether an RTCP packet is transport-wide feedback: type
// 205 (RTPFB) and format 15.
func IsFeedback(b []byte) bool {
	return len(b) >= 4 && b[0]&0x1f == 15 && b[1] == 205
}

// ParseFeedback appends what the RTCP packet b reports to list, in the order
// of sequence numbers (draft-holmer §3.1). Arrival times are relative to one
// clock of the receiver that wraps after twelve days.
func ParseFeedback(b []byte, list []Arrival) ([]Arrival, error) {
	if !IsFeedback(b) || len(b) < feedbackHeader {
		return list, ErrFeedback
	}
	size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if size < feedbackHeader || size > len(b) {
		return list, ErrFeedback
	}
	seq := binary.BigEndian.Uint16(b[12:])
	count := int(binary.BigEndian.Uint16(b[14:]))
	if count == 0 || count > maxStatuses {
		return list, ErrFeedback
	}
	// 24 bits, signed.
	reference := int32(uint32(b[16])<<24|uint32(b[17])<<16|uint32(b[18])<<8) >> 8
	b = b[feedbackHeader:size]

	// The chunks come first, so the symbols wait in At for the deltas.
	first := len(list)
	for left := count; left > 0; {
		if len(b) < 2 {
			return list[:first], ErrFeedback
		}
		chunk := binary.BigEndian.Uint16(b)
		b = b[2:]
		var n int
		if chunk&0x8000 == 0 {
			n = min(int(chunk&0x1fff), left)
			if n == 0 {
				return list[:first], ErrFeedback
			}
			for range n {
				list = append(list, Arrival{Seq: seq, At: time.Duration(chunk >> 13 & 3)})
				seq++
			}
		} else {
			width, symbols := 1, 14
			if chunk&0x4000 != 0 {
				width, symbols = 2, 7
			}
			n = min(symbols, left)
			for i := range n {
				symbol := chunk >> (14 - width*(i+1)) & (1<<width - 1)
				list = append(list, Arrival{Seq: seq, At: time.Duration(symbol)})
				seq++
			}
		}
		left -= n
	}
	at := time.Duration(reference) * referenceUnit
	for i := first; i < len(list); i++ {
		a := &list[i]
		switch symbol := a.At; symbol {
		case 0:
			a.At = 0
		case 1:
			if len(b) < 1 {
				return list[:first], ErrFeedback
			}
			at += time.Duration(b[0]) * deltaUnit
			a.Received, a.At, b = true, at, b[1:]
		case 2:
			if len(b) < 2 {
				return list[:first], ErrFeedback
			}
			at += time.Duration(int16(binary.BigEndian.Uint16(b))) * deltaUnit
			a.Received, a.At, b = true, at, b[2:]
		default:
			return list[:first], ErrFeedback
		}
	}
	return list, nil
}
