package sctp

import (
	"encoding/binary"
	"hash/crc32"
)

// Chunk types, RFC 9260 §3.2.
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkHeartbeat        = 4
	chunkHeartbeatAck     = 5
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkError            = 9
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14
	chunkReconfig         = 130 // RFC 6525 §3.1
	chunkForwardTSN       = 192 // RFC 3758 §3.2
)

// Flags of DATA, RFC 9260 §3.3.1.
const (
	flagEnd       = 1
	flagBegin     = 2
	flagUnordered = 4
	flagImmediate = 8
)

// Parameters, RFC 9260 §3.3.2 and §3.3.3, RFC 3758 §3.1, RFC 5061 §4.2.7.
const (
	paramCookie     = 7
	paramForwardTSN = 0xc000
	paramExtensions = 0x8008
)

const (
	packetHeader = 12 // ports, tag, checksum
	chunkHeader  = 4
	dataHeader   = 16

	// maxPacket is how long a packet may be: with the record around it and
	// the headers of IPv6 and UDP it fits 1280 bytes, which every path carries.
	maxPacket = 1180

	// maxFragment is how much of a message one packet carries.
	maxFragment = maxPacket - packetHeader - dataHeader

	port = 5000 // of both sides; what SDP says is not looked at (RFC 8841 §5)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var noChecksum = make([]byte, 4) // in its place

// checksum is that of a packet (RFC 9260 Appendix A).
func checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:8])
	sum = crc32.Update(sum, castagnoli, noChecksum)
	return crc32.Update(sum, castagnoli, b[packetHeader:])
}

// tagOf returns the verification tag of a packet that is whole.
func tagOf(b []byte) (tag uint32, ok bool) {
	if len(b) < packetHeader+chunkHeader || binary.LittleEndian.Uint32(b[8:]) != checksum(b) {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[4:]), true
}

// chunk is a chunk or a parameter.
type chunk struct {
	kind  uint8
	flags uint8
	value []byte
}

// nextChunk takes one chunk off b.
func nextChunk(b []byte) (c chunk, rest []byte, ok bool) {
	if len(b) < chunkHeader {
		return chunk{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < chunkHeader || n > len(b) {
		return chunk{}, nil, false
	}
	return chunk{b[0], b[1], b[chunkHeader:n]}, b[min(padded(n), len(b)):], true
}

// nextParam takes one parameter off b (RFC 9260 §3.2.1).
func nextParam(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 4 || n > len(b) {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(b), b[4:n], b[min(padded(n), len(b)):], true
}

func padded(n int) int { return (n + 3) &^ 3 }

func appendPadding(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendChunk(b []byte, kind, flags uint8, value []byte) []byte {
	b = append(b, kind, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(chunkHeader+len(value)))
	return appendPadding(append(b, value...))
}

func appendParam(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(value)))
	return appendPadding(append(b, value...))
}

// Serial number arithmetic, RFC 1982.

func before(a, b uint32) bool   { return int32(a-b) < 0 }
func before16(a, b uint16) bool { return int16(a-b) < 0 }
func later(a, b uint32) uint32  { return pick(before(a, b), b, a) }
func pick[T any](is bool, a, b T) T {
	if is {
		return a
	}
	return b
}

// packer gathers chunks into packets.
type packer struct {
	write func([]byte) // immutable
	tag   uint32       // of the other side
	b     []byte       // a packet begun
}

// room returns the packet that has room for a chunk of n bytes, header included.
func (p *packer) room(n int) {
	if len(p.b) > packetHeader && len(p.b)+padded(n) > maxPacket {
		p.flush()
	}
	if len(p.b) == 0 {
		p.b = binary.BigEndian.AppendUint16(p.b, port)
		p.b = binary.BigEndian.AppendUint16(p.b, port)
		p.b = binary.BigEndian.AppendUint32(p.b, p.tag)
		p.b = append(p.b, 0, 0, 0, 0)
	}
}

func (p *packer) chunk(kind, flags uint8, value []byte) {
	p.room(chunkHeader + len(value))
	p.b = appendChunk(p.b, kind, flags, value)
}

// flush sends the packet begun.
func (p *packer) flush() {
	if len(p.b) <= packetHeader {
		p.b = p.b[:0]
		return
	}
	binary.LittleEndian.PutUint32(p.b[8:], checksum(p.b))
	p.write(p.b)
	if p.b = p.b[:0]; cap(p.b) > maxPacket {
		p.b = nil
	}
}
