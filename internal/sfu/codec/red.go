package codec

import (
	"encoding/binary"
	"strings"
)

// maxRedundant is how many redundant blocks a packet may have. Browsers send
// one or two.
const maxRedundant = 8

// RED is a payload of redundant audio taken apart, RFC 2198 §3. Its zero value
// is ready, and can be used again.
type RED struct {
	// Primary is what the packet itself is about; it may be empty.
	Primary   []byte
	redundant [maxRedundant]Redundant
	n         int
}

// Redundant is the content of an earlier packet.
type Redundant struct {
	// Before is how much earlier its timestamp is, in ticks of the RTP clock.
	Before  uint32
	Payload []byte
}

// IsRED reports whether a MIME type is redundant audio.
func IsRED(mimeType string) bool { return strings.EqualFold(mimeType, "audio/red") }

// IsOpus reports whether a MIME type is Opus.
func IsOpus(mimeType string) bool { return strings.EqualFold(mimeType, "audio/opus") }

// Redundant returns the redundant blocks, oldest first. They are valid as long
// as the payload is.
func (r *RED) Redundant() []Redundant { return r.redundant[:r.n] }

const (
	// MaxRedundantBlock is how long a redundant block may be, in bytes, RFC 2198 §3.
	MaxRedundantBlock = 1<<10 - 1
	// REDHeaders is what AppendRED adds to the payloads, in bytes.
	REDHeaders = 4 + 1
)

// AppendRED appends a payload with one redundant block: that of a packet so many ticks
// earlier, less than 1<<14. SetPrimary has to say what is in it.
func AppendRED(b []byte, before uint32, redundant, primary []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, 1<<31|before<<10|uint32(len(redundant)))
	b = append(b, 0)
	return append(append(b, redundant...), primary...)
}

// SetPrimary sets the payload type of both blocks in a payload of AppendRED's.
func SetPrimary(payload []byte, payloadType uint8) {
	payload[0], payload[4] = 1<<7|payloadType, payloadType
}

// Parse takes a payload apart without copying. It reports false for what is
// malformed or has more than eight redundant blocks.
func (r *RED) Parse(payload []byte) bool {
	r.Primary, r.n = nil, 0
	var sizes [maxRedundant]int
	n, rest := 0, payload
	for len(rest) > 0 && rest[0]&0x80 != 0 {
		if len(rest) < 4 || n == maxRedundant {
			return false
		}
		header := binary.BigEndian.Uint32(rest)
		r.redundant[n].Before = header >> 10 & 0x3fff
		sizes[n] = int(header & 0x3ff)
		n++
		rest = rest[4:]
	}
	if len(rest) == 0 {
		return false
	}
	rest = rest[1:] // the header of the primary block, which has no length
	for i := range n {
		if sizes[i] > len(rest) {
			return false
		}
		r.redundant[i].Payload = rest[:sizes[i]]
		rest = rest[sizes[i]:]
	}
	r.Primary, r.n = rest, n
	return true
}
